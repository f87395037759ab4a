use annals_core::kind::ErrorKind;
use annals_core::port::sink::{Sink, SinkView};
use annals_core::position::Position;
use annals_sqlite::Sqlite;
use serde_json::json;

use crate::{add, amount, sink, stock};

#[tokio::test]
async fn a_commit_holds_rows_and_checkpoint_and_survives_a_reopen() {
    let (folder, sink) = sink();
    let view = stock(&sink).await;
    let mut tx = view.begin().await.unwrap();
    add(&mut tx, "tea", "1.10").unwrap();
    add(&mut tx, "tea", "2.20").unwrap();
    view.commit(tx, Position::new(7)).await.unwrap();
    assert_eq!(amount(&view, "tea").as_deref(), Some("3.30"));
    assert_eq!(view.checkpoint().await.unwrap(), Some(Position::new(7)));
    drop((view, sink));

    let view = Sqlite::folder(folder.path())
        .unwrap()
        .open("stock", 1)
        .await
        .unwrap();
    assert_eq!(amount(&view, "tea").as_deref(), Some("3.30"));
    assert_eq!(view.checkpoint().await.unwrap(), Some(Position::new(7)));
}

#[tokio::test]
async fn a_dropped_transaction_leaves_neither_rows_nor_checkpoint() {
    let (_folder, sink) = sink();
    let view = stock(&sink).await;
    let mut tx = view.begin().await.unwrap();
    add(&mut tx, "tea", "1").unwrap();
    drop(tx);
    assert_eq!(amount(&view, "tea"), None);
    assert_eq!(view.checkpoint().await.unwrap(), Some(Position::ZERO));
    let mut tx = view.begin().await.unwrap();
    assert_eq!(
        tx.query_row("SELECT count(*) FROM stock", [], |row| row.get(0))
            .unwrap(),
        Some(0)
    );
}

#[tokio::test]
async fn an_empty_view_has_no_checkpoint() {
    let (_folder, sink) = sink();
    let view = sink.open("stock", 1).await.unwrap();
    assert_eq!(view.checkpoint().await.unwrap(), None);
    let tx = view.begin().await.unwrap();
    view.commit(tx, Position::MAX).await.unwrap();
    assert_eq!(view.checkpoint().await.unwrap(), Some(Position::MAX));
}

#[tokio::test]
async fn a_copy_of_the_files_made_amid_a_transaction_opens_at_the_commit_before() {
    let (folder, sink) = sink();
    let view = stock(&sink).await;
    let mut tx = view.begin().await.unwrap();
    tx.execute_batch("PRAGMA cache_size = 10").unwrap();
    for number in 0..20_000 {
        tx.execute("INSERT INTO stock VALUES (?1, '1')", [number.to_string()])
            .unwrap();
    }
    let copy = tempfile::tempdir().unwrap();
    let mut bytes = 0;
    for file in ["stock.v1.sqlite", "stock.v1.sqlite-wal"] {
        bytes += std::fs::copy(folder.path().join(file), copy.path().join(file)).unwrap();
    }
    assert!(
        bytes > 100_000,
        "the transaction must have reached the disk for this to say anything"
    );
    view.commit(tx, Position::new(9)).await.unwrap();

    let copied = Sqlite::folder(copy.path())
        .unwrap()
        .open("stock", 1)
        .await
        .unwrap();
    assert_eq!(copied.checkpoint().await.unwrap(), Some(Position::ZERO));
    assert_eq!(
        copied.rows("SELECT count(*) AS n FROM stock", []).unwrap()[0]["n"],
        json!(0)
    );
    assert_eq!(
        view.rows("SELECT count(*) AS n FROM stock", []).unwrap()[0]["n"],
        json!(20_000)
    );
}

#[tokio::test]
async fn a_projection_cannot_end_the_transaction_or_move_the_checkpoint() {
    let (_folder, sink) = sink();
    let view = stock(&sink).await;
    let mut tx = view.begin().await.unwrap();
    add(&mut tx, "tea", "1").unwrap();
    for statement in [
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "UPDATE _checkpoint SET position = 99",
        "DELETE FROM _checkpoint",
        "INSERT OR REPLACE INTO _checkpoint VALUES (1, 99)",
        "DROP TABLE _checkpoint",
        "ATTACH 'elsewhere.sqlite' AS elsewhere",
    ] {
        let refused = tx.execute(statement, []).map_err(|error| error.kind());
        assert_eq!(refused, Err(ErrorKind::Invalid), "{statement}");
    }
    tx.execute_batch("SAVEPOINT one; INSERT INTO stock VALUES ('milk', '1'); ROLLBACK TO one; RELEASE one")
        .unwrap();
    view.commit(tx, Position::new(1)).await.unwrap();
    assert_eq!(amount(&view, "tea").as_deref(), Some("1"));
    assert_eq!(amount(&view, "milk"), None);
    assert_eq!(view.checkpoint().await.unwrap(), Some(Position::new(1)));
}

#[tokio::test]
async fn a_transaction_commits_only_on_its_own_view() {
    let (_folder, sink) = sink();
    let view = stock(&sink).await;
    let other = sink.open("stock", 2).await.unwrap();
    let tx = view.begin().await.unwrap();
    assert_eq!(
        other.commit(tx, Position::new(3)).await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert_eq!(other.checkpoint().await.unwrap(), None);
    assert_eq!(view.checkpoint().await.unwrap(), Some(Position::ZERO));
}

#[tokio::test]
async fn wrong_statements_name_the_file_and_the_statement() {
    let (_folder, sink) = sink();
    let view = stock(&sink).await;
    let mut tx = view.begin().await.unwrap();
    let error = tx.execute("INSERT INTO nowhere\n VALUES (1)", []).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("stock.v1.sqlite (INSERT INTO nowhere VALUES (1))"),
        "{text}"
    );
    assert!(text.contains("no such table: nowhere"), "{text}");
    let error = add(&mut tx, "tea", "much")
        .and_then(|_| add(&mut tx, "tea", "1"))
        .unwrap_err();
    assert!(error.to_string().contains("\"much\""), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_moves_between_threads_and_the_next_waits_for_it() {
    let (_folder, sink) = sink();
    let view = stock(&sink).await;
    let tasks: Vec<_> = (1..=20)
        .map(|_| {
            let view = view.clone();
            tokio::spawn(async move {
                let mut tx = view.begin().await.unwrap();
                add(&mut tx, "tea", "0.05").unwrap();
                tokio::task::yield_now().await;
                let at = tx
                    .query_row("SELECT position FROM _checkpoint", [], |row| row.get::<_, i64>(0))
                    .unwrap();
                view.commit(tx, Position::new(at.unwrap() as u64 + 1))
                    .await
                    .unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(amount(&view, "tea").as_deref(), Some("1.00"));
    assert_eq!(view.checkpoint().await.unwrap(), Some(Position::new(20)));
}
