use std::fs;

use annals_core::kind::ErrorKind;
use annals_core::port::sink::{Sink, SinkView};
use annals_core::position::Position;
use annals_sqlite::Sqlite;

use crate::{add, sink, stock};

#[tokio::test]
async fn a_file_that_is_no_database_is_reported_as_damage_and_can_be_rebuilt() {
    let (folder, sink) = sink();
    fs::write(
        folder.path().join("stock.v1.sqlite"),
        "these are not the rows ".repeat(500),
    )
    .unwrap();
    let error = sink.open("stock", 1).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("stock.v1.sqlite"), "{error}");
    sink.remove("stock", 1).await.unwrap();
    assert_eq!(
        stock(&sink).await.checkpoint().await.unwrap(),
        Some(Position::ZERO)
    );
}

#[tokio::test]
async fn damaged_pages_are_found() {
    let (folder, sink) = sink();
    let view = stock(&sink).await;
    let mut tx = view.begin().await.unwrap();
    for number in 0..5_000 {
        add(&mut tx, &format!("sku-{number}"), "1").unwrap();
    }
    view.commit(tx, Position::new(1)).await.unwrap();
    view.verify().unwrap();
    drop((view, sink));

    let path = folder.path().join("stock.v1.sqlite");
    let mut bytes = fs::read(&path).unwrap();
    let beyond_the_first_pages = 5 * 4096;
    bytes[beyond_the_first_pages..].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let sink = Sqlite::folder(folder.path()).unwrap();
    let view = sink.open("stock", 1).await.unwrap();
    assert_eq!(
        view.rows("SELECT sum(length(sku)) FROM stock", [])
            .unwrap_err()
            .kind(),
        ErrorKind::Corrupt
    );
    assert_eq!(view.verify().unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_damaged_promotion_is_not_taken_for_none() {
    let (folder, sink) = sink();
    fs::write(folder.path().join("stock.promoted"), "two").unwrap();
    assert_eq!(
        sink.promoted("stock").await.unwrap_err().kind(),
        ErrorKind::Corrupt
    );
}
