use super::super::super::protocol::{
    ChargeRequest, ChargeStatus, DeclineReason, RefundRequest, RefundStatus,
};
use super::{Book, Undecided};
use crate::money::Money;

fn charge(key: &str, order: &str, amount: u32) -> ChargeRequest {
    ChargeRequest {
        key: key.to_owned(),
        order: order.to_owned(),
        amount: Money::from(amount),
    }
}

fn refund(key: &str, charge: &str) -> RefundRequest {
    RefundRequest {
        key: key.to_owned(),
        charge: charge.to_owned(),
    }
}

#[test]
fn a_key_is_charged_once_and_a_new_key_again() {
    let mut book = Book::new(1_000);
    let first = book.charge(charge("a", "1", 10), false).unwrap();
    assert_eq!(first.answer.status, ChargeStatus::Captured);
    let again = book.charge(charge("a", "1", 10), true).unwrap();
    assert_eq!(
        (again.answer, again.entry),
        (first.answer, None),
        "whatever the card says now"
    );
    assert!(book.charge(charge("b", "1", 10), false).unwrap().entry.is_some());
    book.publish();
    assert_eq!(book.totals().captured_amount, Money::from(20));
    assert_eq!(book.account("1").unwrap().charges.len(), 2);
}

#[test]
fn a_declined_key_stays_declined() {
    let mut book = Book::new(1_000);
    let first = book.charge(charge("a", "1", 10), true).unwrap();
    assert_eq!(first.answer.reason, Some(DeclineReason::CardDeclined));
    assert_eq!(
        book.charge(charge("a", "1", 10), false).unwrap().answer,
        first.answer
    );
    let nothing = book.refund(refund("r", "a")).unwrap().answer;
    assert_eq!(
        (nothing.status, nothing.amount),
        (RefundStatus::NothingCaptured, Money::ZERO)
    );
}

#[test]
fn a_key_for_something_else_is_refused() {
    let mut book = Book::new(1_000);
    book.charge(charge("a", "1", 10), false).unwrap();
    assert_eq!(
        book.charge(charge("a", "2", 10), false),
        Err(Undecided::KeyReused)
    );
    assert_eq!(
        book.charge(charge("a", "1", 11), false),
        Err(Undecided::KeyReused)
    );
    book.refund(refund("r", "a")).unwrap();
    assert_eq!(book.refund(refund("r", "b")), Err(Undecided::KeyReused));
    book.publish();
    assert_eq!(book.totals().entries, 2);
}

#[test]
fn money_goes_back_once() {
    let mut book = Book::new(1_000);
    book.charge(charge("a", "1", 10), false).unwrap();
    let first = book.refund(refund("r", "a")).unwrap();
    assert_eq!(
        (first.answer.status, first.answer.amount),
        (RefundStatus::Refunded, Money::from(10))
    );
    let again = book.refund(refund("r", "a")).unwrap();
    assert_eq!((again.answer, again.entry), (first.answer, None));
    let other = book.refund(refund("s", "a")).unwrap().answer;
    assert_eq!(
        (other.status, other.amount),
        (RefundStatus::AlreadyRefunded, Money::ZERO)
    );
    book.publish();
    assert_eq!(
        (book.totals().refunded, book.totals().refunded_amount),
        (1, Money::from(10))
    );
    assert_eq!(book.account("1").unwrap().refunds.len(), 2);
}

#[test]
fn a_refund_that_comes_first_voids_the_key() {
    let mut book = Book::new(1_000);
    let void = book.refund(refund("r", "a")).unwrap().answer;
    assert_eq!((void.status, void.amount), (RefundStatus::Voided, Money::ZERO));
    let late = book.charge(charge("a", "1", 10), false).unwrap().answer;
    assert_eq!(
        (late.status, late.reason),
        (ChargeStatus::Declined, Some(DeclineReason::Voided))
    );
    assert_eq!(
        book.refund(refund("s", "a")).unwrap().answer.status,
        RefundStatus::NothingCaptured
    );
    book.publish();
    assert_eq!((book.totals().voided, book.totals().captured), (1, 0));
    assert_eq!(book.voids(0, 10, 9), [void]);
}

#[test]
fn nothing_is_shown_before_it_is_published() {
    let mut book = Book::new(1_000);
    book.charge(charge("a", "1", 10), false).unwrap();
    book.publish();
    book.charge(charge("b", "1", 5), false).unwrap();
    book.charge(charge("c", "2", 5), false).unwrap();
    book.refund(refund("r", "unseen")).unwrap();
    assert_eq!(book.totals().captured, 1);
    assert_eq!(book.account("1").unwrap().charges.len(), 1);
    assert_eq!(book.account("2"), None);
    let (shown, next) = book.accounts(0, 10, book.totals().entries).unwrap();
    assert_eq!((shown.len(), next), (1, 2));
    assert_eq!(book.accounts(2, 10, 9), None);
    assert_eq!(book.voids(0, 10, book.totals().entries), []);
}

#[test]
fn a_full_book_still_knows_its_answers() {
    let mut book = Book::new(2);
    book.charge(charge("a", "1", 10), false).unwrap();
    book.refund(refund("r", "a")).unwrap();
    assert_eq!(book.charge(charge("b", "1", 10), false), Err(Undecided::Full));
    assert_eq!(book.refund(refund("s", "a")), Err(Undecided::Full));
    assert!(book.charge(charge("a", "1", 10), false).is_ok());
    assert!(book.refund(refund("r", "a")).is_ok());
}

#[test]
fn sums_that_cannot_be_exact_are_refused() {
    let mut book = Book::new(9);
    let much = |key: &str, amount: &str| ChargeRequest {
        amount: amount.parse().unwrap(),
        ..charge(key, "1", 1)
    };
    book.charge(much("a", "9999999999999999999999999999"), false)
        .unwrap();
    assert_eq!(book.charge(much("b", "0.001"), false), Err(Undecided::TooMuch));
    book.publish();
    assert_eq!(
        (book.totals().captured, book.account("1").unwrap().charges.len()),
        (1, 1)
    );
}

#[test]
fn a_replayed_key_is_not_replayed_again() {
    let mut book = Book::new(0);
    let mut before = Book::new(9);
    let charged = before.charge(charge("a", "1", 10), false).unwrap().entry.unwrap();
    let refunded = before.refund(refund("r", "a")).unwrap().entry.unwrap();
    for entry in [charged, refunded] {
        assert_eq!(book.replay(&entry), Ok(()));
        assert!(book.replay(&entry).is_err());
    }
    book.publish();
    before.publish();
    assert_eq!(book.totals(), before.totals());
    assert_eq!(book.account("1"), before.account("1"));
}
