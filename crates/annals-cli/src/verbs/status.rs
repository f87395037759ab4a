//! `status`: how the services stand, from the node or, without one, from what the folder holds.

use annals_core::port::store::EventStore;
use serde::Serialize;

use crate::failure::Failure;
use crate::session::Session;
use crate::settings::Format;
use crate::source::{Source, Stores};
use crate::status::Status;

/// A store nobody runs on.
#[derive(Debug, Serialize)]
struct Resting {
    name: String,
    folder: String,
    end: u64,
    types: usize,
    parked: usize,
    checkpoints: Vec<Checkpoint>,
}

/// How far a subscription had come.
#[derive(Debug, Serialize)]
struct Checkpoint {
    name: String,
    position: u64,
}

pub(crate) async fn run(session: &mut Session) -> Result<(), Failure> {
    match Source::find(&session.settings, &session.notes)? {
        Source::Node(client) => {
            let status = Status::of(&client).await?;
            if !session.is_table() {
                return session.out.document(&status);
            }
            running(&client.url(), &status, session)
        }
        Source::Folder(stores) => resting(stores, session).await,
    }
}

fn running(url: &str, status: &Status, session: &mut Session) -> Result<(), Failure> {
    let draining = if status.draining { ", stopping" } else { "" };
    session.out.line(&format!(
        "node {url}  version {}  pid {}{draining}\n",
        status.version, status.pid
    ))?;
    let services = status.services.iter().map(|service| {
        let count = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
        let running = service.running.as_ref();
        [
            service.name.clone(),
            service.end.to_string(),
            service.types.len().to_string(),
            count(running.map(|r| r.commands_done)),
            count(running.map(|r| r.commands_refused)),
            count(running.map(|r| r.conflicts)),
            count(running.map(|r| r.timers)),
            count(running.map(|r| r.parked)),
        ]
    });
    let headings = [
        "SERVICE",
        ">END",
        ">TYPES",
        ">DONE",
        ">REFUSED",
        ">CONFLICTS",
        ">TIMERS",
        ">PARKED",
    ];
    session.out.rows(headings, services)?;
    session.out.line("")?;
    let subscriptions = status.subscriptions().map(|(service, subscription)| {
        [
            service.to_owned(),
            subscription.name.clone(),
            subscription.position.to_string(),
            subscription.lag.to_string(),
            subscription.in_flight.to_string(),
            subscription.handled.to_string(),
            subscription.trouble.clone().unwrap_or_default(),
        ]
    });
    let headings = [
        "SERVICE",
        "SUBSCRIPTION",
        ">POSITION",
        ">LAG",
        ">IN FLIGHT",
        ">HANDLED",
        "TROUBLE",
    ];
    session.out.rows(headings, subscriptions)
}

async fn resting(mut stores: Stores, session: &mut Session) -> Result<(), Failure> {
    let mut found = Vec::new();
    for folder in stores.folders().to_vec() {
        let store = stores.store(&folder.name).await?;
        let marks = store.marks("checkpoint", "").await?;
        let checkpoint = |(key, value): &(annals_core::mark::MarkKey, bytes::Bytes)| {
            let position = std::str::from_utf8(value).ok()?.parse().ok()?;
            Some(Checkpoint {
                name: key.name.to_string(),
                position,
            })
        };
        found.push(Resting {
            name: folder.name,
            folder: folder.dir.display().to_string(),
            end: store.end().get(),
            types: store.type_count(),
            parked: annals::inbox::parked::list(store).await?.len(),
            checkpoints: marks.iter().filter_map(checkpoint).collect(),
        });
    }
    if session.out.format != Format::Table {
        return session
            .out
            .document(&serde_json::json!({ "node": null, "stores": found }));
    }
    let data = session.settings.data.display().to_string();
    session.notes.note(&format!(
        "note: no node runs on {data}; this is what the folder holds"
    ));
    let rows = found.into_iter().map(|store| {
        let checkpoints: Vec<String> = store
            .checkpoints
            .iter()
            .map(|point| format!("{} {}", point.name, point.position))
            .collect();
        [
            store.name,
            store.end.to_string(),
            store.types.to_string(),
            store.parked.to_string(),
            checkpoints.join(", "),
        ]
    });
    session
        .out
        .rows(["STORE", ">END", ">TYPES", ">PARKED", "CHECKPOINTS"], rows)
}
