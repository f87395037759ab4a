use annals_core::id::CorrelationId;
use annals_core::port::store::{EventStore, Read};
use annals_core::position::Position;
use annals_core::query::Query;
use serde_json::{Value, json};

use crate::world::{Got, Node, correlated, event};

fn positions(got: &Got) -> Vec<u64> {
    got.json()["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["position"].as_u64().unwrap())
        .collect()
}

/// 0 placed 42, 1 paid 42, 2 placed 43, 3 shipped 42, 4 counted tea.
async fn shop() -> Node {
    let node = Node::start().await;
    let correlation: CorrelationId = "0199a0b0-0000-7000-8000-000000000001".parse().unwrap();
    node.record([
        event("order.placed", "order:42"),
        correlated(event("order.paid", "order:42"), correlation),
        event("order.placed", "order:43"),
        event("order.shipped", "order:42"),
        event("stock.counted", "sku:tea"),
    ])
    .await;
    node
}

#[tokio::test]
async fn events_are_chosen_by_type_tag_and_correlation() {
    let node = shop().await;
    for (query, expected) in [
        ("", vec![0, 1, 2, 3, 4]),
        ("type=order.placed", vec![0, 2]),
        ("type=order.placed&type=stock.counted", vec![0, 2, 4]),
        ("type=order.*", vec![0, 1, 2, 3]),
        ("type=order.p*&type=stock.counted", vec![0, 1, 2, 4]),
        ("type=nothing.*", vec![]),
        ("tag=order:42", vec![0, 1, 3]),
        ("tag=order%3A42&type=order.shipped", vec![3]),
        ("tag=order:42&tag=sku:tea", vec![]),
        ("correlation=0199a0b0-0000-7000-8000-000000000001", vec![1]),
        ("from=2", vec![2, 3, 4]),
        ("from=1&to=3", vec![1, 2]),
        ("at=2", vec![0, 1]),
        ("at=3&direction=backward&tag=order:42", vec![1, 0]),
        ("to=1970-01-01T00:00:00Z", vec![]),
        ("from=1970-01-01T00:00:00Z&limit=2", vec![0, 1]),
    ] {
        let got = node.get(&format!("/services/orders/events?{query}")).await;
        assert_eq!((got.status.as_u16(), positions(&got)), (200, expected), "{query}");
    }
}

#[tokio::test]
async fn pages_are_walked_by_their_links_in_both_directions() {
    let node = Node::start().await;
    node.record((0..25).map(|n| event(if n % 2 == 0 { "a.even" } else { "a.odd" }, "order:4 2&x")))
        .await;
    for (direction, expected) in [
        ("forward", (0..25).step_by(2).collect::<Vec<u64>>()),
        ("backward", (0..13).rev().map(|half| half * 2).collect()),
    ] {
        let mut path = format!(
            "/services/orders/events?type=a.even&tag=order%3A4+2%26x&limit=4&direction={direction}&at=25"
        );
        let (mut seen, mut pages) = (Vec::new(), 0);
        loop {
            let got = node.get(&path).await;
            seen.extend(positions(&got));
            pages += 1;
            let link = got.header("link").to_owned();
            assert_eq!(link.is_empty(), got.json()["finished"].as_bool().unwrap());
            let Some(next) = link
                .strip_prefix('<')
                .and_then(|link| link.strip_suffix(">; rel=\"next\""))
            else {
                break;
            };
            path = next.to_owned();
        }
        assert_eq!(seen, expected, "{direction}");
        assert!(pages >= 4, "{pages}");
    }
}

#[tokio::test]
async fn an_event_shows_all_it_carries_and_is_found_by_position_and_by_id() {
    let node = shop().await;
    let by_position = node.get("/services/orders/events/1").await;
    let shown = by_position.json();
    assert_eq!(shown["type"], "order.paid");
    assert_eq!(shown["data"], json!({ "of": "order:42" }));
    assert_eq!(shown["correlation"], "0199a0b0-0000-7000-8000-000000000001");
    assert_eq!(
        by_position.header("cache-control"),
        "private, max-age=31536000, immutable"
    );
    let id = shown["id"].as_str().unwrap();
    let by_id = node.get(&format!("/services/orders/events/{id}")).await;
    assert_eq!(by_id.json(), shown);
    let known = node
        .get_with(
            &format!("/services/orders/events/{id}"),
            &[("if-none-match", by_id.header("etag"))],
        )
        .await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));

    for (place, status) in [
        ("5", 404),
        ("0199a0b0-0000-7000-8000-000000000009", 404),
        ("order:42", 400),
    ] {
        let got = node.get(&format!("/services/orders/events/{place}")).await;
        assert_eq!(got.status.as_u16(), status, "{place}");
        assert_eq!(got.header("content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn only_what_cannot_change_is_cached() {
    let node = shop().await;
    let immutable = "private, max-age=31536000, immutable";
    let middle = node
        .store
        .read(Read::new(Query::all(), Position::new(2)))
        .await
        .unwrap()
        .events[0]
        .recorded;
    for (query, cached) in [
        ("".to_owned(), false),
        ("at=5".to_owned(), true),
        ("to=5".to_owned(), true),
        ("to=6".to_owned(), false),
        ("from=1".to_owned(), false),
        (format!("at={middle}"), true),
        ("to=2999-01-01T00:00:00Z".to_owned(), false),
        ("at=2999-01-01T00:00:00Z".to_owned(), false),
    ] {
        let got = node.get(&format!("/services/orders/events?{query}")).await;
        assert_eq!(
            got.header("cache-control") == immutable,
            cached,
            "{query}: {}",
            got.header("cache-control")
        );
    }
}

#[tokio::test]
async fn wrong_questions_are_refused_with_the_reason() {
    let node = shop().await;
    for (path, status, words) in [
        ("/services/orders/events?tpye=x", 400, "did you mean type?"),
        ("/services/orders/events?limit=0", 400, "a limit of 1 to 1000"),
        ("/services/orders/events?limit=1001", 400, "a limit of 1 to 1000"),
        ("/services/orders/events?direction=up", 400, "forward or backward"),
        ("/services/orders/events?tag=42", 400, "kind:value"),
        ("/services/orders/events?at=yesterday", 400, "yesterday"),
        ("/services/orders/events?at=6", 404, "up to 5"),
        ("/services/ordres/events", 404, "it hosts: orders"),
        ("/nothing", 404, "/nothing"),
    ] {
        let got = node.get(path).await;
        assert_eq!(
            (got.status.as_u16(), got.header("content-type")),
            (status, "application/problem+json"),
            "{path}"
        );
        assert!(got.text().contains(words), "{path}: {}", got.text());
    }
}

#[tokio::test]
async fn the_services_are_listed_with_their_ends() {
    let node = shop().await;
    assert_eq!(
        node.get("/services").await.json(),
        json!([{ "name": "orders", "end": 5 }])
    );
    let empty: Value = Node::start().await.get("/services/orders/events").await.json();
    assert_eq!(
        empty,
        json!({ "events": [], "next": 0, "finished": true, "end": 0 })
    );
}
