/// Messages belong to a compiler version; after an update look at the difference, then rewrite them with
/// `TRYBUILD=overwrite cargo test -p annals --test it ui`.
#[test]
fn errors_say_what_to_write_and_what_is_right_has_no_warnings() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/clean/*.rs");
}
