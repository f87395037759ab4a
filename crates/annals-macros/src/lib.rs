//! The derives and attributes of annals. Use them through the crate `annals`, which exports each beside its trait.
//!
//! Data is derived ([`macro@Key`], [`macro@Event`], [`macro@Events`], [`macro@Command`], [`macro@Refusal`],
//! [`macro@Boundary`]), decisions and handlers are plain functions with an attribute ([`macro@command`],
//! [`macro@handler`]).
//!
//! In: syntax. Out: impls of the traits of `annals`, beside what was written.
//!
//! 1. What the user wrote is never changed: functions stay functions that anyone can call.
//! 2. Nothing is stored under a name that was not written out: Rust names may change at any time.
//! 3. An error points at the part that is wrong and says what to write instead.
//!
//! This crate sees syntax only. Whether a type is a key, an event or a model is said by the compiler, through the
//! traits and through assertions that the macros put beside their impls.

use proc_macro::TokenStream;
use quote::quote;
use syn::{DeriveInput, ItemFn, Result, parse_macro_input};

mod word;
mod shape;
mod message;
mod tags;
mod key;
mod event;
mod events;
mod command;
mod refusal;
mod boundary;
mod signature;
mod decide;
mod handle;

fn derive(input: TokenStream, write: fn(&DeriveInput) -> Result<proc_macro2::TokenStream>) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    write(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

#[proc_macro_derive(Key, attributes(key))]
pub fn derive_key(input: TokenStream) -> TokenStream {
    derive(input, key::derive)
}

#[proc_macro_derive(Event, attributes(event, tag))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    derive(input, event::derive)
}

#[proc_macro_derive(Events, attributes(commutes))]
pub fn derive_events(input: TokenStream) -> TokenStream {
    derive(input, events::derive)
}

#[proc_macro_derive(Command, attributes(named, key, occurred))]
pub fn derive_command(input: TokenStream) -> TokenStream {
    derive(input, command::derive)
}

#[proc_macro_derive(Refusal, attributes(code))]
pub fn derive_refusal(input: TokenStream) -> TokenStream {
    derive(input, refusal::derive)
}

#[proc_macro_derive(Boundary, attributes(boundary, key))]
pub fn derive_boundary(input: TokenStream) -> TokenStream {
    derive(input, boundary::derive)
}

#[proc_macro_attribute]
pub fn command(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let arguments = arguments.into();
    beside(function, "decision", |function| {
        decide::attribute(&arguments, function)
    })
}

#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, function: TokenStream) -> TokenStream {
    beside(function, "handler", |function| {
        handle::attribute(arguments.into(), function)
    })
}

/// An attribute on something else than a function leaves it as it is, beside the error.
fn beside(
    item: TokenStream,
    what: &str,
    write: impl FnOnce(&ItemFn) -> proc_macro2::TokenStream,
) -> TokenStream {
    match syn::parse::<ItemFn>(item.clone()) {
        Ok(function) => write(&function).into(),
        Err(error) => {
            let item = proc_macro2::TokenStream::from(item);
            let error = syn::Error::new(error.span(), format!("a {what} is a function: {error}"))
                .into_compile_error();
            quote!(#item #error).into()
        }
    }
}
