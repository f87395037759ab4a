//! `#[derive(Refusal)]`: the stable code of each way to say no.
//!
//! In: an error enum or struct. Out: the impl of `Refusal`, where the code is the name in snake case, or what
//! `#[code("..")]` says.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Error, Ident, LitStr, Result};

use crate::shape::no_generics;
use crate::word;

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    no_generics(&input.generics, "a refusal")?;
    let ident = &input.ident;
    let code = match &input.data {
        Data::Struct(_) => {
            let code = code(ident, &input.attrs)?;
            quote!(#code)
        }
        Data::Enum(data) => {
            if let Some(attribute) = code_attribute(&input.attrs)? {
                return Err(Error::new_spanned(
                    attribute,
                    "codes belong to the variants of an enum",
                ));
            }
            let arms = data.variants.iter().map(|variant| {
                let (name, code) = (&variant.ident, code(&variant.ident, &variant.attrs)?);
                Ok(quote!(Self::#name { .. } => #code,))
            });
            let arms = arms.collect::<Result<Vec<_>>>()?;
            quote!(match *self { #(#arms)* })
        }
        Data::Union(data) => {
            return Err(Error::new(
                data.union_token.span,
                "a refusal is an enum or a struct",
            ));
        }
    };
    Ok(quote! {
        #[automatically_derived]
        impl ::annals::command::Refusal for #ident {
            fn code(&self) -> ::std::borrow::Cow<'static, str> {
                ::std::borrow::Cow::Borrowed(#code)
            }
        }
    })
}

fn code_attribute(attributes: &[Attribute]) -> Result<Option<&Attribute>> {
    let mut found = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("code"));
    match (found.next(), found.next()) {
        (_, Some(second)) => Err(Error::new_spanned(second, "`#[code(..)]` is written once")),
        (first, None) => Ok(first),
    }
}

fn code(ident: &Ident, attributes: &[Attribute]) -> Result<LitStr> {
    let Some(attribute) = code_attribute(attributes)? else {
        return Ok(LitStr::new(
            &word::snake_case(&ident.unraw().to_string()),
            ident.span(),
        ));
    };
    let literal: LitStr = attribute.parse_args()?;
    word::check_code(&literal)?;
    Ok(literal)
}
