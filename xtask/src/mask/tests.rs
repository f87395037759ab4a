use super::Mask;

#[test]
fn each_kind_lands_in_its_own_channel() {
    let mask = Mask::of("let a = \"in // text\"; // in comment\nlet b = 1; /* x /* y */ z */ end");
    assert!(mask.code.contains("let a = \""));
    assert!(mask.code.contains("end"));
    assert!(!mask.code.contains("text"));
    assert!(mask.strings.contains("in // text"));
    assert!(!mask.strings.contains("comment"));
    assert!(mask.comments.contains("// in comment"));
    assert!(mask.comments.contains("z */"));
    assert!(!mask.comments.contains("end"));
}

#[test]
fn raw_strings_end_at_their_own_hashes() {
    let mask = Mask::of("x(r#\"a \" b\"#); y(br\"c\\\"); r#type; z");
    assert!(mask.strings.contains("a \" b"));
    assert!(mask.strings.contains("c\\"));
    assert!(mask.code.contains("r#type; z"));
}

#[test]
fn quotes_as_characters_and_lifetimes_do_not_open_strings() {
    let mask = Mask::of("fn f<'a>(x: &'a str) { let q = '\"'; let e = '\\''; let u = '\\u{1F}'; } // end");
    assert!(mask.comments.contains("// end"));
    assert!(mask.code.contains("let u"));
}

#[test]
fn lines_stay_where_they_are() {
    let text = "a\n/* b\nc */ \"d\ne\" f";
    let mask = Mask::of(text);
    for channel in [&mask.code, &mask.comments, &mask.strings] {
        assert_eq!(channel.lines().count(), text.lines().count());
    }
    assert_eq!(mask.code.lines().last().map(str::trim), Some("\" f"));
}
