//! Lends a few books and looks at what became of it: `cargo run -p tutorial -- FOLDER`.

use std::path::PathBuf;

use annals::{ExecuteError, Service};
use tutorial::facts::BookId;
use tutorial::lending::{Acquire, GiveBack, Lend, LendingRefusal};
use tutorial::library;
use tutorial::models::Book;
use tutorial::shelf::Shelf;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = PathBuf::from(
        std::env::args()
            .nth(1)
            .unwrap_or_else(|| "library-data".to_owned()),
    );
    let library = library::open(&folder).await?;
    let played = play(&library).await;
    library.stop().await;
    played
}

// region: play
async fn play(library: &Service) -> anyhow::Result<()> {
    for (book, title) in [("b1", "The Odyssey"), ("b2", "The Tempest")] {
        let (book, title) = (book.into(), title.into());
        library.execute(Acquire { book, title }).await?;
    }
    let both = Lend {
        reader: "ines".into(),
        books: vec!["b1".into(), "b2".into()],
    };
    let lent = library
        .execute(both.clone())
        .idempotency_key("desk 1, 10:15")
        .await?;
    println!("lent: {} events, up to position {}", lent.events.len(), lent.end);

    // The desk did not hear the answer and asks again.
    let again = library.execute(both).idempotency_key("desk 1, 10:15").await?;
    println!(
        "asked again: repeated = {}, the same events: {}",
        again.repeated,
        again.events == lent.events
    );

    let late = library
        .execute(Lend {
            reader: "omar".into(),
            books: vec!["b2".into()],
        })
        .await;
    if let Err(ExecuteError::Refused(LendingRefusal::Lent(book))) = late {
        println!("refused: {book} is lent");
    }

    let back = library.execute(GiveBack { book: "b2".into() }).await?;
    let rows = library.view::<Shelf>().after(&back).await?;
    for row in rows.rows("SELECT book, title, reader FROM shelf ORDER BY book", ())? {
        println!("{row:?}");
    }

    let book = BookId::from("b2");
    let now = library.load::<Book>(&book).await?;
    let then = library.load::<Book>(&book).at(lent.end).await?;
    println!(
        "b2 is with {:?}; when it was lent, with {:?}",
        now.with, then.with
    );
    Ok(())
}
// endregion
