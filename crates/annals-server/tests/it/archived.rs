use std::sync::Arc;

use annals_core::port::store::{Append, EventStore};
use annals_core::position::Position;
use annals_server::ServerOptions;
use annals_store::{EmbeddedStore, FolderArchive, Options, Truncated, truncate};

use crate::world::{Node, event};

/// A store of 200 events, whose oldest ones were archived.
async fn truncated(folder: &std::path::Path) -> (EmbeddedStore, Truncated) {
    let mut options = Options::new();
    (options.segment_bytes_first, options.segment_bytes_max) = (16 << 10, 16 << 10);
    let store = EmbeddedStore::open(folder.join("store"), options.clone()).unwrap();
    for number in 0..200 {
        let mut event = event("order.placed", &format!("order:{}", number / 10));
        event.data = vec![b'1'; 300].into();
        let append = Append {
            events: vec![event],
            ..Append::default()
        };
        store.append(append).await.unwrap();
    }
    store.close();
    drop(store);
    let archive = FolderArchive::new(folder.join("archive"));
    let done = truncate(folder.join("store"), Position::new(120), &archive).unwrap();
    (EmbeddedStore::open(folder.join("store"), options).unwrap(), done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_archived_is_gone_and_the_answer_says_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (store, done) = truncated(folder.path()).await;
    let boundary = done.boundary.get();
    assert!((40..=120).contains(&boundary), "{boundary}");
    let node = Node::with(|api| api.show("old", Arc::new(store)), ServerOptions::default()).await;
    for gone in [
        "events?direction=forward".to_owned(),
        "events/5".to_owned(),
        format!("events?direction=forward&from={}", boundary - 1),
        "events?direction=forward&tag=order%3A0".to_owned(),
        "events?direction=backward&tag=order%3A0".to_owned(),
    ] {
        let got = node.get(&format!("/services/old/{gone}")).await;
        let problem = got.json();
        assert_eq!(
            (got.status.as_u16(), &problem["code"]),
            (410, &"gone".into()),
            "{gone}"
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("position {boundary} ")), "{detail}");
        assert!(detail.contains(&done.archive), "{detail}");
    }
    for (there, events) in [
        (
            format!("events?direction=forward&limit=1000&from={boundary}"),
            200 - boundary,
        ),
        ("events?direction=backward&limit=20".to_owned(), 20),
        ("events?direction=forward&tag=order%3A19".to_owned(), 10),
        ("events?direction=forward&tag=order%3A77".to_owned(), 0),
    ] {
        let got = node.get(&format!("/services/old/{there}")).await;
        assert_eq!(got.status, 200, "{there}: {}", got.text());
        assert_eq!(
            got.json()["events"].as_array().unwrap().len() as u64,
            events,
            "{there}"
        );
    }
}
