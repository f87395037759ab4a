use super::check;
use crate::{finding::Finding, tree::Tree};

const MANIFEST: (&str, &str) = ("crates/a/Cargo.toml", "[package]\nname = \"a\"");

/// Findings of a crate whose files lie in `crates/a/src`.
fn run(files: &[(&str, &str)]) -> Vec<Finding> {
    let paths: Vec<_> = files
        .iter()
        .map(|(p, t)| (format!("crates/a/src/{p}"), *t))
        .collect();
    let mut all = vec![MANIFEST];
    all.extend(paths.iter().map(|(p, t)| (p.as_str(), *t)));
    check(&Tree::of(&all))
}

fn places(findings: &[Finding]) -> Vec<(&str, usize)> {
    findings
        .iter()
        .map(|f| (f.path.trim_start_matches("crates/a/src/"), f.line))
        .collect()
}

#[test]
fn using_what_stands_above_is_fine() {
    let found = run(&[
        (
            "lib.rs",
            "mod low; mod high; pub use low::Low; pub use high::High;",
        ),
        ("low.rs", "pub struct Low;"),
        (
            "high.rs",
            "use crate::low::Low; pub struct High(Low); fn f() { crate::Low; }",
        ),
    ]);
    assert_eq!(found, []);
}

#[test]
fn using_what_stands_below_is_found_with_its_line() {
    let found = run(&[
        ("lib.rs", "mod low; mod high;"),
        ("low.rs", "//! x\n\nuse crate::{\n    high::High,\n};\n"),
        ("high.rs", "pub struct High;"),
    ]);
    assert_eq!(places(&found), [("low.rs", 4)]);
    assert!(found[0].message.contains("`low` uses `high`"), "{}", found[0]);
}

#[test]
fn re_exports_are_followed_to_their_owner() {
    let found = run(&[
        (
            "lib.rs",
            "mod low; mod high; pub use high::{High as Tall, deep::*};",
        ),
        ("low.rs", "use crate::Tall;\nfn f() { crate::Deep::new() }"),
        ("high/mod.rs", "pub mod deep; pub struct High;"),
        ("high/deep.rs", "pub struct Deep;"),
    ]);
    assert_eq!(places(&found), [("low.rs", 1)], "{found:?}");
    let only_glob = run(&[
        ("lib.rs", "mod low; mod high; pub use high::*;"),
        ("low.rs", "\nfn f() -> crate::High {}"),
        ("high.rs", "pub struct High;"),
    ]);
    assert_eq!(places(&only_glob), [("low.rs", 2)], "{only_glob:?}");
}

#[test]
fn paths_in_code_types_and_macros_count() {
    for code in [
        "fn f() { crate::high::go() }",
        "struct S { x: Vec<crate::high::High> }",
        "fn f() { let _ = format!(\"{}\", crate::high::go()); }",
        "impl crate::high::Go for u8 {}",
        "fn f() { use crate::high; }",
        "use crate as this; fn f() { this::high::go() }",
    ] {
        let found = run(&[
            ("lib.rs", "mod low; mod high;"),
            ("low.rs", code),
            ("high.rs", "pub fn go() {}"),
        ]);
        assert_eq!(places(&found), [("low.rs", 1)], "{code}: {found:?}");
    }
}

#[test]
fn sub_modules_follow_the_order_of_their_own_parent() {
    let files = [
        ("lib.rs", "mod room;"),
        ("room.rs", "mod door; mod window;"),
        ("room/door.rs", "use super::window::Pane;"),
        ("room/window.rs", "pub struct Pane;"),
    ];
    assert_eq!(places(&run(&files)), [("room/door.rs", 1)]);
    let turned = [files[0], ("room.rs", "mod window; mod door;"), files[2], files[3]];
    assert_eq!(run(&turned), []);
}

