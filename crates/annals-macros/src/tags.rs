//! Fields that are keys, and the code that writes their tags down.
//!
//! In: fields marked `#[tag]` or `#[key]`. Out: statements that push tags, in order, onto `tags`. Repeated tags are
//! dropped afterwards, the first stays.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Attribute, Error, Field, Member, Result, Type};

use crate::shape::{Count, ItemKey, at};

/// A field whose keys become tags.
pub(crate) struct TagField<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    /// Set if the keys are a field of each item.
    pub(crate) each: Option<ItemKey>,
}

impl TagField<'_> {
    /// Pushes the tags of this field.
    pub(crate) fn push(&self) -> TokenStream {
        let Self { member, ty, each } = self;
        if let Some(each) = each {
            let key = &each.field;
            let tag = match &each.ty {
                Some(ty) => quote!(<#ty as ::annals::key::Key>::tag(&item.#key)?),
                None => quote_spanned!(at(each.span())=> ::annals::key::Key::tag(&item.#key)?),
            };
            return quote! {
                for item in &self.#member {
                    tags.push(#tag);
                }
            };
        }
        match Count::of(ty) {
            Count::One(key) => quote!(tags.push(<#key as ::annals::key::Key>::tag(&self.#member)?);),
            Count::Maybe(key) => quote! {
                if let ::core::option::Option::Some(key) = &self.#member {
                    tags.push(<#key as ::annals::key::Key>::tag(key)?);
                }
            },
            Count::Many(key) => quote! {
                for key in &self.#member {
                    tags.push(<#key as ::annals::key::Key>::tag(key)?);
                }
            },
        }
    }
}

/// The method `tags` of an event or command.
pub(crate) fn method<'a>(fields: impl Iterator<Item = &'a TagField<'a>>) -> TokenStream {
    let pushes = fields.map(TagField::push);
    quote! {
        fn tags(
            &self,
        ) -> ::core::result::Result<::std::vec::Vec<::annals::core::tag::Tag>, ::annals::core::tag::TagError> {
            let mut tags = ::std::vec::Vec::new();
            #(#pushes)*
            ::core::result::Result::Ok(::annals::__private::without_repeats(tags))
        }
    }
}

/// The attribute of this name on a field; an error if it is there twice.
pub(crate) fn only<'a>(field: &'a Field, name: &str) -> Result<Option<&'a Attribute>> {
    let mut found = field
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident(name));
    match (found.next(), found.next()) {
        (_, Some(second)) => Err(Error::new_spanned(
            second,
            format!("`#[{name}]` is written once on a field"),
        )),
        (first, None) => Ok(first),
    }
}
