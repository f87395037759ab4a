use annals_testkit::scenario::given;

use super::{Acquire, GiveBack, Lend, Remind};
use crate::facts::{BookAcquired, BookLent, BookReturned, ReaderReminded};

fn acquired(book: &str) -> BookAcquired {
    BookAcquired {
        book: book.into(),
        title: format!("The story of {book}"),
    }
}

fn lent(book: &str, reader: &str) -> BookLent {
    BookLent {
        book: book.into(),
        reader: reader.into(),
    }
}

fn lend<const N: usize>(reader: &str, books: [&str; N]) -> Lend {
    Lend {
        reader: reader.into(),
        books: books.map(Into::into).into(),
    }
}

// region: all_or_none
#[test]
fn either_all_books_go_home_or_none() {
    given([acquired("b1"), acquired("b2")])
        .when(lend("r1", ["b1", "b2"]))
        .then([lent("b1", "r1"), lent("b2", "r1")])
        .and(acquired("b3"))
        .when(lend("r2", ["b3", "b2"]))
        .then_refused("lent")
        .when(lend("r2", ["b3"]))
        .then(lent("b3", "r2"));
}
// endregion

// region: limit
#[test]
fn the_limit_counts_what_is_at_home_already() {
    given(["b1", "b2", "b3", "b4"].map(acquired))
        .and([lent("b1", "r1"), lent("b2", "r1")])
        .when(lend("r1", ["b3", "b4"]))
        .then_refused("too_many")
        .and(BookReturned {
            book: "b1".into(),
            reader: "r1".into(),
        })
        .when(lend("r1", ["b3", "b4"]))
        .then([lent("b3", "r1"), lent("b4", "r1")]);
}
// endregion

#[test]
fn the_same_book_twice_is_one_book_and_another_title_is_refused() {
    let acquire = |title: &str| Acquire {
        book: "b1".into(),
        title: title.into(),
    };
    given(())
        .when(acquire("The story of b1"))
        .then(acquired("b1"))
        .when(acquire("The story of b1"))
        .then_nothing()
        .when(acquire("Another story"))
        .then_refused("book_exists");
}

#[test]
fn what_nobody_knows_is_neither_lent_nor_given_back() {
    given(()).when(lend("r1", ["b1"])).then_refused("no_such_book");
    given(())
        .when(GiveBack { book: "b1".into() })
        .then_refused("no_such_book");
}

#[test]
fn a_book_comes_back_from_whoever_had_it_and_only_once() {
    let back = || GiveBack { book: "b1".into() };
    given(acquired("b1"))
        .and(lent("b1", "r1"))
        .when(back())
        .then(BookReturned {
            book: "b1".into(),
            reader: "r1".into(),
        })
        .when(back())
        .then_nothing();
}

#[test]
fn lending_again_what_the_reader_has_changes_nothing() {
    given(acquired("b1"))
        .and(lent("b1", "r1"))
        .when(lend("r1", ["b1"]))
        .then_nothing();
}

#[test]
fn nobody_is_reminded_of_a_book_that_came_back() {
    let remind = || Remind {
        book: "b1".into(),
        reader: "r1".into(),
    };
    given(acquired("b1"))
        .and(lent("b1", "r1"))
        .when(remind())
        .then(ReaderReminded {
            reader: "r1".into(),
            book: "b1".into(),
        })
        .and(BookReturned {
            book: "b1".into(),
            reader: "r1".into(),
        })
        .when(remind())
        .then_nothing();
}
