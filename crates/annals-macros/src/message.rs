//! What events and commands have in common: a stored name, a version, and the way from older versions.
//!
//! In: `#[event("order.placed", version = 2, from = OrderPlacedV1, private)]` or `#[named("orders.place", ..)]`.
//! Out: the impl of `Message`, the name for checks at compile time, and those checks: the version before has the same
//! name, is one lower, and turns into this one.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Attribute, DeriveInput, Error, Ident, LitInt, LitStr, Result, Token, Type};

use crate::shape::{at, written};
use crate::word;

/// The attribute that names a message.
pub(crate) struct Naming {
    /// The stored name.
    pub(crate) name: LitStr,
    /// From 1.
    pub(crate) version: u16,
    /// The version before, if this is not the first.
    pub(crate) from: Option<Type>,
    /// Where `private` is written, if it is.
    pub(crate) private: Option<Span>,
}

impl Naming {
    /// Reads the attribute of this name; `missing` is what to say if there is none.
    pub(crate) fn of(input: &DeriveInput, attribute: &str, missing: &str) -> Result<Self> {
        let mut found = input
            .attrs
            .iter()
            .filter(|candidate| candidate.path().is_ident(attribute));
        let Some(first) = found.next() else {
            return Err(Error::new(input.ident.span(), missing));
        };
        if let Some(second) = found.next() {
            return Err(Error::new_spanned(
                second,
                format!("`#[{attribute}(..)]` is written once"),
            ));
        }
        Self::read(first, missing)
    }

    fn read(attribute: &Attribute, missing: &str) -> Result<Self> {
        if attribute.meta.require_list().is_err() {
            return Err(Error::new_spanned(attribute, missing));
        }
        let naming = attribute.parse_args_with(|input: ParseStream<'_>| Self::parse(input, missing))?;
        word::check_name(&naming.name)?;
        Ok(naming)
    }

    fn parse(input: ParseStream<'_>, missing: &str) -> Result<Self> {
        let name: LitStr = input.parse().map_err(|error| Error::new(error.span(), missing))?;
        let (mut version, mut from, mut private) = (None, None, None);
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let word = input.call(Ident::parse_any)?;
            match word.to_string().as_str() {
                "version" => version = Some(parse_version(input)?),
                "from" => {
                    input.parse::<Token![=]>()?;
                    from = Some(input.parse::<Type>()?);
                }
                "private" => private = Some(word.span()),
                other => {
                    let known = "`version = 2`, `from = TheVersionBefore` or `private`";
                    return Err(Error::new(
                        word.span(),
                        format!("expected {known}, found `{other}`"),
                    ));
                }
            }
        }
        check_chain(&name, version.as_ref(), from.as_ref())?;
        let version = version.map_or(1, |(version, _)| version);
        Ok(Self {
            name,
            version,
            from,
            private,
        })
    }

    /// The impl of `Message` and all that is checked about it.
    pub(crate) fn message(&self, ident: &Ident) -> TokenStream {
        let Self { name, version, .. } = self;
        let older = self.decode_older();
        let check = self.check_older(ident);
        quote! {
            #[automatically_derived]
            impl ::annals::__private::Named for #ident {
                const NAME: &'static str = #name;
                const NUMBER: u16 = #version;
            }

            #[automatically_derived]
            impl ::annals::message::Message for #ident {
                const TYPE: ::annals::core::event::EventType = ::annals::core::event::EventType::from_static(#name);
                const VERSION: u16 = #version;

                fn decode(
                    version: u16,
                    data: &[u8],
                ) -> ::core::result::Result<Self, ::annals::message::DecodeError> {
                    match version {
                        #version => ::annals::message::from_json(version, data),
                        #older
                        0 => ::annals::__private::no_version::<Self>(),
                        _ => ::annals::__private::newer::<Self>(version),
                    }
                }
            }

            #check
        }
    }

    fn decode_older(&self) -> Option<TokenStream> {
        let older = self.from.as_ref()?;
        let last = self.version - 1;
        let here = Ident::new("Self", at(older.span()));
        let lift =
            quote_spanned!(at(older.span())=> ::annals::__private::lift::<#older, #here>(version, data));
        Some(quote!(1..=#last => #lift,))
    }

    fn check_older(&self, ident: &Ident) -> Option<TokenStream> {
        let older = self.from.as_ref()?;
        let (name, version, last) = (&self.name, self.version, self.version - 1);
        let from = format!("from = {}", written(older));
        let other_name = format!(
            "`{from}` must be the version before of the same message, but it is not named {:?} as `{ident}` is",
            name.value()
        );
        let other_version = format!(
            "versions rise by one: `{ident}` is version {version}, so `{from}` must be version {last}"
        );
        Some(quote_spanned! {at(older.span())=>
            const _: () = {
                ::core::assert!(
                    ::annals::__private::same(<#older as ::annals::__private::Named>::NAME, #name),
                    #other_name
                );
                ::core::assert!(<#older as ::annals::__private::Named>::NUMBER == #last, #other_version);
            };
        })
    }
}

fn parse_version(input: ParseStream<'_>) -> Result<(u16, Span)> {
    input.parse::<Token![=]>()?;
    let literal: LitInt = input.parse()?;
    match literal.base10_parse::<u16>() {
        Ok(version) if version > 0 => Ok((version, literal.span())),
        _ => Err(Error::new(
            literal.span(),
            format!("a version is 1 to 65535, found {literal}"),
        )),
    }
}

fn check_chain(name: &LitStr, version: Option<&(u16, Span)>, from: Option<&Type>) -> Result<()> {
    match (version, from) {
        (Some((version, span)), None) if *version > 1 => Err(Error::new(
            *span,
            format!(
                "version {version} needs the way from version {}: keep the old struct, give it `impl From`, \
                 and write `from = OldStruct` here",
                version - 1
            ),
        )),
        (None | Some((1, _)), Some(from)) => Err(Error::new(
            from.span(),
            format!(
                "version 1 has no version before; did you mean `#[..({:?}, version = 2, from = ..)]`?",
                name.value()
            ),
        )),
        _ => Ok(()),
    }
}
