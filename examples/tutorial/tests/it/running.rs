//! The library as a running service.

use annals::{ExecuteError, Service, ServiceBuilder};
use annals_sqlite::Sqlite;
use annals_testkit::chain::{Chain, Stage};
use std::sync::Arc;
use tutorial::facts::{BookId, ReaderId};
use tutorial::lending::{Acquire, GiveBack, Lend, LendingRefusal};
use tutorial::library;
use tutorial::models::{Book, Reader};
use tutorial::reminding::{AGAIN, LOAN};
use tutorial::shelf::Shelf;

fn acquire(book: &str) -> Acquire {
    Acquire {
        book: book.into(),
        title: format!("The story of {book}"),
    }
}

fn lend(reader: &str, book: &str) -> Lend {
    Lend {
        reader: reader.into(),
        books: vec![book.into()],
    }
}

fn describe(stage: &Stage) -> impl Fn(ServiceBuilder) -> ServiceBuilder + use<> {
    let views = Arc::new(Sqlite::folder(stage.folder()).unwrap());
    move |builder| library::service(builder, Arc::clone(&views))
}

async fn reminders(library: &Service, reader: &str) -> u32 {
    library
        .load::<Reader>(&ReaderId::from(reader))
        .await
        .unwrap()
        .reminders
}

// region: chain
#[test]
fn a_reminder_comes_on_the_day_also_after_a_crash() {
    Chain::new(1).run(async |stage| {
        let library = stage.service("library", describe(stage)).await;
        library.execute(acquire("b1")).await.unwrap();
        library.execute(lend("r1", "b1")).await.unwrap();
        stage.pass(AGAIN).await;

        stage.crash("library").await;
        let library = stage.restart("library").await;
        stage.pass(LOAN - AGAIN).await;
        assert_eq!(reminders(&library, "r1").await, 1);

        library.execute(GiveBack { book: "b1".into() }).await.unwrap();
        stage.pass(2 * AGAIN).await;
        assert_eq!(reminders(&library, "r1").await, 1);
    });
}
// endregion

#[test]
fn a_loan_that_was_reminded_of_is_reminded_of_every_week() {
    Chain::new(2).run(async |stage| {
        let library = stage.service("library", describe(stage)).await;
        library.execute(acquire("b1")).await.unwrap();
        library.execute(lend("r1", "b1")).await.unwrap();
        stage.pass(LOAN + 3 * AGAIN).await;
        assert_eq!(reminders(&library, "r1").await, 4);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_a_restart_and_a_repeated_request_has_one_effect() {
    let folder = tempfile::tempdir().unwrap();
    let library = library::open(folder.path()).await.unwrap();
    library.execute(acquire("b1")).await.unwrap();
    let lent = library
        .execute(lend("r1", "b1"))
        .idempotency_key("desk 1")
        .await
        .unwrap();
    assert!(
        library::open(folder.path()).await.is_err(),
        "a second writer was let in"
    );
    library.stop().await;
    drop(library);

    let library = library::open(folder.path()).await.unwrap();
    let again = library
        .execute(lend("r1", "b1"))
        .idempotency_key("desk 1")
        .await
        .unwrap();
    assert!(again.repeated);
    assert_eq!(again.events, lent.events);
    let refused = library.execute(lend("r2", "b1")).await;
    assert!(
        matches!(refused, Err(ExecuteError::Refused(LendingRefusal::Lent(_)))),
        "{refused:?}"
    );
    let back = library.execute(GiveBack { book: "b1".into() }).await.unwrap();
    let rows = library.view::<Shelf>().after(&back).await.unwrap();
    let rows = rows
        .rows("SELECT reader FROM shelf WHERE book = 'b1'", ())
        .unwrap();
    assert_eq!(rows[0]["reader"], serde_json::Value::Null);
    let book = library
        .load::<Book>(&BookId::from("b1"))
        .at(lent.end)
        .await
        .unwrap();
    assert_eq!(book.with, Some(ReaderId::from("r1")));
    library.stop().await;
}
