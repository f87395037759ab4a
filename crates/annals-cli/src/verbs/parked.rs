//! `parked ls` and `parked requeue`: messages that were put aside, and taking them up again.

use annals_core::id::EventId;
use clap::{Args, Subcommand};

use crate::client::{Client, encode};
use crate::event::clock;
use crate::failure::Failure;
use crate::identity;
use crate::requests::Parked;
use crate::session::Session;
use crate::source::{Source, needed_node};
use crate::status::Status;

/// What to do with parked messages.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List what is parked
    Ls {
        /// Of which service [default: all]
        #[arg(long, value_name = "NAME")]
        service: Option<String>,
    },
    /// Take parked messages up again
    Requeue(Requeue),
}

/// Which messages to take up again.
#[derive(Debug, Args)]
pub(crate) struct Requeue {
    /// The message's id
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    id: Option<EventId>,
    /// Every parked message
    #[arg(long)]
    all: bool,
    /// Only of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

pub(crate) async fn run(verb: Verb, session: &mut Session) -> Result<(), Failure> {
    match verb {
        Verb::Ls { service } => {
            let parked = match Source::find(&session.settings, &session.notes)? {
                Source::Node(client) => of_node(&client, service.as_deref()).await?,
                source => of_folder(source, service.as_deref()).await?,
            };
            list(&parked, session)
        }
        Verb::Requeue(requeue) => take_up(requeue, session).await,
    }
}

async fn of_node(client: &Client, service: Option<&str>) -> Result<Vec<Parked>, Failure> {
    let mut found = Vec::new();
    let status = Status::of(client).await?;
    let running = status
        .services
        .iter()
        .filter(|known| known.running.is_some())
        .map(|known| known.name.as_str());
    let names: Vec<&str> = match service {
        Some(name) => vec![name],
        None => running.collect(),
    };
    for name in names {
        let mut parked: Vec<Parked> = client.get(&format!("/services/{}/parked", encode(name))).await?;
        found.append(&mut parked);
    }
    Ok(found)
}

async fn of_folder(source: Source, service: Option<&str>) -> Result<Vec<Parked>, Failure> {
    let names = match service {
        Some(name) => vec![source.service(Some(name)).await?],
        None => source.services().await?,
    };
    let mut found = Vec::new();
    let Source::Folder(mut stores) = source else {
        return Ok(found);
    };
    for name in names {
        let parked = annals::inbox::parked::list(stores.store(&name).await?).await?;
        found.extend(parked.into_iter().map(|parked| Parked {
            service: name.clone(),
            id: parked.id.to_string(),
            message: parked.message.to_string(),
            topic: parked.topic.to_string(),
            key: parked.key.map(|key| key.to_string()),
            reason: parked.reason,
            attempts: parked.attempts,
            at: parked.at,
        }));
    }
    Ok(found)
}

fn list(parked: &[Parked], session: &mut Session) -> Result<(), Failure> {
    if !session.is_table() {
        return session.out.document(&parked);
    }
    if parked.is_empty() {
        session.notes.note("note: nothing is parked");
        return Ok(());
    }
    let rows = parked.iter().map(|parked| {
        [
            parked.service.clone(),
            parked.message.clone(),
            parked.key.clone().unwrap_or_default(),
            clock(parked.at),
            parked.attempts.to_string(),
            parked.reason.clone(),
            parked.id.clone(),
        ]
    });
    session.out.rows(
        ["SERVICE", "MESSAGE", "KEY", "PARKED", ">ATTEMPTS", "REASON", "ID"],
        rows,
    )?;
    session
        .notes
        .note(&format!("next: {} parked requeue ID", identity::name()));
    Ok(())
}

async fn take_up(requeue: Requeue, session: &mut Session) -> Result<(), Failure> {
    let client = needed_node(
        &session.settings,
        &session.notes,
        "messages are taken up again by a node",
    )?;
    let mut parked = of_node(&client, requeue.service.as_deref()).await?;
    if let Some(id) = requeue.id {
        parked.retain(|parked| parked.id == id.to_string());
        if parked.is_empty() {
            return Err(Failure::not_found(format!("no message {id} is parked"))
                .hint(format!("list what is: {} parked ls", identity::name())));
        }
    }
    for message in &parked {
        let (service, id) = (encode(&message.service), encode(&message.id));

        client
            .post::<()>(
                &format!("/services/{service}/parked/{id}/requeue"),
                None,
                "{}".into(),
            )
            .await?;
    }
    if session.is_table() {
        session
            .notes
            .note(&format!("note: {} taken up again", parked.len()));
        parked
            .iter()
            .try_for_each(|message| session.out.line(&format!("{}  {}", message.id, message.message)))
    } else {
        session.out.document(&parked)
    }
}
