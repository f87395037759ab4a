use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annals_core::kind::ErrorKind;
use annals_core::port::sink::SinkView;
use annals_core::position::Position;
use annals_sqlite::ROWS_MAX;
use serde_json::json;

use crate::{add, sink, stock};

#[tokio::test]
async fn readers_see_whole_commits_only_while_a_writer_writes() {
    let (_folder, sink) = sink();
    let view = stock(&sink).await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (view, done) = (view.clone(), done.clone());
            std::thread::spawn(move || {
                let mut seen = 0;
                while !done.load(Ordering::Relaxed) {
                    // Two statements of one read: the same commit.
                    let (sum, checkpoint) = view
                        .table_at("SELECT coalesce(decimal_sum(amount), '0') FROM stock", [])
                        .unwrap();
                    assert_eq!(
                        sum.rows[0][0],
                        json!((checkpoint.unwrap().get() * 10).to_string())
                    );
                    seen = seen.max(checkpoint.unwrap().get());
                }
                seen
            })
        })
        .collect();
    for round in 1..=100 {
        let mut tx = view.begin().await.unwrap();
        for sku in 0..10 {
            add(&mut tx, &sku.to_string(), "1").unwrap();
        }
        view.commit(tx, Position::new(round)).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
    assert_eq!(view.checkpoint().await.unwrap(), Some(Position::new(100)));
}

#[tokio::test]
async fn more_readers_than_connections_wait_their_turn() {
    let (_folder, sink) = sink();
    let view = stock(&sink).await;
    let readers: Vec<_> = (0..40)
        .map(|_| {
            let view = view.clone();
            std::thread::spawn(move || {
                view.read(|connection| {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    connection.query_row("SELECT 1", [], |row| row.get::<_, i64>(0))
                })
            })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.join().unwrap().unwrap(), 1);
    }
}

#[tokio::test]
async fn readers_cannot_write() {
    let (_folder, sink) = sink();
    let view = stock(&sink).await;
    for statement in [
        "DELETE FROM stock",
        "CREATE TABLE x (y)",
        "ATTACH 'elsewhere.sqlite' AS elsewhere",
    ] {
        let refused = view
            .read(|connection| connection.execute(statement, []))
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{statement}: {refused}");
    }
}

#[tokio::test]
async fn rows_keep_names_kinds_and_a_limit() {
    let (_folder, sink) = sink();
    let view = stock(&sink).await;
    let sql = "SELECT 1 AS whole, 0.5 AS half, NULL AS none, 'é' AS text, x'00ff' AS bytes";
    assert_eq!(
        serde_json::to_value(view.rows(sql, []).unwrap()).unwrap(),
        json!([{ "whole": 1, "half": 0.5, "none": null, "text": "é", "bytes": "00ff" }])
    );
    assert_eq!(
        view.table(sql, []).unwrap().columns,
        ["whole", "half", "none", "text", "bytes"]
    );
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) SELECT i FROM n";
    let table = view.table(many, [ROWS_MAX]).unwrap();
    assert_eq!((table.rows.len(), table.cut), (ROWS_MAX, false));
    let table = view.table(many, [ROWS_MAX + 1]).unwrap();
    assert_eq!((table.rows.len(), table.cut), (ROWS_MAX, true));
}
