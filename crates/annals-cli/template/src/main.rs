//! Runs the lending desk on a store in `./data` and lends a book.
//!
//! Run it twice: the second run remembers the first. Then look at what happened with `annals event ls --data data`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use annals::{Place, World};
use annals_store::{EmbeddedStore, Options};
use annals_transport::embedded::EmbeddedBroker;
use starter::{Book, BookId, Borrow, GiveBack};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let open = |name: &str| EmbeddedStore::open(Path::new("data").join(name).join("log"), Options::default());
    let world = World::default();
    let broker = EmbeddedBroker::new(Arc::new(open("broker")?), Arc::clone(&world.clock));
    let place = Place {
        store: Arc::new(open("books")?),
        transport: Arc::new(broker),
        world,
        journal: None,
    };
    let books = starter::service().start(place).await?;

    let emma = BookId::from("emma");
    let done = books
        .execute(Borrow {
            book: emma.clone(),
            reader: "ann".to_owned(),
        })
        .await?;
    println!("borrowed: {:?}, the store ends at {}", done.events, done.end);
    books.execute(GiveBack { book: emma.clone() }).await?;

    let now = books.load::<Book>(&emma).await?;
    let then = books.load::<Book>(&emma).at(done.end).await?;
    println!("now: {:?}\nthen: {:?}", now.state, then.state);
    books.stop().await;
    Ok(())
}
