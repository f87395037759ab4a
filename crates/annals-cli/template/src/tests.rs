//! What the desk decides, without a store and without a runtime.

use annals_testkit::scenario::given;

use super::{BookBorrowed, BookGivenBack, BookId, Borrow, GiveBack};

fn emma() -> BookId {
    BookId::from("emma")
}

fn borrow(reader: &str) -> Borrow {
    Borrow {
        book: emma(),
        reader: reader.to_owned(),
    }
}

fn borrowed(reader: &str) -> BookBorrowed {
    BookBorrowed {
        book: emma(),
        reader: reader.to_owned(),
    }
}

#[test]
fn a_book_is_lent_to_one_reader_at_a_time() {
    given(())
        .when(borrow("ann"))
        .then(borrowed("ann"))
        .when(borrow("bob"))
        .then_refused("already_borrowed")
        .when(borrow("ann"))
        .then_nothing();
}

#[test]
fn a_book_that_is_back_can_be_lent_again() {
    given((borrowed("ann"), BookGivenBack { book: emma() }))
        .when(borrow("bob"))
        .then(borrowed("bob"));
    given(()).when(GiveBack { book: emma() }).then_nothing();
}
