//! Read models that were deleted or damaged: they come back from the events, row by row as they were.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::feed::half_a_year_of_orders;
use crate::oracle;
use crate::outside::http::Client;
use crate::outside::rest;
use crate::run::{Node, annals_on, until};

const PATIENCE: Duration = Duration::from_secs(60);

/// A read model: its service and its projection.
struct Model {
    service: &'static str,
    projection: &'static str,
}

const MODELS: [Model; 3] = [
    Model {
        service: "orders",
        projection: "sales",
    },
    Model {
        service: "orders",
        projection: "customers",
    },
    Model {
        service: "stock",
        projection: "stock_levels",
    },
];

impl Model {
    /// Its database, and what lies beside it.
    fn files(&self, data: &Path) -> Vec<PathBuf> {
        let views = fs::read_dir(data.join(self.service).join("views")).expect("a folder of read models");
        let files = views.map(|entry| entry.expect("a file").path());
        let ours = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(self.projection))
        };
        files.filter(ours).collect()
    }

    fn database(&self, data: &Path) -> PathBuf {
        let mut files = self.files(data).into_iter();
        let database = files.find(|path| path.extension().is_some_and(|ending| ending == "sqlite"));
        database.expect("a read model has a database")
    }

    fn subscription(&self, node: &mut Client) -> Value {
        rest::subscription(node, self.service, &format!("projection.{}", self.projection))
    }
}

/// What a node shows of all of them.
fn rows(node: &mut Client, customer: &str) -> Vec<Value> {
    let customer = format!("/customers/{customer}");
    let paths = ["/sales/days", "/sales/countries", &customer, "/stock"];
    let rows: Vec<Value> = paths.iter().map(|path| node.get(path)).collect();
    for (path, rows) in paths.iter().zip(&rows) {
        assert!(
            rows.as_array().is_some_and(|rows| !rows.is_empty()),
            "{path} has rows"
        );
    }
    rows
}

/// What is to come back.
struct Expected {
    /// The customer with the longest history.
    customer: String,
    rows: Vec<Value>,
}

fn start(data: &Path) -> (Node, Client) {
    let node = Node::start(data, &["--rate", "0"]);
    let client = Client::new(&node.url);
    (node, client)
}

/// Feeds a file.
fn fed(data: &Path, orders: &Path, text: &str) -> Expected {
    let orders = orders.to_str().expect("a plain name");
    annals_on(data, &["demo", "--port", "0", "-q", "--orders", orders]).ended(0);
    let customers = oracle::sums(text).customers;
    let longest = customers.into_iter().max_by_key(|(_, history)| history.len());
    let (customer, _) = longest.expect("somebody is known by name");
    let (node, mut client) = start(data);
    rest::of(&mut client, PATIENCE);
    let rows = rows(&mut client, &customer);
    assert_eq!(node.interrupt(), 0);
    Expected { customer, rows }
}

/// Starts a node and watches one read model come back: how many positions it passed, and in what time.
fn watched(data: &Path, model: &Model, expected: &Expected) {
    let began = Instant::now();
    let (node, mut client) = start(data);
    let (mut on_the_way, mut last) = (0, 0);
    let end = loop {
        let standing = model.subscription(&mut client);
        let place = |name: &str| standing[name].as_u64().expect("a position");
        let (position, end) = (place("position"), place("end"));
        assert!(position >= last, "a rebuild goes forward: {standing}");
        assert!(standing["trouble"].is_null(), "{standing}");
        last = position;
        if position >= end {
            break end;
        }
        on_the_way += 1;
        assert!(
            began.elapsed() < PATIENCE,
            "not rebuilt after {PATIENCE:?}: {standing}"
        );
        std::thread::sleep(Duration::from_millis(2));
    };
    let took = began.elapsed();
    println!(
        "{}: {end} positions in {took:.2?}, {:.0} events/s, seen {on_the_way} times on the way",
        model.projection,
        end as f64 / took.as_secs_f64()
    );
    assert!(on_the_way > 0, "its progress can be seen");
    rest::of(&mut client, PATIENCE);
    let rows = rows(&mut client, &expected.customer);
    assert!(rows == expected.rows, "{} is not what it was", model.projection);
    assert_eq!(node.interrupt(), 0);
}

fn delete(path: &Path) {
    fs::remove_file(path).expect("it can be deleted");
}

#[test]
#[ignore = "long: feeds half a year of orders and rebuilds every read model"]
fn a_read_model_that_was_deleted_or_damaged_comes_back_as_it_was() {
    let (_folder, orders, text) = half_a_year_of_orders();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let expected = fed(data, &orders, &text);
    for model in &MODELS {
        model.files(data).iter().for_each(|path| delete(path));
        watched(data, model, &expected);
    }
    for model in &MODELS {
        damaged(data, model);
        // As the trouble says: the file, and nothing else.
        delete(&model.database(data));
        watched(data, model, &expected);
    }
}

/// A database that is none any more is found when it is opened; the node says so, says what to do, and does the rest.
fn damaged(data: &Path, model: &Model) {
    let database = model.database(data);
    let mut file = fs::File::options()
        .write(true)
        .open(&database)
        .expect("its database");
    file.write_all(&[0x5a; 4_096]).expect("its first page");
    drop(file);
    let (node, mut client) = start(data);
    until("the damage is told", || {
        let standing = model.subscription(&mut client);
        let trouble = standing["trouble"].as_str().unwrap_or_default();
        trouble.contains("damaged") && trouble.contains("delete the file")
    });
    let ready = client.ask("GET", "/readyz", &[], "").expect("it answers");
    assert_eq!(
        ready.status, 503,
        "a node whose read model is damaged is not ready"
    );
    let others = MODELS.iter().filter(|other| other.projection != model.projection);
    for other in others {
        until("the others go on", || other.subscription(&mut client)["lag"] == 0);
    }
    assert_eq!(node.interrupt(), 0);
}
