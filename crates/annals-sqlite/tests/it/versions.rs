use annals_core::kind::ErrorKind;
use annals_core::port::sink::{Sink, SinkView};
use annals_core::position::Position;
use annals_sqlite::Sqlite;

use crate::{add, amount, sink, stock};

#[tokio::test]
async fn a_new_version_is_built_beside_the_old_and_then_promoted() {
    let (folder, sink) = sink();
    assert_eq!(sink.promoted("stock").await.unwrap(), None);
    let first = stock(&sink).await;
    sink.promote("stock", 1).await.unwrap();
    let second = sink.open("stock", 2).await.unwrap();
    assert_eq!(second.checkpoint().await.unwrap(), None);
    assert_eq!(first.checkpoint().await.unwrap(), Some(Position::ZERO));
    assert_eq!(sink.promoted("stock").await.unwrap(), Some(1));
    sink.promote("stock", 2).await.unwrap();
    assert_eq!(sink.promoted("stock").await.unwrap(), Some(2));
    assert_eq!(
        Sqlite::folder(folder.path())
            .unwrap()
            .promoted("stock")
            .await
            .unwrap(),
        Some(2)
    );
}

#[tokio::test]
async fn a_promotion_that_was_cut_off_changes_nothing() {
    let (folder, sink) = sink();
    drop(stock(&sink).await);
    sink.promote("stock", 1).await.unwrap();
    std::fs::write(folder.path().join("stock.promoted.new"), "").unwrap();
    assert_eq!(sink.promoted("stock").await.unwrap(), Some(1));
    sink.promote("stock", 1).await.unwrap();
    assert!(!folder.path().join("stock.promoted.new").exists());
}

#[tokio::test]
async fn only_what_is_there_is_promoted() {
    let (_folder, sink) = sink();
    assert_eq!(
        sink.promote("stock", 4).await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert_eq!(sink.promoted("stock").await.unwrap(), None);
}

#[tokio::test]
async fn removal_deletes_the_files_and_ends_open_views() {
    let (folder, sink) = sink();
    let view = stock(&sink).await;
    let mut tx = view.begin().await.unwrap();
    add(&mut tx, "tea", "1").unwrap();
    view.commit(tx, Position::new(5)).await.unwrap();
    sink.remove("stock", 1).await.unwrap();
    sink.remove("stock", 1).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(
        view.begin().await.map(drop).unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert_eq!(
        view.checkpoint().await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );

    let view = stock(&sink).await;
    assert_eq!(amount(&view, "tea"), None);
}

#[tokio::test]
async fn a_name_does_not_lead_out_of_the_folder() {
    let (_folder, sink) = sink();
    for name in ["", "../stock", "a/b", "a.b", "straße", &"n".repeat(129)] {
        assert_eq!(
            sink.open(name, 1).await.map(drop).unwrap_err().kind(),
            ErrorKind::Invalid,
            "{name:?}"
        );
        assert_eq!(
            sink.promoted(name).await.unwrap_err().kind(),
            ErrorKind::Invalid,
            "{name:?}"
        );
    }
    sink.open("Stock_levels-2", 1).await.unwrap();
}
