use std::time::Duration;

use annals_server::ServerOptions;
use axum::Router;
use axum::http::Method;
use axum::routing::{get, post};

use crate::world::{Node, event};

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_secs(60)).await;
    "late"
}

async fn broken() -> &'static str {
    panic!("broken on purpose")
}

/// A node with routes of its program's own.
async fn node() -> Node {
    let own = Router::new()
        .route("/slow", get(slow))
        .route("/broken", get(broken))
        .route("/echo", post(|body: String| async move { body }))
        .route(
            "/teapot",
            get(|| async { (axum::http::StatusCode::IM_A_TEAPOT, "short and stout") }),
        );
    let extend = |api: annals_server::Api| {
        api.merge(own, utoipa::openapi::OpenApiBuilder::new().build())
            .deadline(Duration::from_millis(300))
    };
    Node::with(
        extend,
        ServerOptions {
            body_bytes_max: 1_000,
            ..ServerOptions::default()
        },
    )
    .await
}

#[tokio::test]
async fn every_error_is_a_problem_that_knows_its_request() {
    let node = node().await;
    let big = "x".repeat(1_001);
    for (method, path, body, status, code) in [
        (Method::GET, "/nothing/here", "", 404, "not_found"),
        (Method::POST, "/services", "", 405, "method_not_allowed"),
        (Method::POST, "/echo", big.as_str(), 413, "too_large"),
        (Method::GET, "/slow", "", 504, "unknown"),
        (Method::GET, "/broken", "", 500, "internal"),
        (Method::GET, "/teapot", "", 418, "bad_request"),
        (Method::GET, "/problems/none", "", 404, "not_found"),
    ] {
        let got = node.ask(method, path, &[], body).await;
        let problem = got.json();
        assert_eq!(
            (got.status.as_u16(), got.header("content-type")),
            (status, "application/problem+json"),
            "{path}"
        );
        assert_eq!(
            (&problem["code"], &problem["status"]),
            (&code.into(), &status.into()),
            "{path}"
        );
        assert_eq!(problem["instance"], path);
        assert_eq!(problem["correlationid"], got.header("annals-correlation"));
        let explained = node.get(problem["type"].as_str().unwrap()).await;
        assert_eq!(
            explained.status, 200,
            "{path}: the type of a problem leads somewhere"
        );
    }
    let got = node.ask(Method::POST, "/echo", &[], &"x".repeat(1_000)).await;
    assert_eq!(got.status, 200);
    assert_eq!(
        node.ask(Method::POST, "/services", &[], "").await.header("allow"),
        "GET,HEAD"
    );
}

#[tokio::test]
async fn traces_and_correlations_are_continued_or_begun() {
    let node = Node::start().await;
    let correlation = "0199a0b0-0000-7000-8000-000000000001";
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let got = node
        .get_with(
            "/services",
            &[("annals-correlation", correlation), ("traceparent", trace)],
        )
        .await;
    assert_eq!(got.header("annals-correlation"), correlation);
    assert!(
        got.header("traceparent")
            .starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-")
    );
    assert_ne!(got.header("traceparent"), trace);
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    let (first, second) = (node.get("/services").await, node.get("/services").await);
    assert_ne!(
        first.header("annals-correlation"),
        second.header("annals-correlation")
    );
    assert_ne!(
        first.header("traceparent")[3..35],
        second.header("traceparent")[3..35]
    );
}

#[tokio::test]
async fn a_reader_waits_for_its_own_write() {
    let node = Node::start().await;
    node.record([event("order.placed", "order:42")]).await;
    let ask = |wait| node.get_with("/services/orders/events", wait);
    let late = ask(&[("annals-min-position", "2"), ("prefer", "wait=0")]).await;
    assert_eq!((late.status.as_u16(), late.header("retry-after")), (503, "1"));
    assert_eq!(late.json()["code"], "position_not_reached");
    let (got, ()) = tokio::join!(
        ask(&[("annals-min-position", "2"), ("prefer", "wait=10")]),
        async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            node.record([event("order.paid", "order:42")]).await;
        }
    );
    assert_eq!((got.status.as_u16(), got.header("annals-position")), (200, "2"));
    assert_eq!(got.json()["events"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn other_hosts_and_other_sites_are_turned_away() {
    let node = node().await;
    assert_eq!(
        node.get_with("/services", &[("host", "evil.test")]).await.json()["code"],
        "misdirected"
    );
    let own = format!("http://{}", node.address());
    assert_eq!(
        node.ask(Method::POST, "/echo", &[("origin", &own)], "x")
            .await
            .status,
        200
    );
    let foreign = node
        .ask(Method::POST, "/echo", &[("origin", "http://evil.test")], "x")
        .await;
    assert_eq!(
        (foreign.status.as_u16(), foreign.json()["code"].clone()),
        (403, "forbidden_origin".into())
    );
}