#[test]
fn inline_modules_are_modules() {
    let code = "mod low { fn f() { super::high::go() } }\nmod high { pub fn go() {} }";
    assert_eq!(places(&run(&[("lib.rs", code)])), [("lib.rs", 1)]);
}

#[test]
fn tests_are_exempt_but_only_tests() {
    let high = ("high.rs", "pub fn go() {}");
    let tested = "#[cfg(test)] mod tests { use crate::high; } #[cfg(test)] use crate::high; \
                  #[test] fn t() { crate::high::go() }";
    assert_eq!(
        run(&[("lib.rs", "mod low; mod high;"), ("low.rs", tested), high]),
        []
    );
    let real = "#[cfg(not(test))] use crate::high;";
    assert_eq!(
        run(&[("lib.rs", "mod low; mod high;"), ("low.rs", real), high]).len(),
        1
    );
}

#[test]
fn a_child_may_use_its_parents_own_items_unless_the_parent_uses_it() {
    let child = ("room/append.rs", "use super::Room; impl Room {}");
    let fine = run(&[
        ("lib.rs", "mod room;"),
        ("room.rs", "mod append; pub struct Room;"),
        child,
    ]);
    assert_eq!(fine, []);
    let parent = "mod append; pub struct Room { state: append::State }";
    let circle = run(&[("lib.rs", "mod room;"), ("room.rs", parent), child]);
    assert_eq!(circle.len(), 1);
    assert!(circle[0].message.contains("circle"), "{}", circle[0]);
    assert!(
        circle[0].message.contains("crates/a/src/room/append.rs:1"),
        "{}",
        circle[0]
    );
}

#[test]
fn a_circle_over_a_parent_and_two_children_is_found() {
    let found = run(&[
        ("lib.rs", "mod room;"),
        ("room.rs", "mod low; mod high; pub struct Room { h: high::High }"),
        ("room/low.rs", "use super::Room; pub struct Low;"),
        ("room/high.rs", "use super::low::Low; pub struct High;"),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.contains("room uses room::high"), "{}", found[0]);
}

#[test]
fn an_item_of_the_root_that_uses_its_modules_makes_a_circle() {
    let files = [
        (
            "main.rs",
            "mod work; fn main() { work::go(LIMIT) } const LIMIT: u8 = 1;",
        ),
        ("work.rs", "use crate::LIMIT;"),
    ];
    assert_eq!(run(&files).len(), 1);
}

#[test]
fn names_from_other_crates_are_no_ones_business() {
    let found = run(&[
        (
            "lib.rs",
            "mod low; mod high; pub use serde::Serialize; pub use bytes::*;",
        ),
        (
            "low.rs",
            "use crate::Serialize; use crate::Bytes; use ::high::X; use std::fmt; fn f() { fmt::x() }",
        ),
        ("high.rs", "pub fn go() {}"),
    ]);
    assert_eq!(found, []);
}

#[test]
fn globs_from_parents_are_refused() {
    let found = run(&[("lib.rs", "mod low;"), ("low.rs", "use super::*;")]);
    assert_eq!(places(&found), [("low.rs", 1)]);
}

#[test]
fn the_crates_own_name_is_understood() {
    let found = run(&[
        ("lib.rs", "extern crate self as a; mod low; mod high;"),
        ("low.rs", "use a::high::go;"),
        ("high.rs", "pub fn go() {}"),
    ]);
    assert_eq!(places(&found), [("low.rs", 1)]);
}

#[test]
fn exported_macros_belong_to_the_module_that_holds_them() {
    let low = ("low.rs", "fn f() { crate::shout!() }");
    let high = (
        "high.rs",
        "#[macro_export] macro_rules! shout { () => { $crate::low::f() } }",
    );
    assert_eq!(
        places(&run(&[("lib.rs", "mod low; mod high;"), low, high])),
        [("low.rs", 1)]
    );
    assert_eq!(run(&[("lib.rs", "mod high; mod low;"), low, high]), []);
}
