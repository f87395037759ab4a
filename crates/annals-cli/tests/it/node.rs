//! Verbs that ask a running node.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::outside::provider::Provider;
use crate::run::{Node, Ran, annals, annals_fed, annals_on, command, feed, until};

/// A node without traffic on what [`crate::run::INVOICES`] left.
struct Shop {
    data: tempfile::TempDir,
    node: Node,
}

impl Shop {
    fn open() -> Self {
        let data = feed();
        let node = Node::start(data.path(), &["--rate", "0"]);
        Self { data, node }
    }

    fn ask(&self, arguments: &[&str]) -> Ran {
        annals_on(self.data.path(), arguments)
    }

    fn order(&self, id: &str, quantity: u32) -> Ran {
        let command = json!({ "order": id, "customer": "ann", "country": "France",
            "lines": [{ "sku": "85123A", "quantity": quantity, "price": "2.55" }] });
        self.ask(&[
            "send",
            "orders.place",
            &command.to_string(),
            "--wait",
            "-o",
            "json",
        ])
    }

    fn states(&self, options: &[&str]) -> Value {
        let mut all = vec!["entity", "show", "order/536365", "-o", "json"];
        all.extend(options);
        self.ask(&all).ended(0).json()
    }
}

fn stage(shown: &Value) -> Value {
    let services = shown["services"].as_array().unwrap();
    let orders = services
        .iter()
        .find(|service| service["service"] == "orders")
        .unwrap();
    orders["states"]
        .as_array()
        .unwrap()
        .iter()
        .find(|state| state["model"] == "Order")
        .unwrap()["state"]["stage"]
        .clone()
}

