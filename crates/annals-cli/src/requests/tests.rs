use serde_json::json;

use super::Request;
use crate::status::Status;

fn request() -> Request {
    let node = |service: &str, position: u64, copies: serde_json::Value| {
        json!({ "id": "x", "type": "t", "purpose": "event", "visibility": "public", "depth": 0, "tags": [],
            "service": service, "position": position, "recorded": "2026-01-01T00:00:00Z", "copies": copies })
    };
    let copy = json!([{ "service": "broker", "position": 20, "recorded": "2026-01-01T00:00:00Z" }]);
    let json = json!({ "correlation": "c", "began": "2026-01-01T00:00:00Z", "last": "2026-01-01T00:00:01Z",
        "services": { "orders": 2 }, "nodes": [node("orders", 7, copy), node("orders", 3, json!([]))],
        "unresolved": [], "parked": [], "truncated": false });
    serde_json::from_value(json).unwrap()
}

fn status(relay: u64, inbox: u64, trouble: Option<&str>) -> Status {
    let subscription = |name: &str, position: u64| {
        json!({ "name": name, "position": position, "end": 99, "lag": 1, "in_flight": 0, "handled": 0,
            "trouble": trouble })
    };
    let running = |subscriptions: serde_json::Value| {
        json!({ "commands": [], "kinds": [], "subscriptions": subscriptions, "parked": 0, "timers": 0,
            "commands_done": 0, "commands_refused": 0, "conflicts": 0, "redecisions": 0 })
    };
    let orders = json!([subscription("relay", relay), subscription("timers", 0)]);
    let stock = json!([subscription("relay", 0), subscription("inbox", inbox)]);
    let json = json!({ "version": "1", "pid": 1, "draining": false, "services": [
        { "name": "broker", "end": 99, "types": [] },
        { "name": "orders", "end": 99, "types": [], "running": running(orders) },
        { "name": "stock", "end": 99, "types": [], "running": running(stock) },
    ] });
    serde_json::from_value(json).unwrap()
}

#[test]
fn what_went_past_a_request_owes_it_nothing_however_far_behind_it_is() {
    assert_eq!(request().owed(&status(8, 21, None)), Vec::<String>::new());
}

#[test]
fn what_has_not_come_so_far_owes() {
    let owed = request().owed(&status(7, 21, None));
    assert_eq!(owed, ["orders/relay has not come past it; more may follow"]);
    let owed = request().owed(&status(8, 20, Some("no connection")));
    assert_eq!(owed, ["stock/inbox cannot go on: no connection"]);
}

#[test]
fn what_has_nothing_to_do_owes_nothing_wherever_it_stands() {
    let mut status = status(8, 5, None);
    let stock = status.services[2].running.as_mut().unwrap();
    stock
        .subscriptions
        .iter_mut()
        .for_each(|subscription| subscription.lag = 0);
    assert_eq!(request().owed(&status), Vec::<String>::new());
}
