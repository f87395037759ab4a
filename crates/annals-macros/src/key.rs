//! `#[derive(Key)]`: everything an id needs, through the one value inside it.
//!
//! In: `#[key("order")] struct OrderId(Uuid);`. Out: the impls of `Key` and of the traits it asks for. The inner type
//! must display and parse itself, compare, hash, and know serde.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{DeriveInput, Error, Fields, Ident, LitStr, Result, Type, Visibility};

use crate::shape::{is_named, only_struct};
use crate::word;

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let inner = inner(input)?;
    let kind = kind(input)?;
    let ident = &input.ident;
    let impls = [
        key(ident, &kind, inner),
        text(ident, inner),
        order(ident),
        serde(ident, inner),
        conversions(ident, inner, &input.vis),
    ];
    Ok(quote!(#(#impls)*))
}

fn inner(input: &DeriveInput) -> Result<&Type> {
    let data = only_struct(input, "a key")?;
    let form = format!(
        "a key is a struct around one value: `struct {}(String);`",
        input.ident
    );
    match &data.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Ok(&fields.unnamed[0].ty),
        Fields::Unit => Err(Error::new(input.ident.span(), form)),
        fields => Err(Error::new(fields.span(), form)),
    }
}

fn kind(input: &DeriveInput) -> Result<LitStr> {
    let missing = "a key has a kind, the word in front of the colon of its tags: add `#[key(\"order\")]`";
    let mut found = input
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("key"));
    let attribute = found
        .next()
        .ok_or_else(|| Error::new(input.ident.span(), missing))?;
    if let Some(second) = found.next() {
        return Err(Error::new_spanned(second, "`#[key(..)]` is written once"));
    }
    let kind: LitStr = attribute
        .parse_args()
        .map_err(|error| match attribute.meta.require_list() {
            Ok(_) => Error::new(error.span(), missing),
            Err(_) => Error::new_spanned(attribute, missing),
        })?;
    word::check_kind(&kind)?;
    Ok(kind)
}

fn key(ident: &Ident, kind: &LitStr, inner: &Type) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::annals::key::Key for #ident {
            const KIND: &'static str = #kind;

            fn tag(&self) -> ::core::result::Result<::annals::core::tag::Tag, ::annals::core::tag::TagError> {
                ::annals::core::tag::Tag::of(#kind, &self.0)
            }

            fn parse(value: &str) -> ::core::option::Option<Self> {
                ::core::result::Result::ok(<Self as ::core::str::FromStr>::from_str(value))
            }
        }

        #[automatically_derived]
        impl ::core::str::FromStr for #ident {
            type Err = <#inner as ::core::str::FromStr>::Err;

            fn from_str(text: &str) -> ::core::result::Result<Self, Self::Err> {
                ::core::result::Result::map(<#inner as ::core::str::FromStr>::from_str(text), Self)
            }
        }
    }
}

fn text(ident: &Ident, inner: &Type) -> TokenStream {
    let name = ident.to_string();
    quote! {
        #[automatically_derived]
        impl ::core::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                <#inner as ::core::fmt::Display>::fmt(&self.0, f)
            }
        }

        #[automatically_derived]
        impl ::core::fmt::Debug for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::write!(f, "{}({})", #name, self.0)
            }
        }
    }
}

fn order(ident: &Ident) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::core::clone::Clone for #ident {
            fn clone(&self) -> Self {
                Self(::core::clone::Clone::clone(&self.0))
            }
        }

        #[automatically_derived]
        impl ::core::cmp::PartialEq for #ident {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }

        #[automatically_derived]
        impl ::core::cmp::Eq for #ident {}

        #[automatically_derived]
        impl ::core::cmp::PartialOrd for #ident {
            fn partial_cmp(&self, other: &Self) -> ::core::option::Option<::core::cmp::Ordering> {
                ::core::option::Option::Some(::core::cmp::Ord::cmp(self, other))
            }
        }

        #[automatically_derived]
        impl ::core::cmp::Ord for #ident {
            fn cmp(&self, other: &Self) -> ::core::cmp::Ordering {
                ::core::cmp::Ord::cmp(&self.0, &other.0)
            }
        }

        #[automatically_derived]
        impl ::core::hash::Hash for #ident {
            fn hash<H: ::core::hash::Hasher>(&self, state: &mut H) {
                ::core::hash::Hash::hash(&self.0, state);
            }
        }
    }
}

fn serde(ident: &Ident, inner: &Type) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::annals::__private::serde::Serialize for #ident {
            fn serialize<S: ::annals::__private::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                <#inner as ::annals::__private::serde::Serialize>::serialize(&self.0, serializer)
            }
        }

        #[automatically_derived]
        impl<'de> ::annals::__private::serde::Deserialize<'de> for #ident {
            fn deserialize<D: ::annals::__private::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                ::core::result::Result::map(
                    <#inner as ::annals::__private::serde::Deserialize<'de>>::deserialize(deserializer),
                    Self,
                )
            }
        }
    }
}

/// The accessor is as visible as the key, so that no lint finds it too visible.
fn conversions(ident: &Ident, inner: &Type, vis: &Visibility) -> TokenStream {
    let doc = format!("The value inside this `{ident}`.");
    let text = is_text(inner).then(|| {
        quote! {
            #[automatically_derived]
            impl ::core::convert::From<&str> for #ident {
                fn from(text: &str) -> Self {
                    Self(::core::convert::From::from(text))
                }
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #ident {
            #[doc = #doc]
            #[allow(dead_code, reason = "not every key is looked into")]
            #[must_use]
            #vis fn get(&self) -> &#inner {
                &self.0
            }
        }

        #[automatically_derived]
        impl ::core::convert::From<#inner> for #ident {
            fn from(inner: #inner) -> Self {
                Self(inner)
            }
        }

        #text
    }
}

/// What a text turns into without failing.
fn is_text(inner: &Type) -> bool {
    is_named(inner, "String") || is_named(inner, "SmolStr")
}