#[test]
fn a_thing_is_shown_now_and_at_any_moment() {
    let shop = Shop::open();
    let now = shop.states(&[]);
    assert_eq!(stage(&now), "shipped");
    let services: Vec<&str> = now["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|service| service["service"].as_str().unwrap())
        .collect();
    assert_eq!(
        services,
        ["orders", "payments", "shipping", "stock"],
        "all that have a model of an order"
    );
    let list = "event ls --service orders --type order.placed --tag order:536365 -o json";
    let list: Vec<&str> = list.split(' ').collect();
    let after = shop.ask(&list).ended(0).json()["events"][0]["position"]
        .as_u64()
        .unwrap()
        + 1;
    let (of_service, bare) = (format!("orders:{after}"), after.to_string());
    assert_eq!(stage(&shop.states(&["--at", &of_service])), "placed");
    assert_eq!(
        stage(&shop.states(&["--at", &bare, "--service", "orders"])),
        "placed"
    );
    assert_eq!(stage(&shop.states(&["--at", "-0"])), "shipped");
    let history = shop
        .ask(&[
            "entity",
            "history",
            "order:536365",
            "--service",
            "orders",
            "-o",
            "json",
        ])
        .ended(0)
        .json();
    let steps = history["steps"].as_array().unwrap();
    let paid = steps
        .iter()
        .find(|step| step["event"]["type"] == "payment.taken")
        .unwrap();
    let changed = paid["changes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|change| change["path"] == "stage")
        .unwrap();
    assert_eq!(
        (&changed["before"], &changed["after"]),
        (&"placed".into(), &"paid".into())
    );
    // As many events back as there are after the payment: the state is the one after it.
    let last = steps.len() as u64 - 1;
    let back = format!("-{}", last - paid["revision"].as_u64().unwrap());
    assert_eq!(
        stage(&shop.states(&["--service", "orders", "--at", &back])),
        "paid"
    );
    assert_eq!(
        stage(&shop.states(&[
            "--at",
            paid["event"]["recorded"].as_str().unwrap(),
            "--service",
            "orders"
        ])),
        "paid"
    );
    let recorder = shop
        .ask(&[
            "event",
            "ls",
            "--type",
            "payment.taken",
            "--tag",
            "order:536365",
            "-o",
            "json",
        ])
        .json();
    let position = recorder["events"][0]["position"].as_u64().unwrap() + 1;
    assert_eq!(
        stage(&shop.states(&["--at", &position.to_string()])),
        "placed",
        "paid, but not yet told to orders"
    );
    let text = shop.ask(&["entity", "show", "order/536365"]).ended(0);
    assert!(
        text.out.contains("orders/Order") && text.out.contains("shipped"),
        "{}",
        text.out
    );
    let text = shop
        .ask(&["entity", "history", "order/536365", "--service", "orders"])
        .ended(0);
    assert!(text.out.contains("stage: placed → paid"), "{}", text.out);
    shop.ask(&["entity", "show", "order/none"]).ended(4);
    shop.ask(&["entity", "history", "order/none"]).ended(4);
    shop.ask(&["entity", "show", "nothing/1"]).ended(4);
    shop.ask(&[
        "entity",
        "show",
        "order/536365",
        "--at",
        "-99",
        "--service",
        "orders",
    ])
    .ended(4);
    shop.ask(&["entity", "show", "order/536365", "--at", "2001-01-01T00:00:00Z"])
        .ended(4);
}

#[test]
fn a_command_is_carried_out_and_its_request_followed_to_the_end() {
    let shop = Shop::open();
    let done = shop.order("t-1", 1).ended(0).json();
    let event = &done["events"][0];
    assert!(
        event["position"].is_u64() && event["id"].is_string() && done["complete_ms"].is_number(),
        "{done}"
    );
    let correlation = done["correlation"].as_str().unwrap();
    let request = shop
        .ask(&["request", "show", correlation, "-o", "json"])
        .ended(0)
        .json();
    assert_eq!(request["owed"], json!([]), "{request}");
    let nodes = request["nodes"].as_array().unwrap();
    assert_eq!(
        (&nodes[0]["type"], &nodes[0]["depth"]),
        (&"order.placed".into(), &0.into())
    );
    let types: Vec<&str> = nodes.iter().map(|node| node["type"].as_str().unwrap()).collect();
    assert!(
        types.contains(&"payment.taken"),
        "it waited for the payment: {types:?}"
    );
    let by_event = shop
        .ask(&["request", "show", event["id"].as_str().unwrap(), "-o", "json"])
        .ended(0)
        .json();
    assert_eq!(by_event["correlation"], correlation);
    let text = shop.ask(&["request", "show", correlation]).ended(0);
    assert!(
        text.out.contains("└─ orders:") && text.out.contains("complete after "),
        "{}",
        text.out
    );
    shop.ask(&["request", "show", "0199f2ab-0000-7000-8000-000000000000"])
        .ended(4);
}

#[test]
fn what_a_node_refuses_has_its_code_and_exit() {
    let shop = Shop::open();
    let refused = shop
        .ask(&["send", "orders.cancel", r#"{"order":"none","reason":"customer"}"#])
        .ended(1);
    assert!(
        refused.err.starts_with("error: no_such_order: "),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("hint: "));
    shop.ask(&["send", "orders.nothing", "{}"]).ended(4);
    shop.ask(&["send", "nobody.nothing", "{}"]).ended(4);
    shop.ask(&["send", "orders.cancel", r#"{"order":1}"#]).ended(2);
    shop.ask(&["send", "orders.cancel", "{order"]).ended(2);
    shop.ask(&["send", "cancel", "{}"]).ended(2);
    shop.ask(&["event", "ls", "--service", "nobody"]).ended(4);
    shop.ask(&["event", "ls", "--service", "orders", "--at", "99999999"])
        .ended(4);
    shop.ask(&["parked", "requeue", "0199f2ab-0000-7000-8000-000000000000"])
        .ended(4);
}

#[test]
fn the_same_key_gets_the_first_answer_again() {
    let shop = Shop::open();
    let command = r#"{"order":"t-2","customer":null,"country":"France","lines":[{"sku":"71053","quantity":1,"price":"3.39"}]}"#;
    let send = ["send", "orders.place", "-", "--key", "key-1", "-o", "json"];
    let first = annals_fed(shop.data.path(), &send, command).ended(0).json();
    let again = annals_fed(shop.data.path(), &send, command).ended(0).json();
    assert_eq!(
        (&first["repeated"], &again["repeated"]),
        (&false.into(), &true.into())
    );
    assert_eq!(first["events"][0]["id"], again["events"][0]["id"]);
    annals_fed(shop.data.path(), &send, &command.replace("t-2", "t-3")).ended(2);
}

#[test]
fn status_lists_services_and_subscriptions() {
    let shop = Shop::open();
    let idle = || {
        let status = shop.ask(&["status", "-o", "json"]).ended(0).json();
        let services = status["services"].as_array().unwrap();
        let subscriptions = services
            .iter()
            .filter_map(|service| service["running"]["subscriptions"].as_array());
        subscriptions
            .flatten()
            .all(|subscription| subscription["lag"] == 0)
    };
    until("all have come to the end", idle);
    let text = shop.ask(&["status"]).ended(0);
    assert!(
        text.out.starts_with(&format!("node {}", shop.node.url)),
        "{}",
        text.out
    );
    assert!(
        text.out.contains("process.fulfilment") && text.out.contains("PARKED"),
        "{}",
        text.out
    );
    shop.ask(&["verify"]).ended(0);
}

#[test]
fn a_node_may_be_named_instead_of_found() {
    let shop = Shop::open();
    let elsewhere = tempfile::tempdir().unwrap();
    let named = annals_on(
        elsewhere.path(),
        &[
            "event",
            "ls",
            "--node",
            &shop.node.url,
            "-o",
            "json",
            "--limit",
            "1",
        ],
    );
    assert_eq!(named.ended(0).json()["events"][0]["position"], 0);
    let mut by_variable = command(&["status", "-o", "json"]);
    let output = by_variable.env("ANNALS_NODE", &shop.node.url).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

/// Lines of a process, as they come.
fn lines_of(child: &mut std::process::Child) -> mpsc::Receiver<String> {
    let (lines, received) = mpsc::channel();
    let reader = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        reader
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| lines.send(line))
    });
    received
}

#[test]
fn tail_follows_what_is_recorded_and_is_interrupted_with_130() {
    let shop = Shop::open();
    let mut tail = command(&["tail", "--last", "0", "--type", "order.*", "-o", "jsonl"]);
    let mut tail = tail
        .env("ANNALS_DATA", shop.data.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = lines_of(&mut tail);
    // It may not follow yet when the first order comes: one of them is seen.
    let mut orders = 0;
    let seen = loop {
        orders += 1;
        shop.order(&format!("tail-{orders}"), 1).ended(0);
        match lines.recv_timeout(Duration::from_millis(500)) {
            Ok(line) => break line,
            Err(_) => assert!(orders < 20, "tail is silent"),
        }
    };
    let event: Value = serde_json::from_str(&seen).unwrap();
    assert!(event["type"].as_str().unwrap().starts_with("order."), "{event}");
    assert!(
        event["tags"][0].as_str().unwrap().starts_with("order:tail-"),
        "{event}"
    );
    crate::run::signal(&tail, "-INT");
    assert_eq!(tail.wait().unwrap().code(), Some(130));
}

#[test]
fn tail_takes_up_again_behind_the_last_event_after_a_restart() {
    let data = feed();
    let node = Node::start(data.path(), &["--rate", "0"]);
    let port = node.url.rsplit(':').next().unwrap().to_owned();
    let mut tail = command(&["tail", "--from", "0", "-o", "jsonl", "-q"]);
    let mut tail = tail
        .env("ANNALS_DATA", data.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = lines_of(&mut tail);
    let mut positions = Vec::new();
    let take = |positions: &mut Vec<u64>| {
        while let Ok(line) = lines.recv_timeout(Duration::from_millis(700)) {
            let event: Value = serde_json::from_str(&line).unwrap();
            positions.push(event["position"].as_u64().unwrap());
        }
    };
    take(&mut positions);
    let before = positions.len();
    assert!(before > 0);
    assert_eq!(node.interrupt(), 0);
    let mut again = command(&["demo", "--rate", "0", "--port", &port, "-q"]);
    let mut again = again
        .env("ANNALS_DATA", data.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the node is back", || data.path().join("node.json").exists());
    let order = r#"{"order":"again","customer":null,"country":"France","lines":[{"sku":"71053","quantity":1,"price":"3.39"}]}"#;
    until("it takes orders", || {
        annals_on(data.path(), &["send", "orders.place", order, "--wait"]).code == 0
    });
    until("tail is back", || {
        take(&mut positions);
        positions.len() > before
    });
    take(&mut positions);
    assert_eq!(
        positions,
        (0..positions.len() as u64).collect::<Vec<_>>(),
        "no gap, none twice"
    );
    crate::run::signal(&tail, "-INT");
    assert_eq!(tail.wait().unwrap().code(), Some(130));
    crate::run::signal(&again, "-INT");
    assert_eq!(again.wait().unwrap().code(), Some(0));
}

#[test]
fn a_killed_node_leaves_a_folder_that_can_be_read() {
    let shop = Shop::open();
    let Shop { data, node } = shop;
    drop(node);
    let ran = annals_on(data.path(), &["event", "ls", "--limit", "1"]).ended(0);
    assert!(ran.err.contains("ended without saying so"), "{}", ran.err);
    annals_on(data.path(), &["verify", "-q"]).ended(0);
    annals_on(data.path(), &["entity", "show", "order/536365"]).ended(3);
}

#[test]
fn nobody_at_an_address_is_unreachable() {
    let ran = annals(&["status", "--node", "http://127.0.0.1:9", "--timeout", "2"]).ended(3);
    assert!(
        ran.err
            .starts_with("error: no node answers at http://127.0.0.1:9"),
        "{}",
        ran.err
    );
}

#[test]
fn a_node_that_does_not_answer_in_time_is_a_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let ran = annals(&["status", "--node", &url, "--timeout", "0.3"]).ended(6);
    assert!(
        ran.err.contains("within 0.3 s") && ran.err.contains("--timeout"),
        "{}",
        ran.err
    );
}

/// Orders whose payment nobody takes are parked; when somebody does again they are taken up together, once and twice, and it
/// is said what became of each.
#[test]
fn a_group_of_parked_messages_is_taken_up_and_followed() {
    let (data, ledger) = (feed(), tempfile::tempdir().unwrap());
    let mut provider = Provider::start(ledger.path(), &[]);
    let node = Node::start(data.path(), &["--rate", "0", "--provider", &provider.url]);
    let shop = Shop { data, node };
    provider.kill();
    let orders = ["p-1", "p-2", "p-3"];
    for id in orders {
        let command = json!({ "order": id, "customer": "ann", "country": "France",
            "lines": [{ "sku": "85123A", "quantity": 1, "price": "2.55" }] });
        shop.ask(&["send", "orders.place", &command.to_string()]).ended(0);
    }
    let parked = || shop.ask(&["parked", "ls", "-o", "json"]).ended(0).json();
    until("three are parked", || parked().as_array().unwrap().len() == 3);
    let take_up = |options: &[&str]| {
        let all = [&["parked", "requeue", "--all", "-o", "json"], options].concat();
        shop.ask(&all).ended(0).json().as_array().unwrap().clone()
    };
    assert_eq!(take_up(&["--type", "stock.reserve"]), Vec::<Value>::new());
    assert_eq!(take_up(&["--key", "order:p-9"]), Vec::<Value>::new());
    let one = take_up(&["--key", "order:p-1", "--wait", "0"]);
    assert_eq!((one.len(), &one[0]["outcome"]), (1, &json!("under_way")));
    assert_eq!(one[0]["message"], "payments.take");

    provider.restart();
    let done = take_up(&["--type", "payments.take"]);
    assert!(!done.is_empty());
    assert!(done.iter().all(|one| one["outcome"] == "done"), "{done:?}");
    assert_eq!((take_up(&[]), parked()), (Vec::new(), json!([])));
    let ran = shop.ask(&["parked", "requeue", "--all"]).ended(0);
    assert!(ran.err.contains("0 taken up again"), "{}", ran.err);
    let ledger = provider.ledger();
    for id in orders {
        assert_eq!(ledger.accounts[id].captures, 1, "{id}: {:?}", ledger.accounts);
    }
}
