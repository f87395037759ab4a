use proc_macro2::Span;
use syn::LitStr;

use super::{check_code, check_kind, check_name, snake_case};

fn literal(text: &str) -> LitStr {
    LitStr::new(text, Span::call_site())
}

#[test]
fn kinds_follow_the_rule_of_tags() {
    for good in ["order", "a", "sku-2", "bank_account"] {
        assert!(check_kind(&literal(good)).is_ok(), "{good:?} is a kind");
    }
    for bad in [
        "",
        "Order",
        "2sku",
        "_order",
        "order.line",
        "order:1",
        "bestellung ",
        "größe",
    ] {
        assert!(check_kind(&literal(bad)).is_err(), "{bad:?} is no kind");
    }
    assert!(check_kind(&literal(&"k".repeat(64))).is_ok());
    assert!(check_kind(&literal(&"k".repeat(65))).is_err());
}

#[test]
fn names_have_a_dot_and_lower_case_words() {
    for good in [
        "order.placed",
        "orders.place",
        "a.b.c",
        "stock.re-counted",
        "order.paid_twice",
    ] {
        assert!(check_name(&literal(good)).is_ok(), "{good:?} is a name");
    }
    for bad in [
        "",
        "order",
        ".placed",
        "order.",
        "order..placed",
        "Order.Placed",
        "order placed.x",
        "order.2nd",
    ] {
        assert!(check_name(&literal(bad)).is_err(), "{bad:?} is no name");
    }
    assert!(check_name(&literal(&format!("a.{}", "b".repeat(253)))).is_ok());
    assert!(check_name(&literal(&format!("a.{}", "b".repeat(254)))).is_err());
}

#[test]
fn codes_need_no_dot() {
    assert!(check_code(&literal("out_of_stock")).is_ok());
    assert!(check_code(&literal("stock.none")).is_ok());
    assert!(check_code(&literal("OutOfStock")).is_err());
    assert!(check_code(&literal("")).is_err());
}

#[test]
fn snake_case_keeps_abbreviations_and_numbers_together() {
    let cases = [
        ("OutOfStock", "out_of_stock"),
        ("Closed", "closed"),
        ("HTTPError", "http_error"),
        ("IOError", "io_error"),
        ("Sha256Wrong", "sha256_wrong"),
        ("A", "a"),
        ("AToB", "a_to_b"),
        ("Already_Paid", "already_paid"),
    ];
    for (name, snake) in cases {
        assert_eq!(snake_case(name), snake);
    }
}
