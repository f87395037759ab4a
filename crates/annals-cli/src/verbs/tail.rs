//! `tail`: events as they are recorded.
//!
//! In: a live query of a node. Out: a line per event, indented under what caused it. A stream that breaks is taken up
//! again behind the last event that was printed; nothing is printed twice. Without a node: what the folder holds.

use std::time::{Duration, Instant};

use clap::Args;

use crate::ask::Ask;
use crate::client::{Client, encode};
use crate::event::{Event, clock};
use crate::exit::Exit;
use crate::failure::{Failure, ProblemDocument};
use crate::filter::Filter;
use crate::lineage::Lineage;
use crate::moment::Moment;
use crate::out::cut;
use crate::session::Session;
use crate::settings::Format;
use crate::source::Source;

/// A pause before the next try to connect.
const PAUSE: Duration = Duration::from_secs(1);

/// Which events to follow.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Of which service [default: the recorder, which has the messages of all]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// From this position or time on [default: the last few]
    #[arg(long, value_name = "POSITION|TIME")]
    from: Option<Moment>,
    /// How many of the last events come first, without --from
    #[arg(long, value_name = "COUNT", default_value_t = 10, conflicts_with = "from")]
    last: u16,
    /// Ends with the newest event there is
    #[arg(long)]
    no_follow: bool,
}

pub(crate) async fn run(options: Options, session: &mut Session) -> Result<(), Failure> {
    let mut source = Source::find(&session.settings, &session.notes)?;
    let service = source.service(options.service.as_deref()).await?;
    let mut printer = Printer {
        service: service.clone(),
        lineage: Lineage::default(),
    };
    let next = print_past(&options, &service, &mut source, &mut printer, session).await?;
    match source {
        Source::Node(client) if !options.no_follow => {
            let path = format!(
                "/services/{}/events/live?from={next}{}",
                encode(&service),
                options.filter.parameters()
            );
            follow(&client, &path, &mut printer, session).await
        }
        Source::Folder(_) if !options.no_follow => {
            let data = session.settings.data.display();
            session.notes.note(&format!(
                "note: no node runs on {data}; this is what the folder holds"
            ));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Prints what is there already and says where to go on.
async fn print_past(
    options: &Options,
    service: &str,
    source: &mut Source,
    printer: &mut Printer,
    session: &mut Session,
) -> Result<u64, Failure> {
    let filter = options.filter.clone();
    let Some(from) = &options.from else {
        let limit = usize::from(options.last).max(1);
        let newest = Ask {
            filter,
            limit,
            backward: true,
            ..Ask::default()
        };
        let page = source.pages(service, &newest).await?;
        for event in page.events.iter().rev().take(usize::from(options.last)) {
            printer.print(event, session)?;
        }
        session.out.flush()?;
        return Ok(page.end);
    };
    let from = match from {
        Moment::Of(of, position) if of == service => Moment::Position(*position),
        Moment::Time(_) | Moment::Position(_) => from.clone(),
        other => {
            return Err(Failure::usage(format!(
                "expected a position of {service} or a time, found {other}"
            )));
        }
    };
    let mut ask = Ask {
        filter,
        from: Some(from),
        limit: crate::ask::PAGE_MAX,
        ..Ask::default()
    };
    loop {
        let page = source.page(service, &ask).await?;
        for event in &page.events {
            printer.print(event, session)?;
        }
        session.out.flush()?;
        if page.finished {
            return Ok(page.next.max(page.end));
        }
        ask.from = Some(Moment::Position(page.next));
    }
}

async fn follow(
    client: &Client,
    path: &str,
    printer: &mut Printer,
    session: &mut Session,
) -> Result<(), Failure> {
    let mut last: Option<String> = None;
    let mut lost: Option<Instant> = None;
    loop {
        let outcome = match client.live(path, last.as_deref()).await {
            Ok(mut live) => {
                if lost.take().is_some() {
                    session.notes.note("note: connected again");
                }
                read(&mut live, &mut last, printer, session).await
            }
            Err(failure) => Err(failure),
        };
        match outcome {
            Err(failure) if !matches!(failure.exit, Exit::Unreachable | Exit::Timeout) => {
                return Err(failure);
            }
            Err(failure) if lost.is_some_and(|lost| lost.elapsed() > session.settings.timeout) => {
                return Err(failure);
            }
            _ => {}
        }
        if lost.is_none() {
            lost = Some(Instant::now());
            session.notes.note(&format!(
                "note: {} ended the stream; connecting again",
                client.url()
            ));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Prints a stream until it ends.
async fn read(
    live: &mut crate::client::Live,
    last: &mut Option<String>,
    printer: &mut Printer,
    session: &mut Session,
) -> Result<(), Failure> {
    while let Some(message) = live.next().await? {
        match message.topic.as_str() {
            "event" => {
                let event = serde_json::from_str(&message.data).map_err(|error| {
                    Failure::new(
                        Exit::Failed,
                        format!("the node sent an event that cannot be read: {error}"),
                    )
                })?;
                printer.print(&event, session)?;
                session.out.flush()?;
            }
            "problem" => {
                let problem = serde_json::from_str::<ProblemDocument>(&message.data);
                return Err(problem.map_or_else(
                    |_| Failure::new(Exit::Failed, format!("the node sent {}", message.data)),
                    |problem| Failure::of_problem(problem, 500),
                ));
            }
            // We were too slow. What came after the last event we saw is still there: its id stays the last one.
            "reset" => return Ok(()),
            _ => {}
        }
        if message.id.is_some() {
            *last = message.id;
        }
    }
    Ok(())
}

/// Prints events in the order in which they come.
struct Printer {
    service: String,
    lineage: Lineage,
}

impl Printer {
    fn print(&mut self, event: &Event, session: &mut Session) -> Result<(), Failure> {
        if session.out.format != Format::Table {
            return session.out.object(event);
        }
        let line = self.line(event, session);
        session.out.line(&line)
    }

    /// `10:00:00.500  orders:3  └ order.placed  order:1  {…}`, cut at the edge of the terminal.
    fn line(&mut self, event: &Event, session: &Session) -> String {
        let depth = self.lineage.depth(event);
        let (of, position) = event.source(&self.service);
        let time = clock(event.recorded);
        let place = format!("{:<16}", format!("{of}:{position}"));
        let branch = if depth == 0 {
            String::new()
        } else {
            format!("{}└ ", "  ".repeat(depth - 1))
        };
        let label = event.label();
        let tags = cut(&event.tags.join(" "), 60);
        let paint = session.out.paint;
        let used = time.len()
            + place.chars().count()
            + branch.chars().count()
            + label.len()
            + tags.chars().count()
            + 8;
        let room = session
            .out
            .width
            .map_or(usize::MAX, |width| width.saturating_sub(used));
        let content = if room < 8 {
            String::new()
        } else {
            cut(&event.content(), room)
        };
        let (dim, hue, bold) = (paint.dim(&time), paint.hue(&of, &place), paint.bold(&label));
        format!("{dim}  {hue}  {branch}{bold}  {tags}  {}", paint.dim(&content))
            .trim_end()
            .to_owned()
    }
}
