use std::time::Duration;

use annals_server::ServerOptions;
use annals_server::live::LiveLimits;
use axum::http::Method;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::world::{Node, event};

const PATIENCE: Duration = Duration::from_secs(10);

/// One server-sent event.
#[derive(Debug, Default, PartialEq)]
struct Said {
    topic: String,
    id: Option<u64>,
    data: Value,
}

/// Reads a stream event by event.
struct Stream {
    body: Incoming,
    text: String,
    kind: String,
}

impl Stream {
    async fn open(node: &Node, query: &str, headers: &[(&str, &str)]) -> Self {
        let response = node
            .open(
                Method::GET,
                &format!("/services/orders/events/live?{query}"),
                headers,
                "",
            )
            .await;
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        Self {
            body: response.into_body(),
            text: String::new(),
            kind,
        }
    }

    /// The next event; `None`: the stream is over.
    async fn next(&mut self) -> Option<Said> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(said) = parse(&block) {
                    return Some(said);
                }
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame())
                .await
                .expect("the stream says something");
            let bytes: Bytes = frame?.ok()?.into_data().ok()?;
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    async fn topic(&mut self) -> String {
        self.next().await.map_or("over".to_owned(), |said| said.topic)
    }

    /// The positions of this many events, which must carry them as ids, too.
    async fn events(&mut self, count: usize) -> Vec<u64> {
        let mut positions = Vec::new();
        while positions.len() < count {
            let said = self.next().await.unwrap();
            if said.topic == "event" {
                assert_eq!(said.data["position"].as_u64(), said.id);
                positions.extend(said.id);
            }
        }
        positions
    }
}

fn parse(block: &str) -> Option<Said> {
    let (mut said, mut data) = (Said::default(), String::new());
    for line in block.lines() {
        match line.split_once(": ")? {
            ("event", topic) => said.topic = topic.to_owned(),
            ("id", id) => said.id = Some(id.parse().unwrap()),
            ("data", line) => data.push_str(line),
            _ => {}
        }
    }
    if said.topic.is_empty() {
        return None;
    }
    said.data = serde_json::from_str(&data).unwrap();
    Some(said)
}

#[tokio::test]
async fn catches_up_says_so_and_follows() {
    let node = Node::start().await;
    node.record((0..600).map(|_| event("order.placed", "order:42")))
        .await;
    let mut stream = Stream::open(&node, "from=0", &[]).await;
    assert_eq!(stream.kind, "text/event-stream");
    assert_eq!(stream.events(600).await, (0..600).collect::<Vec<_>>());
    let caught_up = stream.next().await.unwrap();
    assert_eq!((caught_up.topic.as_str(), caught_up.id), ("caught-up", Some(599)));
    node.record((0..3).map(|_| event("order.paid", "order:42"))).await;
    assert_eq!(stream.events(3).await, [600, 601, 602]);
}

#[tokio::test]
async fn begins_at_the_end_when_nothing_else_is_said_also_by_accept() {
    let node = Node::start().await;
    node.record([event("order.placed", "order:42")]).await;
    let mut stream = Stream::open(&node, "", &[]).await;
    assert_eq!(stream.topic().await, "caught-up");
    let accept = [("accept", "text/event-stream")];
    let also = node
        .open(Method::GET, "/services/orders/events?from=0", &accept, "")
        .await;
    assert_eq!(also.headers()["content-type"], "text/event-stream");
    node.record([event("order.paid", "order:42")]).await;
    assert_eq!(stream.events(1).await, [1]);
}

#[tokio::test]
async fn a_stream_that_was_cut_resumes_without_gap_or_repetition() {
    let node = Node::start().await;
    node.record((0..50).map(|_| event("order.placed", "order:42")))
        .await;
    let mut seen = Stream::open(&node, "from=0", &[]).await.events(20).await;
    let last = seen.last().unwrap().to_string();
    // The header wins over what the page's address still says.
    let mut resumed = Stream::open(&node, "after=3", &[("last-event-id", &last)]).await;
    seen.extend(resumed.events(30).await);
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
    assert_eq!(
        Stream::open(&node, "after=47", &[]).await.events(2).await,
        [48, 49]
    );
}

#[tokio::test]
async fn filters_hold_for_types_that_come_later() {
    let node = Node::start().await;
    let mut stream = Stream::open(&node, "type=order.*&type=stock.counted&tag=order:42", &[]).await;
    assert_eq!(stream.topic().await, "caught-up");
    node.record([
        event("order.placed", "order:43"),
        event("order.renamed_later", "order:42"),
        event("payment.taken", "order:42"),
        event("stock.counted", "order:42"),
    ])
    .await;
    assert_eq!(stream.events(2).await, [1, 3]);
}

#[tokio::test]
async fn a_position_the_store_never_reached_is_gone() {
    let node = Node::start().await;
    node.record([event("order.placed", "order:42")]).await;
    let got = node
        .get_with("/services/orders/events/live", &[("last-event-id", "7")])
        .await;
    assert_eq!(got.status, 410);
    assert_eq!(
        (got.json()["expected"].clone(), got.json()["actual"].clone()),
        (8.into(), 1.into())
    );
}

#[tokio::test]
async fn there_are_no_more_streams_than_allowed() {
    let limits = LiveLimits {
        clients_max: 2,
        ..LiveLimits::default()
    };
    let node = Node::with(|api| api.live(limits), ServerOptions::default()).await;
    let first = Stream::open(&node, "", &[]).await;
    let _second = Stream::open(&node, "", &[]).await;
    let got = node.get("/services/orders/events/live").await;
    assert_eq!((got.status.as_u16(), got.header("retry-after")), (503, "1"));
    drop(first);
    for _ in 0..100 {
        let response = node
            .open(Method::GET, "/services/orders/events/live", &[], "")
            .await;
        if response.status() == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a place that was given back is not given out again");
}

#[tokio::test]
async fn a_client_that_stays_far_behind_is_reset() {
    let limits = LiveLimits {
        lag_max: 100,
        behind_max: Duration::from_millis(100),
        ..LiveLimits::default()
    };
    let node = Node::with(|api| api.live(limits), ServerOptions::default()).await;
    let mut stream = Stream::open(&node, "", &[]).await;
    assert_eq!(stream.topic().await, "caught-up");
    // More than the sockets' buffers hold, while nobody reads.
    for _ in 0..60 {
        let big = |_| annals_core::event::NewEvent {
            data: format!("\"{}\"", "x".repeat(50_000)).into(),
            ..event("a.big", "order:42")
        };
        node.append((0..10).map(big).collect()).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut events = 0;
    let reset = loop {
        match stream.next().await.unwrap() {
            said if said.topic == "event" => events += 1,
            said => break said,
        }
    };
    assert_eq!(
        (reset.topic.as_str(), reset.id, &reset.data["position"]),
        ("reset", Some(599), &600.into())
    );
    assert!(events < 600, "{events}");
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn streams_end_when_the_node_stops() {
    let node = Node::start().await;
    let mut stream = Stream::open(&node, "", &[]).await;
    assert_eq!(stream.topic().await, "caught-up");
    let Node { server, .. } = node;
    let stopped = tokio::spawn(server.shutdown());
    assert_eq!(stream.next().await, None);
    let stopped = tokio::time::timeout(Duration::from_secs(5), stopped)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stopped.cut, 0);
}
