//! `parked ls` and `parked requeue`: messages that were put aside, and taking them up again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use annals_core::id::EventId;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::client::{Client, encode};
use crate::event::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::identity;
use crate::notes::Progress;
use crate::requests::Parked;
use crate::session::Session;
use crate::source::{Source, needed_node};
use crate::status::Status;

/// How often it is looked what became of messages that were taken up again.
const LOOK_EVERY: Duration = Duration::from_millis(200);

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
    /// Only of this type
    #[arg(long = "type", value_name = "TYPE", requires = "all")]
    message: Option<String>,
    /// Only of this key
    #[arg(long, value_name = "TAG", requires = "all")]
    key: Option<String>,
    /// Wait at most so many seconds until it is known what became of them
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
}

impl Requeue {
    fn chooses(&self, parked: &Parked) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        self.id.is_none_or(|id| parked.id == id.to_string())
            && is(&self.message, Some(&parked.message))
            && is(&self.key, parked.key.as_deref())
    }
}

/// A message that was taken up again.
#[derive(Serialize)]
struct TakenUp {
    #[serde(flatten)]
    parked: Parked,
    /// What became of it until now.
    outcome: Outcome,
}

/// What became of a message that was taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// It is dealt with, now or before it was asked for.
    Done,
    /// It failed again.
    ParkedAgain,
    /// It waits, or is being tried.
    UnderWay,
}

impl Outcome {
    fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::ParkedAgain => "parked again",
            Self::UnderWay => "under way",
        }
    }
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
    parked.retain(|parked| requeue.chooses(parked));
    if let (Some(id), true) = (requeue.id, parked.is_empty()) {
        return Err(Failure::not_found(format!("no message {id} is parked"))
            .hint(format!("list what is: {} parked ls", identity::name())));
    }
    let progress = session.notes.progress("taking up messages", parked.len() as u64);
    for message in &parked {
        let (service, id) = (encode(&message.service), encode(&message.id));
        let path = format!("/services/{service}/parked/{id}/requeue");
        match client.post::<()>(&path, None, "{}".into()).await {
            // Somebody else was faster, or it is of a key that was taken up with an earlier one: there is nothing left to do.
            Err(failure) if failure.exit == Exit::NotFound => {}
            asked => asked?,
        }
    }
    let mut taken_up: Vec<TakenUp> = parked
        .into_iter()
        .map(|parked| TakenUp {
            parked,
            outcome: Outcome::UnderWay,
        })
        .collect();
    follow(&client, &requeue, &mut taken_up, &progress).await?;
    drop(progress);
    told(&taken_up, session)
}

/// Looks what becomes of them until it is known of each, or the time is up.
async fn follow(
    client: &Client,
    requeue: &Requeue,
    taken_up: &mut [TakenUp],
    progress: &Progress,
) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let now = of_node(client, requeue.service.as_deref()).await?;
        let still: HashMap<(&str, &str), &Parked> = now
            .iter()
            .map(|parked| ((parked.service.as_str(), parked.id.as_str()), parked))
            .collect();
        for one in taken_up.iter_mut() {
            one.outcome = match still.get(&(one.parked.service.as_str(), one.parked.id.as_str())) {
                None => Outcome::Done,
                Some(now) if now.at > one.parked.at => Outcome::ParkedAgain,
                Some(_) => Outcome::UnderWay,
            };
        }
        let known = taken_up
            .iter()
            .filter(|one| one.outcome != Outcome::UnderWay)
            .count();
        progress.reached(known as u64);
        if known == taken_up.len() || began.elapsed() >= Duration::from_secs(requeue.wait) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn told(taken_up: &[TakenUp], session: &mut Session) -> Result<(), Failure> {
    if !session.is_table() {
        return session.out.document(&taken_up);
    }
    let of = |outcome: Outcome| taken_up.iter().filter(|one| one.outcome == outcome).count();
    session.notes.note(&format!(
        "note: {} taken up again: {} done, {} parked again, {} under way",
        taken_up.len(),
        of(Outcome::Done),
        of(Outcome::ParkedAgain),
        of(Outcome::UnderWay)
    ));
    taken_up.iter().try_for_each(|one| {
        let words = one.outcome.words();
        session
            .out
            .line(&format!("{}  {}  {words}", one.parked.id, one.parked.message))
    })
}
