use super::*;

fn given(name: HeaderName, value: &str) -> Preconditions {
    let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
    Preconditions::from_headers(&headers).unwrap()
}

fn at(revision: u64) -> Option<Revision> {
    Some(Revision::new(revision))
}

#[test]
fn if_match_wants_the_very_revision() {
    let wanted = given(header::IF_MATCH, "\"12\"");
    wanted.check(at(12)).unwrap();
    let problem = wanted.check(at(13)).unwrap_err();
    assert_eq!(problem.status, 412);
    assert_eq!(problem.detail, "expected revision 12, found: revision 13");
    assert_eq!(
        wanted.check(None).unwrap_err().actual.unwrap(),
        "it does not exist"
    );
    assert!(
        given(header::IF_MATCH, "W/\"12\"").check(at(12)).is_err(),
        "weak tags never match strongly"
    );
    given(header::IF_MATCH, "\"7\", \"12\"").check(at(12)).unwrap();
}

#[test]
fn a_star_asks_for_existence_or_its_opposite() {
    assert!(given(header::IF_MATCH, "*").check(None).is_err());
    given(header::IF_MATCH, "*").check(at(0)).unwrap();
    given(header::IF_NONE_MATCH, "*").check(None).unwrap();
    assert_eq!(
        given(header::IF_NONE_MATCH, "*").check(at(0)).unwrap_err().status,
        412
    );
}

#[test]
fn a_known_tag_needs_no_answer() {
    assert!(given(header::IF_NONE_MATCH, "\"1\", W/\"2\"").is_known("2"));
    assert!(!given(header::IF_NONE_MATCH, "\"1\"").is_known("2"));
    assert!(!Preconditions::default().is_known("2"));
}

#[test]
fn refuses_what_is_no_tag() {
    for text in ["12", "\"1", "\"a\"b\"", "W/12", ""] {
        let headers = HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_str(text).unwrap())]);
        assert_eq!(
            Preconditions::from_headers(&headers).unwrap_err().status,
            400,
            "{text}"
        );
    }
}

#[test]
fn what_asks_for_one_revision_says_which() {
    assert_eq!(given(header::IF_MATCH, "\"12\"").exact(), Some(at(12)));
    assert_eq!(given(header::IF_NONE_MATCH, "*").exact(), Some(None));
    for (name, text) in [
        (header::IF_MATCH, "*"),
        (header::IF_MATCH, "\"1\", \"2\""),
        (header::IF_MATCH, "W/\"1\""),
    ] {
        assert_eq!(given(name, text).exact(), None, "{text}");
    }
    assert_eq!(given(header::IF_NONE_MATCH, "\"1\"").exact(), None);
}
