use std::sync::Arc;

use annals_store::{EmbeddedStore, Options};
use serde_json::json;

use crate::shop::Shop;
use crate::world::Got;

#[tokio::test]
async fn a_command_is_carried_out_and_its_answer_leads_on() {
    let shop = Shop::open().await;
    assert_eq!(
        shop.node.get("/services/orders/commands").await.json(),
        json!(["orders.cancel", "orders.place"])
    );
    let placed = shop.place("42", 10).await;
    assert_eq!(placed.status, 200, "{}", placed.text());
    let done = placed.json();
    assert_eq!(
        (placed.header("annals-position"), &done["position"]),
        ("1", &json!(1))
    );
    assert_eq!(placed.header("annals-correlation"), done["correlation"]);
    let event = shop
        .node
        .get(&format!(
            "/services/orders/events/{}",
            done["events"][0].as_str().unwrap()
        ))
        .await
        .json();
    assert_eq!(event["data"], json!({ "order": "42", "total": 10 }));
    assert_eq!(event["correlation"], done["correlation"]);
    assert_eq!(event["traceparent"], placed.header("traceparent"));
    // What holds already is success without events.
    shop.cancel("42").await;
    assert_eq!(shop.cancel("42").await.json()["events"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_carried_out_says_why() {
    let shop = Shop::open().await;
    shop.place("42", 10).await;
    let refused = shop.place("42", 11).await;
    let problem = refused.json();
    assert_eq!(
        (refused.status.as_u16(), &problem["code"]),
        (409, &json!("already_placed"))
    );
    assert_eq!(problem["detail"], "42 is placed already");
    let path = "/services/orders/commands/orders.place";
    for (path, headers, body, status, code) in [
        (
            "/services/orders/commands/orders.plaice",
            &[][..],
            json!({}),
            404,
            "not_found",
        ),
        (
            "/services/broker/commands/orders.place",
            &[],
            json!({}),
            404,
            "not_found",
        ),
        (path, &[], json!({ "order": "43" }), 422, "invalid"),
        (
            path,
            &[("if-match", "\"0\"")],
            json!({ "order": "43", "total": 1 }),
            400,
            "bad_request",
        ),
        (
            path,
            &[("idempotency-key", "\"open")],
            json!({ "order": "43", "total": 1 }),
            400,
            "bad_request",
        ),
    ] {
        let got = shop.post(path, headers, body).await;
        assert_eq!(
            (got.status.as_u16(), &got.json()["code"]),
            (status, &json!(code)),
            "{}",
            got.text()
        );
    }
    let untyped = shop
        .node
        .ask(
            axum::http::Method::POST,
            path,
            &[("content-type", "text/plain")],
            "{}",
        )
        .await;
    assert_eq!(untyped.status, 415);
    assert_eq!(
        shop.node.get("/services").await.json()[2],
        json!({ "name": "orders", "end": 1 })
    );
}

#[tokio::test]
async fn the_same_key_gets_the_first_answer_again() {
    let shop = Shop::open().await;
    let post = |body| {
        shop.post(
            "/services/orders/commands/orders.place",
            &[("idempotency-key", "\"k-1\"")],
            body,
        )
    };
    let first = post(json!({ "order": "42", "total": 10 })).await;
    let again = post(json!({ "order": "42", "total": 10 })).await;
    assert_eq!(
        (again.status.as_u16(), again.header("annals-repeated")),
        (200, "true")
    );
    for same in ["events", "position", "correlation"] {
        assert_eq!(first.json()[same], again.json()[same], "{same}");
    }
    assert_eq!(
        again.header("annals-correlation"),
        first.header("annals-correlation")
    );
    let other = post(json!({ "order": "42", "total": 11 })).await;
    assert_eq!(
        (other.status.as_u16(), &other.json()["code"]),
        (422, &json!("idempotency_key_reused"))
    );
}

#[tokio::test]
async fn a_command_is_carried_out_only_at_the_revision_that_was_seen() {
    let shop = Shop::open().await;
    let placing = "/services/orders/commands/orders.place?entity=order:42";
    let order = json!({ "order": "42", "total": 10 });
    assert_eq!(
        shop.post(placing, &[("if-match", "\"0\"")], order.clone())
            .await
            .status,
        412
    );
    assert_eq!(
        shop.post(placing, &[("if-none-match", "*")], order.clone())
            .await
            .status,
        200
    );
    assert_eq!(
        shop.post(placing, &[("if-none-match", "*")], order).await.status,
        412
    );

    let cancelling = "/services/orders/commands/orders.cancel?entity=order:42";
    let cancel = |headers| shop.post(cancelling, headers, json!({ "order": "42" }));
    let moved = cancel(&[("if-match", "\"7\"")]).await;
    assert_eq!(
        (moved.status.as_u16(), &moved.json()["code"]),
        (412, &json!("precondition_failed"))
    );
    assert_eq!(
        (&moved.json()["expected"], &moved.json()["actual"]),
        (&json!(7), &json!(0))
    );
    assert_eq!(cancel(&[("if-match", "\"7\", \"8\"")]).await.status, 412);
    let seen = [("if-match", "\"0\""), ("idempotency-key", "k-1")];
    let done = cancel(&seen).await;
    assert_eq!(done.status, 200);
    // The revision is another one now, but the key was answered before.
    let again = cancel(&seen).await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["events"]),
        (200, &done.json()["events"])
    );
    assert_eq!(cancel(&[("if-match", "*")]).await.status, 200);
}

#[tokio::test]
async fn an_entity_is_shown_as_it_is_and_as_it_was() {
    let shop = Shop::open().await;
    let placed = shop.place("42", 10).await;
    shop.place("43", 5).await;
    shop.cancel("42").await;
    let now = shop.node.get("/services/orders/entities/order:42").await;
    let expected = json!({ "tag": "order:42", "revision": 1, "end": 3,
        "states": [{ "model": "Order", "state": { "total": 10, "state": "cancelled" } }] });
    assert_eq!(
        (now.json(), now.header("etag"), now.header("cache-control")),
        (expected, "\"1\"", "private, no-cache")
    );

    // The position that the command answered is the moment just after it.
    let then = format!(
        "/services/orders/entities/order:42?at={}",
        placed.header("annals-position")
    );
    let was = shop.node.get(&then).await;
    assert_eq!(
        was.json()["states"][0]["state"],
        json!({ "total": 10, "state": "open" })
    );
    assert_eq!(was.header("etag"), "\"0\"");
    assert_eq!(
        was.header("cache-control"),
        "private, max-age=31536000, immutable"
    );
    let recorded = placed.json()["recorded"].as_str().unwrap().replace('+', "%2B");
    let by_time = shop
        .node
        .get(&format!("/services/orders/entities/order:42?at={recorded}"))
        .await;
    assert_eq!(by_time.json()["states"], was.json()["states"]);

    let known = shop
        .node
        .get_with(
            "/services/orders/entities/order:42",
            &[("if-none-match", "\"1\"")],
        )
        .await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
    for (path, status) in [
        ("order:44", 404),
        ("order:43?at=1", 404),
        ("order:42?at=4", 404),
        ("sku:tea", 404),
        ("42", 400),
        ("order:42?att=1", 400),
    ] {
        let got = shop.node.get(&format!("/services/orders/entities/{path}")).await;
        assert_eq!(got.status.as_u16(), status, "{path}: {}", got.text());
    }
}

#[tokio::test]
async fn a_history_shows_each_event_and_the_state_after_it() {
    let shop = Shop::open().await;
    shop.place("42", 10).await;
    shop.place("43", 5).await;
    shop.cancel("42").await;
    let path = "/services/orders/entities/order:42/history";
    let steps = |got: &Got| -> Vec<(u64, String, String)> {
        let steps = got.json()["steps"].as_array().unwrap().clone();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let step = |step: &serde_json::Value| {
            (
                step["revision"].as_u64().unwrap(),
                text(&step["event"]["type"]),
                text(&step["states"][0]["state"]["state"]),
            )
        };
        steps.iter().map(step).collect()
    };
    let placed = (0, "order.placed".to_owned(), "open".to_owned());
    let cancelled = (1, "order.cancelled".to_owned(), "cancelled".to_owned());
    assert_eq!(
        steps(&shop.node.get(path).await),
        [placed.clone(), cancelled.clone()]
    );
    let newest = shop.node.get(&format!("{path}?direction=backward&limit=1")).await;
    assert_eq!(
        (steps(&newest), &newest.json()["finished"]),
        (vec![cancelled], &json!(false))
    );
    let older = shop
        .node
        .get(&format!("{path}?direction=backward&to={}", newest.json()["next"]))
        .await;
    assert_eq!(steps(&older), [placed]);
    assert_eq!(
        shop.node
            .get("/services/orders/entities/order:44/history")
            .await
            .status,
        404
    );
    assert_eq!(shop.node.get(&format!("{path}?limit=101")).await.status, 400);
}

#[tokio::test]
async fn a_request_is_followed_across_services() {
    let shop = Shop::open().await;
    let correlation = shop.place("42", 10).await.header("annals-correlation").to_owned();
    let complete = |got: &Got| {
        got.status == 200
            && got.json()["nodes"].as_array().unwrap().iter().any(|node| {
                node["type"] == "bill.written"
                    && node["copies"].as_array().is_some_and(|copies| !copies.is_empty())
            })
    };
    let request = shop
        .until(&format!("/requests/{correlation}"), complete)
        .await
        .json();
    let line = |node: &serde_json::Value| {
        (
            node["depth"].clone(),
            node["service"].clone(),
            node["type"].clone(),
        )
    };
    let nodes: Vec<_> = request["nodes"].as_array().unwrap().iter().map(line).collect();
    let expected = [
        (json!(0), json!("orders"), json!("order.placed")),
        (json!(1), json!("billing"), json!("bill.written")),
    ];
    assert_eq!(nodes, expected);
    assert_eq!(request["services"], json!({ "orders": 1, "billing": 1 }));
    assert_eq!(
        (&request["unresolved"], &request["parked"], &request["truncated"]),
        (&json!([]), &json!([]), &json!(false))
    );
    let copied = request["nodes"][0]["copies"].as_array().unwrap();
    assert!(
        copied.iter().any(|copy| copy["service"] == "recorder"),
        "{copied:?}"
    );
    assert_eq!(
        shop.node
            .get("/requests/0199a0b0-0000-7000-8000-0000000000ff")
            .await
            .status,
        404
    );
    assert_eq!(shop.node.get("/requests/mine").await.status, 400);
}

#[tokio::test]
async fn a_parked_message_is_listed_owed_and_taken_up_again() {
    let shop = Shop::open().await;
    shop.break_printer(true);
    let correlation = shop.place("42", 10).await.header("annals-correlation").to_owned();
    let list = "/services/billing/parked";
    let parked = shop.until(list, |got| got.json() != json!([])).await.json();
    let id = parked[0]["id"].as_str().unwrap();
    assert_eq!(
        (&parked[0]["service"], &parked[0]["message"]),
        (&json!("billing"), &json!("order.placed"))
    );
    assert!(
        parked[0]["reason"]
            .as_str()
            .unwrap()
            .contains("the printer is broken"),
        "{parked}"
    );
    let owed = shop.node.get(&format!("/requests/{correlation}")).await.json();
    assert_eq!(owed["parked"][0]["id"], id);
    // A node that hosts the taker alone knows it, too, and names the cause it cannot show.
    let alone = shop.billing_alone().await;
    let owed = alone.get(&format!("/requests/{correlation}")).await.json();
    assert_eq!(
        (&owed["parked"][0]["id"], &owed["unresolved"]),
        (&json!(id), &json!([id]))
    );
    let billing = |got: &Got| {
        got.json()["services"]
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["name"] == "billing")
            .unwrap()
            .clone()
    };
    assert_eq!(billing(&shop.node.get("/status").await)["running"]["parked"], 1);

    shop.break_printer(false);
    assert_eq!(
        shop.post(&format!("{list}/{id}/requeue"), &[], json!({}))
            .await
            .status,
        202
    );
    shop.until(list, |got| got.json() == json!([])).await;
    let written = |got: &Got| got.text().contains("bill.written");
    shop.until("/services/billing/events?type=bill.written", written)
        .await;
    assert_eq!(
        shop.post(&format!("{list}/{id}/requeue"), &[], json!({}))
            .await
            .status,
        404
    );
    assert_eq!(
        shop.post(&format!("{list}/42/requeue"), &[], json!({}))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn the_status_tells_how_every_service_stands() {
    let shop = Shop::open().await;
    shop.place("42", 10).await;
    shop.place("42", 10).await;
    let idle = |got: &Got| {
        let status = got.json();
        let services = status["services"].as_array().unwrap().iter();
        let mut subscriptions = services
            .filter_map(|s| s["running"]["subscriptions"].as_array())
            .flatten();
        subscriptions.all(|subscription| subscription["lag"] == 0 && subscription["in_flight"] == 0)
    };
    let status = shop.until("/status", idle).await.json();
    let named = |name| {
        status["services"]
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["name"] == name)
            .unwrap()
    };
    let orders = named("orders");
    assert_eq!(
        (&orders["end"], &orders["types"]),
        (&json!(1), &json!([{ "type": "order.placed", "events": 1 }]))
    );
    assert_eq!(
        (
            &orders["running"]["commands_done"],
            &orders["running"]["commands_refused"]
        ),
        (&json!(1), &json!(1))
    );
    assert_eq!(orders["running"]["kinds"], json!(["order"]));
    let names: Vec<_> = orders["running"]["subscriptions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"relay") && names.contains(&"inbox"), "{names:?}");
    assert!(named("broker").get("running").is_none());
    assert_eq!(
        (&status["pid"], &status["draining"]),
        (&json!(std::process::id()), &json!(false))
    );
}

#[tokio::test]
async fn the_gauges_tell_how_services_stand_when_somebody_looks() {
    let shop = Shop::open().await;
    shop.place("42", 10).await;
    let text = shop
        .until("/metrics", |got| {
            got.text()
                .contains("annals_log_head_position{service=\"orders\"} 1")
        })
        .await;
    for line in [
        "annals_parked_messages{service=\"billing\"} 0",
        "annals_subscription_lag_events{service=\"orders\",subscription=\"relay\"}",
        "annals_subscription_position{service=\"billing\",subscription=\"inbox\"}",
    ] {
        assert!(text.text().contains(line), "{line} is missing in {}", text.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_on_disk_answered_it_answers_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = |name: &str| -> Arc<dyn annals_core::port::store::EventStore> {
        Arc::new(EmbeddedStore::open(folder.path().join(name), Options::default()).unwrap())
    };
    let shop = Shop::open_on(store).await;
    let post = async |shop: &Shop| {
        let body = json!({ "order": "42", "total": 10 });
        shop.post(
            "/services/orders/commands/orders.place",
            &[("idempotency-key", "k-1")],
            body,
        )
        .await
    };
    let first = post(&shop).await.json();
    shop.cancel("42").await;
    let before = shop
        .node
        .get("/services/orders/entities/order:42/history")
        .await
        .json();
    let id = first["events"][0].as_str().unwrap().to_owned();
    shop.close().await;

    let shop = Shop::open_on(store).await;
    assert_eq!(
        shop.node
            .get("/services/orders/entities/order:42/history")
            .await
            .json(),
        before
    );
    assert_eq!(post(&shop).await.json()["events"], first["events"]);
    assert_eq!(
        shop.node
            .get(&format!("/services/orders/events/{id}"))
            .await
            .json()["type"],
        "order.placed"
    );
    shop.close().await;
}
