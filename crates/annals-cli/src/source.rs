//! Where events come from: a node, or the folder it left behind.
//!
//! In: settings. Out: the same events in the same shape, whichever it is. A node is asked if one was named or one runs
//! on the data folder; else the stores of the folder are read, each opened once.

use std::collections::BTreeMap;

use annals_core::id::EventId;
use annals_server::node_file::Found;
use annals_store::EmbeddedStore;
use serde::Deserialize;

use crate::ask::{Ask, PAGE_MAX, Page};
use crate::client::{Client, encode};
use crate::event::Event;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::folder::{self, StoreFolder};
use crate::identity;
use crate::moment::Moment;
use crate::notes::Notes;
use crate::settings::Settings;

/// The service whose store holds a copy of every message.
const RECORDER: &str = "recorder";
/// Histories that hold copies of what others wrote.
const COPIES: [&str; 2] = [RECORDER, "broker"];

/// Where events come from.
pub(crate) enum Source {
    /// A node answers.
    Node(Client),
    /// Nobody runs; the folder is read.
    Folder(Stores),
}

/// The stores of a folder, opened when first asked for.
pub(crate) struct Stores {
    folders: Vec<StoreFolder>,
    open: BTreeMap<String, EmbeddedStore>,
}

/// A service, as it is listed.
#[derive(Debug, Deserialize)]
struct Listed {
    name: String,
}

/// The node that was named or runs on the data folder, if there is one.
pub(crate) fn node(settings: &Settings, notes: &Notes) -> Result<Option<Client>, Failure> {
    if let Some(url) = &settings.node {
        return Client::new(url, settings.timeout).map(Some);
    }
    match Found::in_folder(&settings.data)? {
        Found::Running(node) => Client::new(&node.address.to_string(), settings.timeout).map(Some),
        Found::Stale(node) => {
            let (pid, address) = (node.pid, node.address);
            notes.note(&format!(
                "note: the node at {address} (pid {pid}) ended without saying so"
            ));
            Ok(None)
        }
        Found::None => Ok(None),
    }
}

/// The node, for what only a node knows.
pub(crate) fn needed_node(settings: &Settings, notes: &Notes, why: &str) -> Result<Client, Failure> {
    node(settings, notes)?.ok_or_else(|| {
        let data = settings.data.display();
        let failure = Failure::new(Exit::Unreachable, format!("no node runs on {data}, and {why}"));
        failure.hint(format!(
            "start one with `{} --data {data}`, or say which with --node URL",
            identity::start()
        ))
    })
}

impl Source {
    /// The node if there is one, else the folder.
    pub(crate) fn find(settings: &Settings, notes: &Notes) -> Result<Self, Failure> {
        Ok(match node(settings, notes)? {
            Some(client) => Self::Node(client),
            None => Self::Folder(Stores {
                folders: folder::stores(&settings.data)?,
                open: BTreeMap::new(),
            }),
        })
    }

    /// The names of the services, sorted.
    pub(crate) async fn services(&self) -> Result<Vec<String>, Failure> {
        match self {
            Self::Node(client) => {
                let listed: Vec<Listed> = client.get("/services").await?;
                Ok(listed.into_iter().map(|service| service.name).collect())
            }
            Self::Folder(stores) => Ok(stores.folders.iter().map(|store| store.name.clone()).collect()),
        }
    }

    /// The service that was asked for, else the recorder, else the only one.
    pub(crate) async fn service(&self, asked: Option<&str>) -> Result<String, Failure> {
        let mut names = self.services().await?;
        let known = names.join(", ");
        match asked {
            Some(name) if names.iter().any(|known| known == name) => Ok(name.to_owned()),
            Some(name) => Err(Failure::not_found(format!("there is no service {name:?}"))
                .hint(format!("there are: {known}"))),
            None if names.iter().any(|name| name == RECORDER) => Ok(RECORDER.to_owned()),
            None if names.len() == 1 => Ok(names.remove(0)),
            None => Err(Failure::usage("there is no recorder and more than one service")
                .hint(format!("say which with --service: {known}"))),
        }
    }

    /// One page of a service's events.
    pub(crate) async fn page(&mut self, service: &str, ask: &Ask) -> Result<Page, Failure> {
        match self {
            Self::Node(client) => client.get(&path_of(service, ask)).await,
            Self::Folder(stores) => folder::page(stores.store(service).await?, ask).await,
        }
    }

    /// As many pages as the limit needs, as one.
    pub(crate) async fn pages(&mut self, service: &str, ask: &Ask) -> Result<Page, Failure> {
        let mut ask = ask.clone();
        let mut left = ask.limit;
        let mut events = Vec::new();
        loop {
            ask.limit = left.min(PAGE_MAX);
            let mut page = self.page(service, &ask).await?;
            left = left.saturating_sub(page.events.len());
            events.append(&mut page.events);
            if page.finished || left == 0 {
                return Ok(Page { events, ..page });
            }
            match ask.backward {
                true => ask.to = Some(page.next),
                false => ask.from = Some(Moment::Position(page.next)),
            }
        }
    }

    /// The event at a position.
    pub(crate) async fn event_at(&mut self, service: &str, position: u64) -> Result<Event, Failure> {
        let ask = Ask {
            from: Some(Moment::Position(position)),
            to: Some(position.saturating_add(1)),
            limit: 1,
            ..Ask::default()
        };
        let page = self.page(service, &ask).await?;
        page.events.into_iter().next().ok_or_else(|| {
            let end = page.end;
            Failure::not_found(format!(
                "{service} has no event at position {position}; it ends before {end}"
            ))
        })
    }

    /// The event of an id and the service in whose store it was found; histories of copies are asked last.
    pub(crate) async fn event(&mut self, id: EventId) -> Result<(String, Event), Failure> {
        let mut names = self.services().await?;
        names.sort_by_key(|name| COPIES.contains(&name.as_str()));
        for name in names {
            let found = match self {
                Self::Node(client) => {
                    client
                        .find(&format!("/services/{}/events/{id}", encode(&name)))
                        .await?
                }
                Self::Folder(stores) => folder::by_id(stores.store(&name).await?, id).await?,
            };
            if let Some(event) = found {
                return Ok((name, event));
            }
        }
        Err(Failure::not_found(format!("no service has an event {id}")))
    }
}

impl Stores {
    /// All of them.
    pub(crate) fn folders(&self) -> &[StoreFolder] {
        &self.folders
    }

    /// The store of a service.
    pub(crate) async fn store(&mut self, service: &str) -> Result<&EmbeddedStore, Failure> {
        if !self.open.contains_key(service) {
            let folder = self.folders.iter().find(|store| store.name == service);
            let folder =
                folder.ok_or_else(|| Failure::not_found(format!("there is no store of {service:?}")))?;
            self.open.insert(service.to_owned(), folder::open(folder).await?);
        }
        Ok(&self.open[service])
    }
}

fn path_of(service: &str, ask: &Ask) -> String {
    let mut path = format!("/services/{}/events?limit={}", encode(service), ask.limit);
    if ask.backward {
        path.push_str("&direction=backward");
    }
    let moments = [
        ("from", ask.from.clone()),
        ("to", ask.to.map(Moment::Position)),
        ("at", ask.at.clone()),
    ];
    for (name, moment) in moments {
        if let Some(moment) = moment {
            path.push_str(&format!("&{name}={}", encode(&moment.to_string())));
        }
    }
    path + &ask.filter.parameters()
}
