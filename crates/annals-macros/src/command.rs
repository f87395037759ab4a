//! `#[derive(Command)]`: a request with a name, a version, and the keys of what it is about.
//!
//! In: a struct with `#[named(..)]` and at least one field marked `#[key]`. Out: the impls of `Message` and `Command`,
//! and `HasKey` or `HasKeys` for each key that is not marked `named`; decisions find their models by these.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, DeriveInput, Error, Field, Ident, Member, Result, Type};

use crate::message::Naming;
use crate::shape::{Count, argument, at, only_struct, written};
use crate::tags::{self, TagField};

/// A field marked `#[key]`.
struct KeyField<'a> {
    tags: TagField<'a>,
    /// The type of one key.
    key: Type,
    /// Whether there is a list of them.
    list: bool,
    /// Whether it is read through a boundary struct only.
    named: bool,
    /// The mark, for errors.
    attribute: Attribute,
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let data = only_struct(input, "a command")?;
    let naming = Naming::of(input, "named", MISSING)?;
    if let Some(span) = naming.private {
        return Err(Error::new(
            span,
            "commands are sent to whoever takes them; only events can be private",
        ));
    }
    let ident = &input.ident;
    let mut keys = Vec::new();
    let mut occurred = None;
    for (member, field) in data.fields.members().zip(&data.fields) {
        if let Some(attribute) = tags::only(field, "occurred")? {
            attribute.meta.require_path_only()?;
            if occurred.replace((member.clone(), &field.ty)).is_some() {
                return Err(Error::new_spanned(
                    attribute,
                    "a command happened once; another field is marked so already",
                ));
            }
        }
        if let Some(attribute) = tags::only(field, "key")? {
            keys.push(key_field(member, field, attribute)?);
        }
    }
    if keys.is_empty() {
        let none = "a command carries at least one key, of what it is about: mark it `#[key] order: OrderId`";
        return Err(Error::new(ident.span(), none));
    }
    check_repeats(&keys)?;
    let message = naming.message(ident);
    let command = command(ident, &naming, &keys, occurred.as_ref());
    let has = keys
        .iter()
        .filter(|key| !key.named)
        .map(|key| has_key(ident, key));
    Ok(quote!(#message #command #(#has)*))
}

const MISSING: &str =
    "a command has a name that begins with the service which takes it: add `#[named(\"orders.place\")]`";

fn key_field<'a>(member: Member, field: &'a Field, attribute: &Attribute) -> Result<KeyField<'a>> {
    let (mut list, mut each, mut named) = (false, None, false);
    if attribute.meta.require_path_only().is_err() {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("named") {
                named = true;
            } else if meta.path.is_ident("each") {
                list = true;
                if meta.input.peek(syn::Token![=]) {
                    each = Some(meta.value()?.parse()?);
                }
            } else {
                let known = "`#[key]`, `#[key(each)]`, `#[key(each = sku: Sku)]` or `#[key(named)]`";
                return Err(meta.error(format!("expected {known}")));
            }
            Ok(())
        })?;
    }
    let tags = TagField {
        member,
        ty: &field.ty,
        each,
    };
    let key = key_type(&tags, list)?;
    Ok(KeyField {
        key,
        list,
        named,
        tags,
        attribute: attribute.clone(),
    })
}

/// The type of one key of the field.
fn key_type(field: &TagField<'_>, list: bool) -> Result<Type> {
    if let Some(each) = &field.each {
        let of = written(argument(field.ty, "Vec").unwrap_or(field.ty));
        let key = &each.field;
        return each.ty.clone().ok_or_else(|| {
            let why = format!("a derive does not see the fields of `{of}`");
            Error::new(
                each.span(),
                format!("write the key's type as well, {why}: `each = {key}: TheKey`"),
            )
        });
    }
    match (Count::of(field.ty), list) {
        (Count::One(key), false) | (Count::Many(key), true) => Ok(key.clone()),
        (Count::Many(_), false) => Err(Error::new_spanned(
            field.ty,
            "a list of keys is marked `#[key(each)]`",
        )),
        (Count::Maybe(_), false) => Err(Error::new_spanned(
            field.ty,
            "a command names what it is about; an optional key is either required, a field without `#[key]`, \
             or a command of its own",
        )),
        (_, true) => Err(Error::new_spanned(
            field.ty,
            "`#[key(each)]` marks a list of keys: `Vec<TheKey>`",
        )),
    }
}

/// Two keys of one type cannot both be *the* key of a model.
fn check_repeats(keys: &[KeyField<'_>]) -> Result<()> {
    for (at, key) in keys.iter().enumerate().filter(|(_, key)| !key.named) {
        let key_type = written(&key.key);
        let same = |earlier: &&KeyField<'_>| earlier.list == key.list && written(&earlier.key) == key_type;
        let Some(earlier) = keys[..at].iter().chain(&keys[at + 1..]).find(same) else {
            continue;
        };
        let advice = format!(
            "two keys of the type `{key_type}`: a decision that reads by `{key_type}` cannot tell which one is meant. \
             Mark both `#[key(named)]` and read them by name, through a struct with `#[derive(Boundary)]`"
        );
        let mut error = Error::new_spanned(&key.attribute, advice);
        if !earlier.named {
            error.combine(Error::new_spanned(
                &earlier.attribute,
                format!("the other key of the type `{key_type}`"),
            ));
        }
        return Err(error);
    }
    Ok(())
}

fn command(
    ident: &Ident,
    naming: &Naming,
    keys: &[KeyField<'_>],
    occurred: Option<&(Member, &Type)>,
) -> TokenStream {
    let name = &naming.name;
    let tags = tags::method(keys.iter().map(|key| &key.tags));
    let occurred = occurred.map(|(member, ty)| {
        let value = match argument(ty, "Option") {
            Some(_) => quote!(self.#member),
            None => quote!(::core::option::Option::Some(self.#member)),
        };
        quote! {
            fn occurred(&self) -> ::core::option::Option<::annals::core::time::Timestamp> {
                #value
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl ::annals::command::Command for #ident {
            const NAME: &'static str = #name;

            #tags

            #occurred
        }
    }
}

fn has_key(ident: &Ident, field: &KeyField<'_>) -> TokenStream {
    let (member, key) = (&field.tags.member, &field.key);
    if !field.list {
        return quote_spanned! {at(key.span())=>
            #[automatically_derived]
            impl ::annals::boundary::HasKey<#key> for #ident {
                fn key(&self) -> &#key {
                    &self.#member
                }
            }
        };
    }
    let one = match &field.tags.each {
        Some(each) => {
            let item = &each.field;
            quote!(|item| &item.#item)
        }
        None => quote!(|key| key),
    };
    quote_spanned! {at(key.span())=>
        #[automatically_derived]
        impl ::annals::boundary::HasKeys<#key> for #ident {
            fn keys(&self) -> ::std::vec::Vec<&#key> {
                ::core::iter::Iterator::collect(::core::iter::Iterator::map(
                    ::core::iter::IntoIterator::into_iter(&self.#member),
                    #one,
                ))
            }
        }
    }
}
