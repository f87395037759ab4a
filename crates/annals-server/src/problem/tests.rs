use std::collections::HashSet;

use annals_core::position::Revision;
use annals_core::tag::Tag;

use super::*;

#[test]
fn every_meaning_has_the_status_clients_rely_on() {
    let status = |kind| Problem::of(kind, "").status;
    assert_eq!(status(ErrorKind::Conflict), 409);
    assert_eq!(status(ErrorKind::Refused), 409);
    assert_eq!(status(ErrorKind::Invalid), 422);
    assert_eq!(status(ErrorKind::NotFound), 404);
    assert_eq!(status(ErrorKind::Gone), 410);
    assert_eq!(status(ErrorKind::Unavailable), 503);
    assert_eq!(status(ErrorKind::Closed), 503);
    assert_eq!(status(ErrorKind::Unknown), 504);
    assert_eq!(status(ErrorKind::Corrupt), 500);
}

#[test]
fn slugs_are_unique_and_statuses_real() {
    let slugs: HashSet<_> = KINDS.iter().map(|kind| kind.slug).collect();
    assert_eq!(slugs.len(), KINDS.len());
    assert!(
        KINDS
            .iter()
            .all(|kind| StatusCode::from_u16(kind.status).unwrap().as_u16() >= 400)
    );
}

#[test]
fn a_lost_race_names_both_sides() {
    let conflict = Conflict::Tag {
        condition: 0,
        tag: Tag::new("order:42").unwrap(),
        expected: Some(Revision::new(7)),
        found: Some(Revision::new(9)),
    };
    let problem = serde_json::to_value(Problem::from(AppendError::Conflict(conflict))).unwrap();
    assert_eq!(problem["expected"], 7);
    assert_eq!(problem["actual"], 9);
    assert_eq!(problem["status"], 409);
    assert_eq!(problem["type"], "/problems/conflict");
    assert!(problem.get("errors").is_none(), "what is empty is left out");
}

#[test]
fn a_refusal_keeps_its_own_code() {
    let problem = Problem::refused("out_of_stock", "no tea left").part("/lines/0", "tea");
    assert_eq!((problem.status, &*problem.code), (409, "out_of_stock"));
    assert_eq!(problem.type_, "/problems/refused");
}
