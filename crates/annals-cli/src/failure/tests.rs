use super::{Failure, ProblemDocument};
use crate::exit::Exit;

fn of(json: &str, status: u16) -> Failure {
    Failure::of_problem(serde_json::from_str::<ProblemDocument>(json).unwrap(), status)
}

#[test]
fn a_refusal_shows_its_own_code_and_ends_with_1() {
    let failure = of(
        r#"{"type":"/problems/refused","status":409,"code":"out_of_stock","detail":"no tea left","hint":"wait"}"#,
        409,
    );
    assert_eq!(failure.to_string(), "out_of_stock: no tea left");
    assert_eq!(
        (failure.exit, failure.hint.as_deref()),
        (Exit::Failed, Some("wait"))
    );
}

#[test]
fn every_kind_of_problem_has_its_exit_code() {
    let cases = [
        (409, "conflict", Exit::Conflict),
        (412, "precondition_failed", Exit::Conflict),
        (404, "not_found", Exit::NotFound),
        (410, "gone", Exit::NotFound),
        (422, "invalid", Exit::Usage),
        (400, "bad_request", Exit::Usage),
        (503, "position_not_reached", Exit::Timeout),
        (504, "unknown", Exit::Timeout),
        (503, "unavailable", Exit::Failed),
        (500, "internal", Exit::Failed),
    ];
    for (status, slug, exit) in cases {
        let json = format!(r#"{{"type":"/problems/{slug}","status":{status},"detail":"d","code":"{slug}"}}"#);
        assert_eq!(of(&json, status).exit, exit, "{slug}");
        assert_eq!(
            of(r#"{"detail":"d"}"#, 404).exit,
            Exit::NotFound,
            "the status alone"
        );
    }
}

#[test]
fn parts_of_the_content_are_listed_with_their_place() {
    let failure = of(
        r#"{"type":"/problems/invalid","detail":"two faults","errors":[{"detail":"no number","pointer":"/a"}]}"#,
        422,
    );
    assert_eq!(failure.message, "two faults\n  /a: no number");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
    assert!(failure.unread);
    assert!(!Failure::from(std::io::Error::other("gone")).unread);
}
