//! `event ls` and `event show`: what happened, from a node or from the folder.

use annals_core::id::EventId;
use clap::{Args, Subcommand};

use crate::ask::Ask;
use crate::event::{Event, clock};
use crate::failure::Failure;
use crate::filter::Filter;
use crate::identity;
use crate::moment::Moment;
use crate::out::{cut, short};
use crate::session::Session;
use crate::settings::Format;
use crate::source::Source;

/// What to do with events.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List events
    Ls(List),
    /// Show one event whole
    Show {
        /// An event id, or SERVICE:POSITION
        #[arg(value_name = "ID|SERVICE:POSITION")]
        event: String,
    },
}

/// Which events to list.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Of which service [default: the recorder, which has the messages of all]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// From this position or time on
    #[arg(long, value_name = "POSITION|TIME")]
    from: Option<Moment>,
    /// At most this many
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    limit: u64,
    /// From the newest down
    #[arg(long)]
    backward: bool,
    /// As the history was then
    #[arg(long, value_name = "TIME|POSITION")]
    at: Option<Moment>,
}

pub(crate) async fn run(verb: Verb, session: &mut Session) -> Result<(), Failure> {
    match verb {
        Verb::Ls(list) => ls(list, session).await,
        Verb::Show { event } => show(&event, session).await,
    }
}

async fn ls(list: List, session: &mut Session) -> Result<(), Failure> {
    let mut source = Source::find(&session.settings, &session.notes)?;
    let service = source.service(list.service.as_deref()).await?;
    let limit = usize::try_from(list.limit).unwrap_or(usize::MAX);
    let ask = Ask {
        filter: list.filter,
        from: list.from.map(|moment| of_service(moment, &service)).transpose()?,
        to: None,
        at: list.at.map(|moment| of_service(moment, &service)).transpose()?,
        limit,
        backward: list.backward,
    };
    let page = source.pages(&service, &ask).await?;
    match session.out.format {
        Format::Json => {
            let document = serde_json::json!({
                "service": service, "events": page.events, "next": page.next, "finished": page.finished, "end": page.end,
            });
            session.out.document(&document)
        }
        Format::Jsonl => page.events.iter().try_for_each(|event| session.out.object(event)),
        Format::Table => {
            table(&service, &page.events, session)?;
            if !page.finished {
                let (name, next) = (identity::name(), page.next);
                let more = match list.backward {
                    true => format!("note: there are older ones; ask for more with --limit, or --at {next}"),
                    false => {
                        format!("note: there is more: {name} event ls --service {service} --from {next} …")
                    }
                };
                session.notes.note(&more);
            }
            Ok(())
        }
    }
}

/// A moment as the asked service understands it.
fn of_service(moment: Moment, service: &str) -> Result<Moment, Failure> {
    match moment {
        Moment::Of(of, position) if of == service => Ok(Moment::Position(position)),
        Moment::Of(of, _) => Err(Failure::usage(format!(
            "expected a position of {service}, found one of {of}"
        ))
        .hint(format!("list the other service: --service {of}"))),
        Moment::Back(_) => Err(
            Failure::usage("a number of events back is a moment of one entity")
                .hint("give a time or a position, or use --backward"),
        ),
        moment => Ok(moment),
    }
}

fn table(service: &str, events: &[Event], session: &mut Session) -> Result<(), Failure> {
    if events.is_empty() {
        session.notes.note("note: no event matches");
        return Ok(());
    }
    let rows = events.iter().map(|event| {
        let (of, position) = event.source(service);
        let tags: Vec<String> = event.tags.iter().take(3).map(|tag| cut(tag, 48)).collect();
        let more = if event.tags.len() > 3 {
            format!(" +{}", event.tags.len() - 3)
        } else {
            String::new()
        };
        [
            event.position.to_string(),
            event.recorded.to_string().chars().take(10).collect::<String>() + " " + &clock(event.recorded),
            format!("{of}:{position}"),
            event.label(),
            tags.join(" ") + &more,
            short(&event.id),
        ]
    });
    session.out.rows(
        [">POSITION", "RECORDED (UTC)", "SOURCE", "TYPE", "TAGS", "ID"],
        rows,
    )
}

async fn show(place: &str, session: &mut Session) -> Result<(), Failure> {
    let mut source = Source::find(&session.settings, &session.notes)?;
    let (service, event) = match (place.parse::<EventId>(), place.parse()) {
        (Ok(id), _) => source.event(id).await?,
        (_, Ok(Moment::Of(service, position))) => {
            let service = source.service(Some(&service)).await?;
            let event = source.event_at(&service, position).await?;
            (service, event)
        }
        _ => {
            let failure = Failure::usage(format!(
                "expected an event id or SERVICE:POSITION, found {place:?}"
            ));
            return Err(failure.hint("a position looks like orders:1042"));
        }
    };
    if !session.is_table() {
        return session.out.document(&event);
    }
    details(&service, &event, session)
}

fn details(service: &str, event: &Event, session: &mut Session) -> Result<(), Failure> {
    let (of, position) = event.source(service);
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let fields = [
        ("id", event.id.clone()),
        (
            "type",
            format!(
                "{} (version {}, {}, {})",
                event.event_type, event.version, event.purpose, event.visibility
            ),
        ),
        ("source", format!("{of}:{position}")),
        (
            "found at",
            if of == service {
                String::new()
            } else {
                format!("{service}:{}", event.position)
            },
        ),
        ("tags", event.tags.join(" ")),
        ("recorded", event.recorded.to_string()),
        (
            "occurred",
            event.occurred.map(|at| at.to_string()).unwrap_or_default(),
        ),
        ("correlation", optional(&event.correlation)),
        ("causation", optional(&event.causation)),
        ("actor", optional(&event.actor)),
        ("topic", optional(&event.topic)),
        ("traceparent", optional(&event.traceparent)),
    ];
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        let name = session.out.paint.dim(&format!("{name:<12}"));
        session.out.line(&format!("{name} {value}"))?;
    }
    let indented = event
        .data
        .as_ref()
        .and_then(|data| serde_json::from_str::<serde_json::Value>(data.get()).ok());
    match indented {
        Some(value) if lossless(&value) => session.out.document(&value)?,
        _ => session.out.line(&event.content())?,
    }
    if let Some(correlation) = &event.correlation {
        session
            .notes
            .note(&format!("next: {} request show {correlation}", identity::name()));
    }
    Ok(())
}

/// No number in it could have lost a digit on its way through this program.
fn lossless(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => !number.is_f64(),
        serde_json::Value::Array(values) => values.iter().all(lossless),
        serde_json::Value::Object(values) => values.values().all(lossless),
        _ => true,
    }
}
