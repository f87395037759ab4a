//! The table of capabilities in `docs/brokers.md` says what the code says.
//!
//! `ANNALS_WRITE_DOCS=1 cargo test -p annals-transport --all-features --test it table` writes it anew.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use annals_core::port::transport::{Capabilities, Transport};
use annals_core::time::SystemClock;
use annals_store::MemoryStore;
use annals_transport::embedded::EmbeddedBroker;
use annals_transport::{activemq, kafka, nats, rabbitmq};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/brokers.md");
const BEGIN: &str = "<!-- capabilities -->\n";
const END: &str = "<!-- /capabilities -->\n";

/// A row's name, and what it asks.
type Row = (&'static str, fn(&Capabilities) -> bool);

fn table() -> String {
    let embedded = EmbeddedBroker::new(Arc::new(MemoryStore::new()), Arc::new(SystemClock)).capabilities();
    let brokers: [(&str, Capabilities); 5] = [
        ("embedded", embedded),
        ("RabbitMQ", rabbitmq::CAPABILITIES),
        ("Kafka", kafka::CAPABILITIES),
        ("ActiveMQ, Artemis", activemq::CAPABILITIES),
        ("NATS", nats::CAPABILITIES),
    ];
    let rows: [Row; 7] = [
        ("read again from a position", |can| can.replay),
        (
            "an id published twice is delivered once, for as long as it is kept",
            |can| can.exact_dedupe,
        ),
        ("order per partition tag", |can| can.partition_order),
        ("hears every topic, also those to come", |can| can.every_topic),
        ("a group that comes later gets what was before", |can| {
            can.late_groups
        }),
        ("puts messages aside itself", |can| can.parks),
        ("says something to everybody who listens now", |can| can.broadcast),
    ];
    let mut table = String::from("| |");
    brokers
        .iter()
        .for_each(|(name, _)| write!(table, " {name} |").unwrap());
    table.push_str("\n|---|");
    brokers.iter().for_each(|_| table.push_str("---|"));
    for (name, can) in rows {
        write!(table, "\n| {name} |").unwrap();
        for (_, capabilities) in &brokers {
            write!(table, " {} |", if can(capabilities) { "yes" } else { "no" }).unwrap();
        }
    }
    table.push_str("\n| messages on their way at once, at most |");
    for (_, capabilities) in &brokers {
        write!(table, " {} |", capabilities.window).unwrap();
    }
    table.push_str("\n\nWhat *stored* means:\n\n| broker | stored means |\n|---|---|\n");
    for (name, capabilities) in &brokers {
        writeln!(table, "| {name} | {} |", capabilities.stored_means).unwrap();
    }
    table
}

#[test]
fn the_page_says_what_the_code_says() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page
        .split_once(BEGIN)
        .expect("the page has the mark where the table begins");
    let (found, after) = rest
        .split_once(END)
        .expect("the page has the mark where the table ends");
    let expected = table();
    if std::env::var_os("ANNALS_WRITE_DOCS").is_some() {
        std::fs::write(Path::new(PAGE), format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(found, expected, "write it anew as this file's first lines say");
}
