//! Whether a node has come to rest: nothing to do, nothing under way, no timer, nothing parked, no trouble.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::http::Client;

/// How long the ends of all stores have to stay where they are.
const STILL: Duration = Duration::from_millis(300);

/// Waits until a node has come to rest; how long that took.
#[track_caller]
pub(crate) fn of(node: &mut Client, patience: Duration) -> Duration {
    let began = Instant::now();
    let mut since: Option<(Instant, Vec<u64>)> = None;
    loop {
        let status = node.get("/status");
        let (ends, busy) = (ends(&status), busy(&status));
        since = match since {
            Some((since, before)) if busy.is_empty() && before == ends => {
                if since.elapsed() >= STILL {
                    return began.elapsed();
                }
                Some((since, before))
            }
            _ if busy.is_empty() => Some((Instant::now(), ends)),
            _ => None,
        };
        assert!(
            began.elapsed() < patience,
            "not at rest after {patience:?}: {busy:#?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The end of every service's store. The journal and the broker are left out: they follow.
fn ends(status: &Value) -> Vec<u64> {
    let services = status["services"].as_array().expect("a list of services");
    let running = services.iter().filter(|service| service["running"].is_object());
    running
        .map(|service| service["end"].as_u64().expect("a position"))
        .collect()
}

/// What is left to do, in words.
fn busy(status: &Value) -> Vec<String> {
    let mut busy = Vec::new();
    for service in status["services"].as_array().expect("a list of services") {
        let (name, running) = (&service["name"], &service["running"]);
        if !running.is_object() {
            continue;
        }
        for what in ["timers", "parked"] {
            if running[what] != 0 {
                busy.push(format!("{name}: {} {what}", running[what]));
            }
        }
        for subscription in running["subscriptions"]
            .as_array()
            .expect("a list of subscriptions")
        {
            let at_rest = subscription["lag"] == 0
                && subscription["in_flight"] == 0
                && subscription["trouble"].is_null();
            if !at_rest {
                busy.push(format!("{name}: {subscription}"));
            }
        }
    }
    busy
}

/// How a subscription of a service stands.
#[track_caller]
pub(crate) fn subscription(node: &mut Client, service: &str, name: &str) -> Value {
    let status = node.get("/status");
    let services = status["services"].as_array().expect("a list of services");
    let service = services.iter().find(|found| found["name"] == service);
    let subscriptions = service.and_then(|service| service["running"]["subscriptions"].as_array());
    let found = subscriptions.and_then(|all| all.iter().find(|found| found["name"] == name));
    found
        .unwrap_or_else(|| panic!("there is a subscription {name}"))
        .clone()
}
