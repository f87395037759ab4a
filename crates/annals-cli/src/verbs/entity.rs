//! `entity show` and `entity history`: what a thing is, what it was at any moment, and how it became so.
//!
//! Every service with a model of this kind of thing is asked, so that one command shows what the whole system knows of
//! an order. A bare position is one of the only service asked; with several services it is one of the recorder, and
//! the recorded time of the message before it is the moment for all.

use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::change::{Change, changes, leaves, plain};
use crate::client::{Client, encode};
use crate::event::{Event, clock};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::filter::tag;
use crate::identity;
use crate::moment::Moment;
use crate::session::Session;
use crate::source::{Source, needed_node};
use crate::status::Status;

/// The most steps a node gives at a time.
const STEPS_MAX: u64 = 100;

/// What to do with a thing.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show its state, now or at any moment
    Show(Show),
    /// Show every event of it and what each changed
    History(History),
}

/// Which thing, and when.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Which: order/536365 or order:536365
    #[arg(value_name = "KIND/VALUE", value_parser = tag)]
    entity: Tag,
    /// As it was: a time, `10m` ago, a position, or -N for N events back
    #[arg(
        long,
        value_name = "TIME|POSITION|SERVICE:POSITION|-N",
        allow_hyphen_values = true
    )]
    at: Option<Moment>,
    /// As this service sees it [default: all that have a model of it]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

/// Which thing, and how much of its history.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// Which: order/536365 or order:536365
    #[arg(value_name = "KIND/VALUE", value_parser = tag)]
    entity: Tag,
    /// As this service sees it [default: all that have a model of it]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// At most so many of the newest events per service
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
}

/// A thing at a moment, as one service sees it.
#[derive(Debug, Serialize, Deserialize)]
struct Entity {
    #[serde(default)]
    service: String,
    tag: String,
    revision: u64,
    end: u64,
    states: Vec<State>,
}

/// A state as one model folds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    model: String,
    state: Value,
}

/// A stretch of a history.
#[derive(Debug, Deserialize)]
struct Steps {
    steps: Vec<Step>,
    next: u64,
    finished: bool,
}

/// One event and the states after it.
#[derive(Debug, Deserialize)]
struct Step {
    revision: u64,
    event: Event,
    states: Vec<State>,
}

/// A step as it is printed.
#[derive(Debug, Serialize)]
struct Told {
    service: String,
    revision: u64,
    event: Event,
    states: Vec<State>,
    changes: Vec<OfModel>,
}

/// What changed in the state of one model.
#[derive(Debug, Serialize)]
struct OfModel {
    model: String,
    #[serde(flatten)]
    change: Change,
}

pub(crate) async fn run(verb: Verb, session: &mut Session) -> Result<(), Failure> {
    let client = needed_node(
        &session.settings,
        &session.notes,
        "states are folded by the services' own models",
    )?;
    match verb {
        Verb::Show(show) => self::show(show, &client, session).await,
        Verb::History(history) => self::history(history, &client, session).await,
    }
}

