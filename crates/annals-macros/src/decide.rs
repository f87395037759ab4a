//! `#[command]`: the impl of `Decide` beside a plain function.
//!
//! In: `fn reserve(command: Reserve, stock: &Each<Stock>, cx: &Context) -> Result<Events, Refusal>`. Out: the same
//! function, and an impl on the command whose boundary is the tuple of the lent models. Assertions on each parameter's
//! type come first, so that what is missing is said where it is asked for.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, ItemFn, Result, Type};

use crate::shape::{argument, at, is_named, written};
use crate::signature::{self, Kind, Parts};

/// As many members as boundaries are implemented for.
const MODELS_MAX: usize = 4;
const KIND: Kind = Kind {
    what: "a decision",
    message: "command",
};

pub(crate) fn attribute(arguments: &TokenStream, function: &ItemFn) -> TokenStream {
    signature::beside(
        function,
        check_arguments(arguments).and_then(|()| decide(function)),
    )
}

fn check_arguments(arguments: &TokenStream) -> Result<()> {
    if arguments.is_empty() {
        return Ok(());
    }
    Err(Error::new_spanned(
        arguments,
        "`#[command]` takes no arguments; the name belongs to the command: `#[named(\"..\")]`",
    ))
}

fn decide(function: &ItemFn) -> Result<TokenStream> {
    if let Some(asynchronous) = &function.sig.asyncness {
        let pure = "a decision is pure and does not wait: what it needs comes in the command, or write a `#[handler]`";
        return Err(Error::new_spanned(asynchronous, pure));
    }
    let parts = signature::read(function, &KIND)?;
    let Parts {
        message: command,
        output,
        error: refusal,
        cfgs,
        ..
    } = &parts;
    let (models, arguments) = parameters(&parts)?;
    let assumed = models.iter().map(|model| assumed(command, model));
    let checked = models.iter().map(|model| checked(command, model));
    let output = quote_spanned!(at(output.span())=> type Output = #output;);
    let refusal = quote_spanned!(at(refusal.span())=> type Refusal = #refusal;);
    let name = &function.sig.ident;
    Ok(quote! {
        #(#cfgs)*
        const _: () = {
            ::annals::__private::takes::<#command>();
            #(#checked)*
        };

        #(#cfgs)*
        #[automatically_derived]
        impl ::annals::command::Decide for #command
        where
            for<'assumed> #command: ::annals::command::Command,
            #(#assumed)*
        {
            type Boundary = (#(#models,)*);
            #output
            #refusal

            fn decide(
                self,
                models: &<Self::Boundary as ::annals::boundary::Boundary<Self>>::Loaded,
                context: &::annals::context::Context,
            ) -> ::core::result::Result<Self::Output, Self::Refusal> {
                let _ = (models, context);
                #name(self, #(#arguments),*)
            }
        }
    })
}

/// What is wrong with a parameter is said once, where the parameter is written. The impl beside it assumes what was
/// checked: without that, each of its parts would repeat the error, pointing at the attribute.
fn checked(command: &Type, model: &Type) -> TokenStream {
    match argument(model, "Each") {
        Some(each) => quote!(::annals::__private::reads_each::<#command, #each>();),
        None => quote!(::annals::__private::reads::<#command, #model>();),
    }
}

/// A bound over a lifetime is taken as given inside the impl, and looked at where the impl is used.
fn assumed(command: &Type, model: &Type) -> TokenStream {
    quote! {
        for<'assumed> #model: ::annals::boundary::Member<#command>,
        for<'assumed> <#model as ::annals::boundary::Member<#command>>::Loaded: ::core::borrow::Borrow<#model>,
    }
}

/// The types of the models, and the arguments of the call in the order of the parameters.
fn parameters<'a>(parts: &Parts<'a>) -> Result<(Vec<&'a Type>, Vec<TokenStream>)> {
    let (mut models, mut arguments) = (Vec::new(), Vec::new());
    for ty in &parts.others {
        let lent = lent(ty)?;
        if is_named(lent, "Context") {
            arguments.push(quote!(context));
            continue;
        }
        if models.len() == MODELS_MAX {
            let many = "a decision reads at most four models; put models that belong together into a struct with \
                        `#[derive(Boundary)]`";
            return Err(Error::new_spanned(ty, many));
        }
        let at = syn::Index::from(models.len());
        arguments.push(quote!(::core::borrow::Borrow::<#lent>::borrow(&models.#at)));
        models.push(lent);
    }
    Ok((models, arguments))
}

fn lent(ty: &Type) -> Result<&Type> {
    match ty {
        Type::Reference(reference) if reference.mutability.is_none() => Ok(&reference.elem),
        Type::Reference(reference) => {
            let written = written(&reference.elem);
            let read =
                format!("a decision only reads its models, its events change them: write `&{written}`");
            Err(Error::new_spanned(ty, read))
        }
        _ => {
            let written = written(ty);
            Err(Error::new_spanned(
                ty,
                format!("a decision is lent its models and context: write `&{written}`"),
            ))
        }
    }
}
