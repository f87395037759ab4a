//! What a derive can see of the types in front of it: their written form.
//!
//! In: syntax. Out: the pieces of it that the derives need. An alias hides what it stands for; a derive that cannot see
//! an `Option` or `Vec` behind one treats the field as a plain key, and the compiler says that it is none.

use proc_macro2::Span;
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    Data, DataStruct, DeriveInput, Error, GenericArgument, Generics, Ident, PathArguments, PathSegment,
};
use syn::{Result, Token, Type};

/// How many keys a field holds.
pub(crate) enum Count<'a> {
    /// `K`
    One(&'a Type),
    /// `Option<K>`
    Maybe(&'a Type),
    /// `Vec<K>`
    Many(&'a Type),
}

impl<'a> Count<'a> {
    pub(crate) fn of(ty: &'a Type) -> Self {
        match (argument(ty, "Option"), argument(ty, "Vec")) {
            (Some(key), _) => Self::Maybe(key),
            (_, Some(key)) => Self::Many(key),
            _ => Self::One(ty),
        }
    }
}

/// The last segment of a path type: `Each<Stock>` of `annals::Each<Stock>`.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Paren(inner) => last_segment(&inner.elem),
        Type::Group(inner) => last_segment(&inner.elem),
        _ => None,
    }
}

/// The span of code that a macro wrote and that an error should show as if it stood where `span` is.
pub(crate) fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// Syntax as a person writes it, for errors: `Vec<Line>`, not `Vec < Line >`.
pub(crate) fn written(syntax: &impl ToTokens) -> String {
    let spaced = syntax.to_token_stream().to_string();
    let pairs = [
        (" < ", "<"),
        (" >", ">"),
        (" :: ", "::"),
        (" ,", ","),
        ("& ", "&"),
        ("< ", "<"),
        (":: ", "::"),
    ];
    pairs
        .iter()
        .fold(spaced, |text, (from, to)| text.replace(from, to))
}

/// Whether a type is written with this last name.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == name)
}

/// All type arguments of a type of this last name: `[A, B]` of `Result<A, B>`; empty if it has another name or none.
pub(crate) fn arguments<'a>(ty: &'a Type, name: &str) -> Vec<&'a Type> {
    let Some(segment) = last_segment(ty).filter(|segment| segment.ident == name) else {
        return Vec::new();
    };
    let PathArguments::AngleBracketed(list) = &segment.arguments else {
        return Vec::new();
    };
    let types = list.args.iter().map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// The one type argument of a type of this last name: `K` of `Option<K>`.
pub(crate) fn argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    match arguments(ty, name)[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// Refuses type parameters: what is stored under one name has one shape.
pub(crate) fn no_generics(generics: &Generics, what: &str) -> Result<()> {
    match generics.params.first() {
        Some(first) => Err(Error::new(
            first.span(),
            format!("{what} has no generic parameters"),
        )),
        None => Ok(()),
    }
}

/// The struct behind a derive.
pub(crate) fn only_struct<'a>(input: &'a DeriveInput, what: &str) -> Result<&'a DataStruct> {
    no_generics(&input.generics, what)?;
    match &input.data {
        Data::Struct(data) => Ok(data),
        Data::Enum(data) => Err(Error::new(data.enum_token.span, format!("{what} is a struct"))),
        Data::Union(data) => Err(Error::new(data.union_token.span, format!("{what} is a struct"))),
    }
}

/// `sku` or `sku: Sku`, as in `each = sku: Sku`: the field of each item that is a key.
pub(crate) struct ItemKey {
    pub(crate) field: Ident,
    pub(crate) ty: Option<Type>,
}

impl ItemKey {
    /// Where it is written.
    pub(crate) fn span(&self) -> Span {
        self.field.span()
    }
}

impl Parse for ItemKey {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let field = input.parse()?;
        let ty = if input.peek(Token![:]) {
            input.parse::<Token![:]>()?;
            Some(input.parse()?)
        } else {
            None
        };
        Ok(Self { field, ty })
    }
}
