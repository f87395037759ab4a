//! `#[derive(Event)]`: a fact with a name, a version and tags.
//!
//! In: a struct with `#[event(..)]` and at least one field marked `#[tag]`. Out: the impls of `Message`, `Event`,
//! `EventSet` of this one event, and `IntoEvents`. The partition tag comes first, whatever its field's place.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Attribute, DeriveInput, Error, Field, Ident, Member, Result};

use crate::message::Naming;
use crate::shape::{Count, only_struct};
use crate::tags::{self, TagField};
use crate::word;

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let data = only_struct(input, "an event")?;
    let naming = Naming::of(input, "event", &missing(&input.ident))?;
    let fields = tag_fields(input, data.fields.members().zip(&data.fields))?;
    let ident = &input.ident;
    let message = naming.message(ident);
    let event = event(ident, &naming, &fields);
    let set = set(ident);
    Ok(quote!(#message #event #set))
}

/// Suggests `order.placed` for `OrderPlaced`.
fn missing(ident: &Ident) -> String {
    let snake = word::snake_case(&ident.to_string());
    let name = match snake.rsplit_once('_') {
        Some((thing, happened)) => format!("{thing}.{happened}"),
        None => format!("{snake}.happened"),
    };
    format!("an event has a name that is stored for ever: add `#[event(\"{name}\")]`")
}

fn tag_fields<'a>(
    input: &DeriveInput,
    fields: impl Iterator<Item = (Member, &'a Field)>,
) -> Result<Vec<TagField<'a>>> {
    let mut tagged = Vec::new();
    let mut partition: Option<(usize, Span)> = None;
    for (member, field) in fields {
        let Some(attribute) = tags::only(field, "tag")? else {
            continue;
        };
        let (field, first) = tag_field(member, field, attribute)?;
        if let (Some(_), Some(second)) = (partition, first) {
            return Err(Error::new(
                second,
                "an event has one partition tag; another field is marked so already",
            ));
        }
        partition = partition.or(first.map(|span| (tagged.len(), span)));
        tagged.push(field);
    }
    if tagged.is_empty() {
        let none =
            "an event carries at least one tag, or nothing finds it: mark its key `#[tag] order: OrderId`";
        return Err(Error::new(input.ident.span(), none));
    }
    if let Some((at, _)) = partition {
        tagged[..=at].rotate_right(1);
    }
    Ok(tagged)
}

/// The field and where it is marked as the partition tag.
fn tag_field<'a>(
    member: Member,
    field: &'a Field,
    attribute: &Attribute,
) -> Result<(TagField<'a>, Option<Span>)> {
    let (mut each, mut partition) = (None, None);
    if attribute.meta.require_path_only().is_err() {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("partition") {
                partition = Some(syn::spanned::Spanned::span(&meta.path));
            } else if meta.path.is_ident("each") {
                each = Some(meta.value()?.parse()?);
            } else {
                return Err(meta
                    .error("expected `#[tag]`, `#[tag(partition)]` or `#[tag(each = field_of_the_item)]`"));
            }
            Ok(())
        })?;
    }
    let one = each.is_none() && matches!(Count::of(&field.ty), Count::One(_));
    if let (Some(span), false) = (partition, one) {
        let why = "the partition tag orders the event's message, so there is exactly one: mark a plain key";
        return Err(Error::new(span, why));
    }
    Ok((
        TagField {
            member,
            ty: &field.ty,
            each,
        },
        partition,
    ))
}

fn event(ident: &Ident, naming: &Naming, fields: &[TagField<'_>]) -> TokenStream {
    let visibility = match naming.private {
        Some(_) => quote!(::annals::core::event::Visibility::Private),
        None => quote!(::annals::core::event::Visibility::Public),
    };
    let tags = tags::method(fields.iter());
    quote! {
        #[automatically_derived]
        impl ::annals::event::Event for #ident {
            const VISIBILITY: ::annals::core::event::Visibility = #visibility;

            #tags
        }
    }
}

/// A single event is a set of one, and something a decision may return.
fn set(ident: &Ident) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::annals::event::EventSet for #ident {
            const TYPES: &'static [::annals::core::event::EventType] =
                &[<Self as ::annals::message::Message>::TYPE];
            const VERSIONS: &'static [u16] = &[<Self as ::annals::message::Message>::VERSION];
            const DECIDING: &'static [::annals::core::event::EventType] = Self::TYPES;

            fn decode(
                event_type: &::annals::core::event::EventType,
                version: u16,
                data: &[u8],
            ) -> ::core::result::Result<::core::option::Option<Self>, ::annals::message::DecodeError> {
                if event_type.as_str() != <Self as ::annals::__private::Named>::NAME {
                    return ::core::result::Result::Ok(::core::option::Option::None);
                }
                ::core::result::Result::map(
                    <Self as ::annals::message::Message>::decode(version, data),
                    ::core::option::Option::Some,
                )
            }
        }

        #[automatically_derived]
        impl ::annals::event::IntoEvents for #ident {
            fn write(
                &self,
                drafts: &mut ::annals::event::Drafts,
            ) -> ::core::result::Result<(), ::annals::event::EncodeError> {
                drafts.push(self)
            }

            fn types(types: &mut ::std::vec::Vec<::annals::core::event::EventType>) {
                types.push(<Self as ::annals::message::Message>::TYPE);
            }
        }
    }
}
