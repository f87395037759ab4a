//! What the attributes of an item say about tests.
//!
//! In: syntax. Out: whether an item exists only in tests, and why a test is ignored.
//! It knows nothing of files.

use syn::{Attribute, Expr, ImplItem, Item, Lit, Meta, Token, punctuated::Punctuated};

/// Whether the item exists only when tests are built: `#[cfg(test)]`, `#[cfg(all(test, …))]`, `#[test]` and
/// attributes of other harnesses whose last word is `test`.
pub(crate) fn test_only(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let named_test = attr.path().segments.last().is_some_and(|s| s.ident == "test");
        named_test || (attr.path().is_ident("cfg") && attr.parse_args::<Meta>().is_ok_and(|m| needs_test(&m)))
    })
}

/// Whether a condition can hold only with `test`; `not` and `any` can hold without.
fn needs_test(meta: &Meta) -> bool {
    match meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|inner| inner.iter().any(needs_test)),
        _ => false,
    }
}

/// The text of `#[name = "text"]`, or an empty text for a bare `#[name]`.
pub(crate) fn text_of(attrs: &[Attribute], name: &str) -> Option<String> {
    let attr = attrs.iter().find(|attr| attr.path().is_ident(name))?;
    let Meta::NameValue(pair) = &attr.meta else {
        return Some(String::new());
    };
    match &pair.value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => Some(String::new()),
        },
        _ => Some(String::new()),
    }
}

/// The attributes of an item; none for what cannot carry any.
pub(crate) fn of_item(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::ExternCrate(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::ForeignMod(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Mod(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::TraitAlias(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::Union(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

/// The attributes of a member of an `impl` block.
pub(crate) fn of_impl_item(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(i) => &i.attrs,
        ImplItem::Fn(i) => &i.attrs,
        ImplItem::Type(i) => &i.attrs,
        ImplItem::Macro(i) => &i.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::{of_item, test_only, text_of};

    fn item(code: &str) -> syn::Item {
        syn::parse_str(code).unwrap()
    }

    #[test]
    fn only_what_cannot_exist_without_tests_is_test_only() {
        for code in [
            "#[cfg(test)] mod t;",
            "#[cfg(all(test, unix))] fn f() {}",
            "#[tokio::test] fn f() {}",
        ] {
            assert!(test_only(of_item(&item(code))), "{code}");
        }
        for code in [
            "mod t;",
            "#[cfg(not(test))] fn f() {}",
            "#[cfg(any(test, feature = \"x\"))] fn f() {}",
        ] {
            assert!(!test_only(of_item(&item(code))), "{code}");
        }
    }

    #[test]
    fn the_reason_of_an_ignored_test_is_read() {
        let with = item("#[test] #[ignore = \"long: minutes\"] fn f() {}");
        assert_eq!(
            text_of(of_item(&with), "ignore").as_deref(),
            Some("long: minutes")
        );
        assert_eq!(
            text_of(of_item(&item("#[ignore] fn f() {}")), "ignore").as_deref(),
            Some("")
        );
        assert_eq!(text_of(of_item(&item("fn f() {}")), "ignore"), None);
    }
}
