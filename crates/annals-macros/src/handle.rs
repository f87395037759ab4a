//! `#[handler]`: the impl of `Handle` beside a plain async function.
//!
//! In: `async fn take_payment(message: TakePayment, cx: Context, Dep(provider): Dep<Provider>) -> Result<..>`. Out: the
//! same function, and an impl on the message that fetches what the function asks for.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::{Error, ItemFn, LitInt, Result, Type};

use crate::shape::{argument, at, is_named, written};
use crate::signature::{self, Kind, Parts};

/// How often a handler is tried again if it does not say.
const RETRY: u32 = 5;
const KIND: Kind = Kind {
    what: "a handler",
    message: "message",
};

pub(crate) fn attribute(arguments: TokenStream, function: &ItemFn) -> TokenStream {
    signature::beside(
        function,
        retry(arguments).and_then(|retry| handle(retry, function)),
    )
}

fn retry(arguments: TokenStream) -> Result<u32> {
    let mut retry = RETRY;
    let parser = syn::meta::parser(|meta| {
        if !meta.path.is_ident("retry") {
            return Err(meta.error("expected `retry = 5`: how often it is tried again"));
        }
        let literal: LitInt = meta.value()?.parse()?;
        retry = literal.base10_parse()?;
        if retry > 1_000 {
            return Err(Error::new(
                literal.span(),
                "at most 1000; a message that fails so often is better parked",
            ));
        }
        Ok(())
    });
    parser.parse2(arguments)?;
    Ok(retry)
}

fn handle(retry: u32, function: &ItemFn) -> Result<TokenStream> {
    if function.sig.asyncness.is_none() {
        let form =
            "a handler waits for the world outside: write `async fn`; what only decides is a `#[command]`";
        return Err(Error::new_spanned(function.sig.fn_token, form));
    }
    let parts = signature::read(function, &KIND)?;
    let Parts {
        message,
        output,
        error,
        cfgs,
        ..
    } = &parts;
    let (needs, arguments) = parameters(&parts)?;
    let name = &function.sig.ident;
    let output = quote_spanned!(at(output.span())=> type Output = #output;);
    let error = quote_spanned!(at(error.span())=> type Error = #error;);
    let future = quote_spanned! {at(name.span())=>
        impl ::core::future::Future<Output = ::core::result::Result<Self::Output, Self::Error>>
        + ::core::marker::Send
    };
    let attempts_max = retry + 1;
    Ok(quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl ::annals::handler::Handle for #message {
            #output
            #error
            const ATTEMPTS_MAX: u32 = #attempts_max;

            fn needs() -> ::std::vec::Vec<::annals::handler::Needs> {
                ::std::vec![#(::annals::handler::Needs::of::<#needs>()),*]
            }

            fn handle(
                self,
                context: ::annals::context::Context,
                dependencies: ::annals::handler::Dependencies,
            ) -> #future {
                let _ = (&context, &dependencies);
                #name(self, #(#arguments),*)
            }
        }
    })
}

/// The types it depends on, and the arguments of the call in the order of the parameters.
fn parameters<'a>(parts: &Parts<'a>) -> Result<(Vec<&'a Type>, Vec<TokenStream>)> {
    let (mut needs, mut arguments, mut context) = (Vec::new(), Vec::new(), false);
    for ty in &parts.others {
        if let Some(needed) = argument(ty, "Dep") {
            needs.push(needed);
            arguments.push(quote! {
                ::core::result::Result::expect(
                    dependencies.get::<#needed>(),
                    "what a handler needs was checked when the service started",
                )
            });
        } else if is_named(ty, "Context") {
            if std::mem::replace(&mut context, true) {
                return Err(Error::new_spanned(ty, "a handler is told its context once"));
            }
            arguments.push(quote!(context));
        } else {
            return Err(wrong(ty));
        }
    }
    Ok((needs, arguments))
}

fn wrong(ty: &Type) -> Error {
    if let Type::Reference(reference) = ty {
        let written = written(&reference.elem);
        if is_named(&reference.elem, "Context") {
            return Error::new_spanned(
                ty,
                format!("a handler owns what it is given, it waits: write `{written}`"),
            );
        }
        let model = "a handler reads no models, a decision does; what is outside comes in through `Dep<..>`";
        return Error::new_spanned(ty, format!("{model}: expected `Context` or `Dep<{written}>`"));
    }
    let written = written(ty);
    Error::new_spanned(
        ty,
        format!("everything outside comes in through `Dep`: write `Dep<{written}>`"),
    )
}
