//! `#[derive(Events)]`: a set of events that somebody understands.
//!
//! In: an enum with one newtype variant per event. Out: the impls of `EventSet` and `IntoEvents`, `From` of each event,
//! and a check that no stored name is in the set twice. What is marked `#[commutes]` is in the set but not deciding.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, Ident, Result, Type, Variant};

use crate::shape::{at, no_generics, written};

/// One event of the set.
struct Entry<'a> {
    variant: &'a Ident,
    event: &'a Type,
    commutes: bool,
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    no_generics(&input.generics, "a set of events")?;
    let ident = &input.ident;
    let Data::Enum(data) = &input.data else {
        let form = format!("a set of events is an enum: `enum {ident} {{ Placed(OrderPlaced), .. }}`");
        return Err(Error::new(ident.span(), form));
    };
    let entries = data.variants.iter().map(entry).collect::<Result<Vec<_>>>()?;
    if entries.is_empty() {
        return Err(Error::new(
            ident.span(),
            "a set of events has at least one event: `Placed(OrderPlaced)`",
        ));
    }
    check_repeats(&entries)?;
    let set = set(ident, &entries);
    let write = write(ident, &entries);
    let from = entries.iter().map(|entry| from(ident, entry));
    let check = check_names(ident, &entries);
    Ok(quote!(#check #set #write #(#from)*))
}

fn entry(variant: &Variant) -> Result<Entry<'_>> {
    let name = &variant.ident;
    let Fields::Unnamed(fields) = &variant.fields else {
        let form = format!("events are structs of their own: write `{name}(TheEvent)`");
        return Err(Error::new_spanned(variant, form));
    };
    let [only] = Vec::from_iter(&fields.unnamed)[..] else {
        return Err(Error::new(
            fields.span(),
            format!("one event per variant: write `{name}(TheEvent)`"),
        ));
    };
    let mut commutes = false;
    for attribute in variant
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("commutes"))
    {
        attribute.meta.require_path_only()?;
        commutes = true;
    }
    Ok(Entry {
        variant: name,
        event: &only.ty,
        commutes,
    })
}

fn check_repeats(entries: &[Entry<'_>]) -> Result<()> {
    for (at, entry) in entries.iter().enumerate() {
        let event = written(entry.event);
        let same = |earlier: &&Entry<'_>| written(earlier.event) == event;
        if let Some(earlier) = entries[..at].iter().find(same) {
            let twice = format!("`{event}` is in this set already, as `{}`", earlier.variant);
            return Err(Error::new_spanned(entry.event, twice));
        }
    }
    Ok(())
}

fn set(ident: &Ident, entries: &[Entry<'_>]) -> TokenStream {
    let events = entries.iter().map(|entry| entry.event);
    let versions = entries.iter().map(|entry| entry.event);
    let deciding = entries
        .iter()
        .filter(|entry| !entry.commutes)
        .map(|entry| entry.event);
    let decode = entries.iter().map(|Entry { variant, event, .. }| {
        quote! {
            if event_type.as_str() == <#event as ::annals::__private::Named>::NAME {
                return ::core::result::Result::map(
                    <#event as ::annals::message::Message>::decode(version, data),
                    |event| ::core::option::Option::Some(Self::#variant(event)),
                );
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl ::annals::event::EventSet for #ident {
            const TYPES: &'static [::annals::core::event::EventType] =
                &[#(<#events as ::annals::message::Message>::TYPE),*];
            const VERSIONS: &'static [u16] = &[#(<#versions as ::annals::message::Message>::VERSION),*];
            const DECIDING: &'static [::annals::core::event::EventType] =
                &[#(<#deciding as ::annals::message::Message>::TYPE),*];

            fn decode(
                event_type: &::annals::core::event::EventType,
                version: u16,
                data: &[u8],
            ) -> ::core::result::Result<::core::option::Option<Self>, ::annals::message::DecodeError> {
                #(#decode)*
                ::core::result::Result::Ok(::core::option::Option::None)
            }
        }
    }
}

fn write(ident: &Ident, entries: &[Entry<'_>]) -> TokenStream {
    let variants = entries.iter().map(|entry| entry.variant);
    quote! {
        #[automatically_derived]
        impl ::annals::event::IntoEvents for #ident {
            fn write(
                &self,
                drafts: &mut ::annals::event::Drafts,
            ) -> ::core::result::Result<(), ::annals::event::EncodeError> {
                match self {
                    #(Self::#variants(event) => drafts.push(event),)*
                }
            }

            fn types(types: &mut ::std::vec::Vec<::annals::core::event::EventType>) {
                types.extend_from_slice(<Self as ::annals::event::EventSet>::TYPES);
            }
        }
    }
}

fn from(ident: &Ident, entry: &Entry<'_>) -> TokenStream {
    let Entry { variant, event, .. } = entry;
    quote! {
        #[automatically_derived]
        impl ::core::convert::From<#event> for #ident {
            fn from(event: #event) -> Self {
                Self::#variant(event)
            }
        }
    }
}

/// Two structs of one stored name, such as two versions of an event, cannot be told apart when read.
fn check_names(ident: &Ident, entries: &[Entry<'_>]) -> TokenStream {
    let checks = entries.iter().enumerate().skip(1).map(|(index, entry)| {
        let event = entry.event;
        let earlier = entries[..index].iter().map(|earlier| earlier.event);
        let twice = format!(
            "`{}` has the stored name of another event in `{ident}`: a set holds the newest version only, older ones \
             are lifted when read",
            written(event)
        );
        quote_spanned! {at(event.span())=>
            ::core::assert!(
                !(#(::annals::__private::same(
                    <#earlier as ::annals::__private::Named>::NAME,
                    <#event as ::annals::__private::Named>::NAME,
                ))||*),
                #twice
            );
        }
    });
    let events = entries.iter().map(|entry| entry.event);
    quote! {
        const _: () = {
            #(::annals::__private::contains::<#events>();)*
            #(#checks)*
        };
    }
}
