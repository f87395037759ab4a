use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annals_server::ServerOptions;
use annals_server::check::Check;
use annals_server::metrics::Metrics;
use serde_json::json;

use crate::world::Node;

#[tokio::test]
async fn readiness_follows_the_checks_and_the_drain() {
    let ok = Arc::new(AtomicBool::new(true));
    let looked = ok.clone();
    let check = move || match looked.load(Ordering::Relaxed) {
        true => vec![Check::ok("orders.store")],
        false => vec![Check::failed("orders.store", "stopped after a failed flush")],
    };
    let mut drain = None;
    let extend = |api: annals_server::Api| {
        drain = Some(api.drain());
        api.check(check)
    };
    let options = ServerOptions {
        drain_for: std::time::Duration::from_secs(30),
        ..ServerOptions::default()
    };
    let node = Node::with(extend, options).await;

    assert_eq!(node.get("/livez").await.text(), "ok\n");
    let ready = node.get("/readyz").await;
    assert_eq!((ready.status.as_u16(), ready.text()), (200, "ok\n"));
    assert_eq!(
        node.get("/healthz?verbose").await.text(),
        "[+]accepting ok\n[+]orders.store ok\n"
    );

    ok.store(false, Ordering::Relaxed);
    let failed = node.get("/readyz").await;
    let lines = "[+]accepting ok\n[-]orders.store failed: stopped after a failed flush\n";
    assert_eq!((failed.status.as_u16(), failed.text()), (503, lines));
    let shaped = node
        .get_with("/readyz", &[("accept", "application/json")])
        .await
        .json();
    assert_eq!(shaped["status"], "fail");
    assert_eq!(
        shaped["checks"][1],
        json!({ "name": "orders.store", "ok": false, "why": "stopped after a failed flush" })
    );

    ok.store(true, Ordering::Relaxed);
    drain.unwrap().begin();
    let draining = node.get("/readyz").await;
    assert_eq!(draining.status, 503);
    assert!(
        draining.text().starts_with("[-]accepting failed"),
        "{}",
        draining.text()
    );
    assert_eq!(node.get("/livez").await.status, 200);
}

#[tokio::test]
async fn metrics_count_requests_and_are_sampled_when_asked() {
    assert_eq!(Node::start().await.get("/metrics").await.status, 404);
    let metrics = Metrics::install().unwrap();
    metrics.sample(|| metrics_lag(17.0));
    let again = Metrics::install().unwrap();
    let node = Node::with(|api| api.metrics(again), ServerOptions::default()).await;
    node.get("/services/orders/events/999").await;
    let got = node.get("/metrics").await;
    assert_eq!(
        got.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = got.text();
    let line = |start: &str| {
        text.lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("{start}: {text}"))
    };
    let counted = line(
        "annals_http_requests_total{route=\"/services/{service}/events/{event}\",method=\"GET\",status=\"404\"}",
    );
    assert!(
        counted.rsplit(' ').next().unwrap().parse::<u64>().unwrap() >= 1,
        "{counted}"
    );
    line("annals_subscription_lag_events{subscription=\"sales\"} 17");
    assert!(line("annals_build_info").ends_with(" 1"));
    line("# HELP annals_http_connections Connections that are open");
    line("http_server_request_duration_seconds_bucket");
    assert!(!text.contains("events/999"), "no path ever becomes a label");
}

fn metrics_lag(lag: f64) {
    metrics::gauge!("annals_subscription_lag_events", "subscription" => "sales").set(lag);
}

#[tokio::test]
async fn openapi_describes_every_route_with_its_problems() {
    let mut own = utoipa::openapi::OpenApiBuilder::new().build();
    let sales = utoipa::openapi::path::PathItemBuilder::new()
        .operation(
            utoipa::openapi::HttpMethod::Get,
            utoipa::openapi::path::OperationBuilder::new()
                .operation_id(Some("sales"))
                .build(),
        )
        .build();
    own.paths.paths.insert("/sales".into(), sales);
    let routes = axum::Router::new().route("/sales", axum::routing::get(|| async { "[]" }));
    let node = Node::with(|api| api.merge(routes, own), ServerOptions::default()).await;
    let document = node.get("/openapi.json").await.json();
    assert!(
        document["openapi"].as_str().unwrap().starts_with("3.1"),
        "{}",
        document["openapi"]
    );
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/services",
        "/services/{service}/commands",
        "/services/{service}/entities/{tag}",
        "/services/{service}/entities/{tag}/history",
        "/services/{service}/parked",
        "/requests/{correlation}",
        "/status",
        "/services/{service}/events",
        "/services/{service}/events/live",
        "/services/{service}/events/{event}",
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/problems",
        "/problems/{slug}",
        "/sales",
    ] {
        let operation = paths
            .get(path)
            .unwrap_or_else(|| panic!("{path} is not described"));
        assert!(operation["get"]["operationId"].is_string(), "{path}");
    }
    for path in [
        "/services/{service}/commands/{command}",
        "/services/{service}/snapshots",
        "/services/{service}/parked/{id}/requeue",
    ] {
        assert!(paths[path]["post"]["operationId"].is_string(), "{path}");
    }
    let references = document.to_string();
    for reference in references
        .split("\"#/components/schemas/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        assert!(
            document["components"]["schemas"].get(reference).is_some(),
            "{reference} is not described"
        );
    }
    let problem = &document["paths"]["/services/{service}/events"]["get"]["responses"]["400"]["content"];
    assert!(problem.get("application/problem+json").is_some());
}