async fn show(mut show: Show, client: &Client, session: &mut Session) -> Result<(), Failure> {
    show.at = show.at.filter(|at| *at != Moment::Back(0));
    let status = Status::of(client).await?;
    let services = status.with_kind(show.entity.kind(), show.service.as_deref())?;
    let (mut found, mut gone) = (Vec::new(), None);
    for service in &services {
        let path = path_of(service, &show.entity);
        let at = match &show.at {
            Some(moment) => match when(client, moment, service, &services, &show.entity).await? {
                Some(at) => format!("?at={}", encode(&at)),
                None => continue,
            },
            None => String::new(),
        };
        // A service that has models of this kind and no event of this very thing has nothing to say.
        match client.get::<Entity>(&format!("{path}{at}")).await {
            Ok(entity) => found.push(Entity {
                service: service.clone(),
                ..entity
            }),
            Err(failure) if failure.code.as_deref() == Some("gone") => {
                session
                    .notes
                    .note(&format!("note: {service} cannot say: {failure}"));
                gone = gone.or(Some(failure));
            }
            Err(failure) if failure.exit == Exit::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    if let (Some(gone), true) = (gone, found.is_empty()) {
        return Err(gone);
    }
    if found.is_empty() {
        let then = show.at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        let failure = Failure::not_found(format!(
            "no model of {} knows {}{then}",
            services.join(", "),
            show.entity
        ));
        return Err(failure.hint(format!(
            "look for events: {} event ls --tag {}",
            identity::name(),
            show.entity
        )));
    }
    if !session.is_table() {
        let at = show.at.as_ref().map(ToString::to_string);
        return session
            .out
            .document(&json!({ "tag": show.entity, "at": at, "services": found }));
    }
    for entity in &found {
        print(entity, session)?;
    }
    let hint = format!(
        "next: {0} entity show {1} --at -1, or {0} entity history {1}",
        identity::name(),
        show.entity
    );
    session.notes.note(&hint);
    Ok(())
}

fn path_of(service: &str, tag: &Tag) -> String {
    format!("/services/{}/entities/{}", encode(service), encode(tag.as_str()))
}

/// A moment in the words of one service; `None`: its history of this thing does not reach so far back.
async fn when(
    client: &Client,
    moment: &Moment,
    service: &str,
    all: &[String],
    tag: &Tag,
) -> Result<Option<String>, Failure> {
    match moment {
        Moment::Time(time) => Ok(Some(time.to_string())),
        Moment::Of(of, position) if of == service => Ok(Some(position.to_string())),
        Moment::Position(position) if all.len() == 1 => Ok(Some(position.to_string())),
        Moment::Of(of, position) => time_before(client, of, *position).await,
        Moment::Position(position) => {
            let recorder = Source::Node(client.clone())
                .service(None)
                .await
                .map_err(|failure| {
                    failure.hint(format!(
                        "say whose position it is: --at {service}:{position}, or --service {service}"
                    ))
                })?;
            time_before(client, &recorder, *position).await
        }
        Moment::Back(events) => back(client, service, tag, *events).await,
    }
}

/// When the last event before a position was first recorded, wherever that was.
async fn time_before(client: &Client, service: &str, position: u64) -> Result<Option<String>, Failure> {
    let Some(last) = position.checked_sub(1) else {
        return Ok(None);
    };
    let mut source = Source::Node(client.clone());
    let service = source.service(Some(service)).await?;
    let event = source.event_at(&service, last).await?;
    let time: Timestamp = event.origin.map_or(event.recorded, |origin| origin.recorded);
    Ok(Some(time.to_string()))
}

/// The position of the N-th event from the end: before it stands the state N events back.
async fn back(client: &Client, service: &str, tag: &Tag, events: u64) -> Result<Option<String>, Failure> {
    let steps = newest(client, service, tag, events).await?;
    let reaches = steps.len() as u64 == events;
    Ok(steps
        .first()
        .filter(|first| reaches && first.revision > 0)
        .map(|first| first.event.position.to_string()))
}

/// The newest steps of a thing, the oldest of them first; none if there is no such thing.
async fn newest(client: &Client, service: &str, tag: &Tag, count: u64) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    let mut to = String::new();
    let mut left = count;
    while left > 0 {
        let limit = left.min(STEPS_MAX);
        let path = format!(
            "{}/history?direction=backward&limit={limit}{to}",
            path_of(service, tag)
        );
        let Some(mut page) = client.find::<Steps>(&path).await? else {
            break;
        };
        left = left.saturating_sub(page.steps.len() as u64);
        steps.append(&mut page.steps);
        if page.finished {
            break;
        }
        to = format!("&to={}", page.next);
    }
    steps.reverse();
    Ok(steps)
}

fn print(entity: &Entity, session: &mut Session) -> Result<(), Failure> {
    let paint = session.out.paint;
    for State { model, state } in &entity.states {
        let name = paint.bold(&format!("{}/{model}", entity.service));
        let (revision, end) = (entity.revision, entity.end);
        session.out.line(&format!(
            "{name}  {}  revision {revision}, before position {end}",
            entity.tag
        ))?;
        let leaves = leaves(state);
        let width = leaves
            .iter()
            .map(|(path, _)| path.chars().count())
            .max()
            .unwrap_or(0)
            .min(40);
        for (path, value) in leaves {
            session.out.line(&format!(
                "  {}  {}",
                paint.dim(&format!("{path:<width$}")),
                plain(value)
            ))?;
        }
    }
    Ok(())
}

async fn history(history: History, client: &Client, session: &mut Session) -> Result<(), Failure> {
    let status = Status::of(client).await?;
    let services = status.with_kind(history.entity.kind(), history.service.as_deref())?;
    let mut told = Vec::new();
    for service in &services {
        // One more than is shown, so that the first shown has something to differ from.
        let steps = newest(client, service, &history.entity, history.limit + 1).await?;
        told.extend(tell(service, steps, history.limit));
    }
    if told.is_empty() {
        let failure = Failure::not_found(format!(
            "no model of {} knows {}",
            services.join(", "),
            history.entity
        ));
        return Err(failure.hint(format!(
            "look for events: {} event ls --tag {}",
            identity::name(),
            history.entity
        )));
    }
    if !session.is_table() {
        return session
            .out
            .document(&json!({ "tag": history.entity, "steps": told }));
    }
    told.iter().try_for_each(|step| print_step(step, session))
}

/// Steps with what each changed.
fn tell(service: &str, steps: Vec<Step>, limit: u64) -> Vec<Told> {
    let mut before: Vec<State> = Vec::new();
    let extra = (steps.len() as u64).saturating_sub(limit);
    let mut told = Vec::new();
    for (at, step) in (0_u64..).zip(steps) {
        let changed = step.states.iter().flat_map(|state| {
            let old = before
                .iter()
                .find(|old| old.model == state.model)
                .map(|old| &old.state);
            let of = |change| OfModel {
                model: state.model.clone(),
                change,
            };
            changes(old, &state.state).into_iter().map(of).collect::<Vec<_>>()
        });
        let changes = changed.collect();
        before.clone_from(&step.states);
        if at >= extra {
            let Step {
                revision,
                event,
                states,
            } = step;
            told.push(Told {
                service: service.to_owned(),
                revision,
                event,
                states,
                changes,
            });
        }
    }
    told
}

fn print_step(step: &Told, session: &mut Session) -> Result<(), Failure> {
    let paint = session.out.paint;
    let (of, position) = step.event.source(&step.service);
    let place = paint.hue(&of, &format!("{of}:{position}"));
    let head = format!(
        "{}  #{}  {}  {place}  {}",
        paint.dim(&clock(step.event.recorded)),
        step.revision,
        paint.bold(&step.event.label()),
        paint.dim(&format!("at {}:{}", step.service, step.event.position)),
    );
    session.out.line(&head)?;
    for OfModel { model, change } in &step.changes {
        session.out.line(&format!("    {}  {change}", paint.dim(model)))?;
    }
    Ok(())
}
