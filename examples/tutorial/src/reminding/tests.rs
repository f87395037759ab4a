use std::time::Duration;

use annals_testkit::probe::process;

use super::{AGAIN, Due, LOAN, Loan};
use crate::facts::{BookLent, BookReturned};
use crate::lending::Remind;

fn lent() -> BookLent {
    BookLent {
        book: "b1".into(),
        reader: "r1".into(),
    }
}

fn remind() -> Remind {
    Remind {
        book: "b1".into(),
        reader: "r1".into(),
    }
}

// region: probe
#[test]
fn a_reader_is_reminded_after_four_weeks_and_then_every_week() {
    process::<Loan>()
        .on(lent())
        .pass(LOAN - Duration::from_secs(1))
        .sends_nothing()
        .pass(Duration::from_secs(1))
        .sends(remind())
        .waits(AGAIN, &Due)
        .pass(AGAIN)
        .sends(remind())
        .still_waiting();
}
// endregion

#[test]
fn a_book_that_is_back_reminds_nobody() {
    let returned = BookReturned {
        book: "b1".into(),
        reader: "r1".into(),
    };
    process::<Loan>()
        .on(lent())
        .pass(AGAIN)
        .on(returned)
        .pass(LOAN)
        .sends_nothing()
        .done();
}

#[test]
fn the_next_loan_has_a_time_of_its_own() {
    let returned = BookReturned {
        book: "b1".into(),
        reader: "r1".into(),
    };
    process::<Loan>()
        .on(lent())
        .pass(AGAIN)
        .on(returned)
        .pass(AGAIN)
        .on(lent())
        .waits(LOAN, &Due)
        .pass(LOAN)
        .sends(remind())
        .still_waiting();
}
