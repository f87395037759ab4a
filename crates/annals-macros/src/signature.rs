//! What `#[command]` and `#[handler]` ask of a function alike.
//!
//! In: a function. Out: the type of its message, its other parameters, and both types of its `Result`; or an error on
//! the part of the signature that does not fit. The function itself is never changed.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, Error, FnArg, ItemFn, Result, ReturnType, Type};

use crate::shape::{arguments, no_generics, written};

/// A signature that fits.
pub(crate) struct Parts<'a> {
    /// The first parameter's type: the command or message, by value.
    pub(crate) message: &'a Type,
    /// The types of the other parameters.
    pub(crate) others: Vec<&'a Type>,
    /// What it answers with.
    pub(crate) output: &'a Type,
    /// How it fails or refuses.
    pub(crate) error: &'a Type,
    /// Conditions of compilation, which the impl shares with the function.
    pub(crate) cfgs: Vec<&'a Attribute>,
}

/// What a function is called in errors: `a decision`, `command`.
pub(crate) struct Kind {
    pub(crate) what: &'static str,
    pub(crate) message: &'static str,
}

/// Reads a signature.
pub(crate) fn read<'a>(function: &'a ItemFn, kind: &Kind) -> Result<Parts<'a>> {
    let Kind { what, message } = kind;
    let signature = &function.sig;
    no_generics(&signature.generics, what)?;
    let mut types = Vec::new();
    for parameter in &signature.inputs {
        match parameter {
            FnArg::Typed(typed) => types.push(&*typed.ty),
            FnArg::Receiver(receiver) => {
                let free =
                    format!("{what} is a free function: its first parameter is the {message}, not `self`");
                return Err(Error::new_spanned(receiver, free));
            }
        }
    }
    let Some((first, others)) = types.split_first() else {
        let none = format!("{what} takes the {message} as its first parameter");
        return Err(Error::new(signature.paren_token.span.join(), none));
    };
    if let Type::Reference(reference) = first {
        let written = written(&reference.elem);
        let owned = format!("{what} takes its {message} by value: `{message}: {written}`");
        return Err(Error::new_spanned(first, owned));
    }
    let (output, error) = result(function, what)?;
    let cfgs = function
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .collect();
    Ok(Parts {
        message: first,
        others: others.to_vec(),
        output,
        error,
        cfgs,
    })
}

fn result<'a>(function: &'a ItemFn, what: &str) -> Result<(&'a Type, &'a Type)> {
    let wrong = format!("{what} returns `Result<Events, Error>`, with both types written");
    let ReturnType::Type(_, returned) = &function.sig.output else {
        return Err(Error::new(function.sig.ident.span(), wrong));
    };
    let [output, error] = arguments(returned, "Result")[..] else {
        return Err(Error::new_spanned(returned, wrong));
    };
    for ty in [output, error] {
        if let Type::ImplTrait(_) = ty {
            return Err(Error::new_spanned(
                ty,
                "name the type: it becomes a part of an impl",
            ));
        }
    }
    Ok((output, error))
}

/// The function as it was, followed by what was made of it or by what is wrong with it.
pub(crate) fn beside(function: &ItemFn, made: Result<TokenStream>) -> TokenStream {
    let made = made.unwrap_or_else(Error::into_compile_error);
    let mut tokens = function.to_token_stream();
    tokens.extend(made);
    tokens
}
