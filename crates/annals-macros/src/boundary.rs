//! `#[derive(Boundary)]`: models by name, where a command has two keys of one type.
//!
//! In: `#[boundary(Transfer)] struct Accounts { #[key(from)] from: Arc<Account>, .. }`. Out: the impl of
//! `Member<Transfer>`: `from` is the account of `command.from`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{DeriveInput, Error, Field, Fields, Ident, Result, Type};

use crate::shape::{argument, at, only_struct};
use crate::tags;

/// One named model.
struct Part<'a> {
    field: &'a Ident,
    model: &'a Type,
    /// The field of the command that holds its key.
    key: Ident,
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let data = only_struct(input, "a boundary")?;
    let command = command(input)?;
    let Fields::Named(fields) = &data.fields else {
        let form = "a boundary gives its models names: `struct Accounts { #[key(from)] from: Arc<Account> }`";
        return Err(Error::new(input.ident.span(), form));
    };
    let parts = fields.named.iter().map(part).collect::<Result<Vec<_>>>()?;
    if parts.is_empty() {
        return Err(Error::new(
            input.ident.span(),
            "a boundary has at least one model: `#[key(from)] from: Arc<Account>`",
        ));
    }
    Ok(member(&input.ident, &command, &parts))
}

fn command(input: &DeriveInput) -> Result<Type> {
    let missing = "say of which command these are the models: add `#[boundary(Transfer)]`";
    let mut found = input
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("boundary"));
    let attribute = found
        .next()
        .ok_or_else(|| Error::new(input.ident.span(), missing))?;
    if let Some(second) = found.next() {
        return Err(Error::new_spanned(
            second,
            "a boundary is of one command; write another struct for the other",
        ));
    }
    attribute
        .parse_args()
        .map_err(|_| Error::new_spanned(attribute, missing))
}

fn part(field: &Field) -> Result<Part<'_>> {
    let name = field.ident.as_ref().expect("the fields are named");
    let missing = format!("say which key of the command selects it: `#[key({name})] {name}: Arc<..>`");
    let attribute = tags::only(field, "key")?.ok_or_else(|| Error::new_spanned(field, &missing))?;
    let key = attribute
        .parse_args()
        .map_err(|_| Error::new_spanned(attribute, &missing))?;
    let model = argument(&field.ty, "Arc").ok_or_else(|| {
        Error::new_spanned(
            &field.ty,
            "models are shared with the cache: write `Arc<TheModel>`",
        )
    })?;
    Ok(Part {
        field: name,
        model,
        key,
    })
}

fn member(ident: &Ident, command: &Type, parts: &[Part<'_>]) -> TokenStream {
    let fields = Vec::from_iter(parts.iter().map(|part| part.field));
    let models = Vec::from_iter(parts.iter().map(|part| part.model));
    let wants = parts.iter().map(|Part { model, key, .. }| {
        let key = quote_spanned!(at(key.span())=> &command.#key);
        quote!(::annals::boundary::want_named::<#model>(#key, wanted)?;)
    });
    quote! {
        #[automatically_derived]
        impl ::annals::boundary::Member<#command> for #ident {
            type Loaded = Self;

            fn folds(folds: &mut ::std::vec::Vec<::annals::boundary::Fold>) {
                #(folds.push(::annals::boundary::Fold::of::<#models>());)*
            }

            fn want(
                command: &#command,
                wanted: &mut ::std::vec::Vec<::annals::boundary::Wanted>,
            ) -> ::core::result::Result<(), ::annals::core::tag::TagError> {
                #(#wants)*
                ::core::result::Result::Ok(())
            }

            fn take(_: &#command, states: &mut ::annals::boundary::States) -> Self {
                Self { #(#fields: ::annals::boundary::take_named::<#models>(states)),* }
            }
        }
    }
}
