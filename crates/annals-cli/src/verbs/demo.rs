//! `demo`: the order system in this process, its payment provider in another.
//!
//! In: a file of invoices, or none. Out: with a file, a progress and at the end one report; without, a small shop that
//! plays until it is asked to stop. What it keeps stays in the data folder, and a second run goes on from there.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use ordering::BrokerUrl;
use ordering::demo::{Demo, DemoError, DemoOptions};
use ordering::feed::FeedProgress;
use ordering::intake::{Fault, Intake, IntakeError};
use ordering::report::Report;
use ordering::system::SystemError;
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::identity;
use crate::session::Session;
use crate::settings::Format;
use crate::stop::Stop;

/// How to run it.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Feed these invoices (.csv or .csv.zst), report and end
    #[arg(long, value_name = "FILE")]
    orders: Option<PathBuf>,
    /// Every article begins with so many pieces and no more come [default: what the orders need is brought]
    #[arg(long, value_name = "COUNT")]
    stock: Option<u32>,
    /// The share of payments that is declined, 0 to 1 [default: 0 with --orders, else 0.08]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    decline: Option<f64>,
    /// The share of payments that is answered late, 0 to 1 [default: 0 with --orders, else 0.03]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    late: Option<f64>,
    /// The broker between the services: embedded:, amqp://, kafka://, activemq://, artemis:// or nats://
    #[arg(long, value_name = "URL", default_value = "embedded:")]
    broker: BrokerUrl,
    /// The port on loopback of the HTTP API; 0 takes a free one
    #[arg(long, default_value_t = 4000)]
    port: u16,
    /// A payment provider that runs already [default: one is started]
    #[arg(long, value_name = "URL")]
    provider: Option<String>,
    /// Of the shop that plays, and of the provider's moods
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Orders per second of the shop that plays, 0 for none
    #[arg(long, value_name = "ORDERS", default_value_t = 2.0, value_parser = rate, conflicts_with = "orders")]
    rate: f64,
}

/// Shares of declined and of late payments while the shop plays.
const PLAYED_MOODS: (f64, f64) = (0.08, 0.03);

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("expected a share from 0 to 1, found {text:?}"))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.0..=10_000.0).contains(rate));
    rate.ok_or_else(|| format!("expected orders per second from 0 to 10000, found {text:?}"))
}

pub(crate) async fn run(options: Options, session: &mut Session) -> Result<(), Failure> {
    let began = Instant::now();
    let stop = Stop::listen();
    // A file that cannot be taken is refused before anything is started or written.
    let intake = match &options.orders {
        Some(path) => Some(check(path.clone()).await?),
        None => None,
    };
    // A file's books are to be compared with the file; a shop that plays is to have something to look at.
    let moods = if options.orders.is_some() {
        (0.0, 0.0)
    } else {
        PLAYED_MOODS
    };
    let start = Demo::start(DemoOptions {
        data: session.settings.data.clone(),
        broker: options.broker.clone(),
        port: options.port,
        stock: options.stock,
        decline: options.decline.unwrap_or(moods.0),
        late: options.late.unwrap_or(moods.1),
        provider: options.provider.clone(),
        seed: options.seed,
    });
    let demo = tokio::select! {
        started = start => started.map_err(failure)?,
        () = stop.asked() => return Err(interrupted()),
    };
    let outcome = match &intake {
        Some(intake) => {
            banner(&demo, true, session)?;
            tokio::select! {
                report = feed(&demo, intake, began, session) => report.map(Some),
                () = stop.asked() => Err(interrupted()),
            }
        }
        None => {
            banner(&demo, false, session)?;
            tokio::select! {
                () = demo.play(options.rate) => {}
                () = stop.asked() => {}
            }
            Ok(None)
        }
    };
    session
        .notes
        .note("note: stopping; what is under way finishes first, Ctrl-C again ends at once");
    tokio::select! {
        () = demo.stop() => {}
        () = stop.insisted() => return Err(interrupted()),
    }
    match outcome? {
        Some(report) => told(&report, session),
        None => Ok(()),
    }
}

fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted")
        .hint("what was acknowledged is kept; the same command goes on from there")
}

async fn check(path: PathBuf) -> Result<Intake, Failure> {
    let checked = tokio::task::spawn_blocking(move || Intake::check(path)).await;
    let checked =
        checked.map_err(|ended| Failure::new(Exit::Failed, format!("the check ended badly: {ended}")))?;
    checked.map_err(|error| {
        let IntakeError { fault, .. } = &error;
        let exit = match fault {
            Fault::Open { source } if source.kind() == std::io::ErrorKind::NotFound => Exit::NotFound,
            _ => Exit::Failed,
        };
        Failure::new(exit, error.to_string())
    })
}

fn failure(error: DemoError) -> Failure {
    let message = error.to_string();
    match error {
        DemoError::Node(error) => error.into(),
        // Whose store it is, is known only out here.
        DemoError::System(SystemError::Store { source, .. }) => Failure {
            message,
            ..source.into()
        },
        DemoError::Address(_) => {
            Failure::new(Exit::Usage, message).hint("a provider's address looks like http://127.0.0.1:4100")
        }
        DemoError::Feed(_) => {
            Failure::new(Exit::Failed, message).hint("feed the file again: what was taken is not taken twice")
        }
        _ => Failure::new(Exit::Failed, message),
    }
}

/// What runs where, and what to try: at most twelve lines. Data if nothing else will be.
fn banner(demo: &Demo, is_note: bool, session: &mut Session) -> Result<(), Failure> {
    let address = format!("http://{}", demo.address());
    let services = demo.services();
    if session.out.format != Format::Table && !is_note {
        let services: Vec<_> = services
            .iter()
            .map(|(name, events)| json!({ "name": name, "events": events }))
            .collect();
        session.out.object(
            &json!({ "version": version(), "address": address, "data": demo.data(), "services": services }),
        )?;
        return session.out.flush();
    }
    let data = demo.data().display();
    let mut lines = vec![
        format!("{} {}  {address}", identity::name(), version()),
        format!("data in {data}: it stays when this ends, and the next run goes on from it"),
    ];
    lines.extend(
        services
            .iter()
            .map(|(name, events)| format!("  {name:<10} {events} events")),
    );
    if !is_note {
        lines.push("in another terminal:".to_owned());
    }
    lines.extend(
        next(demo.data(), (!is_note).then_some(&address))
            .into_iter()
            .map(|command| format!("  {command}")),
    );
    for line in &lines {
        match is_note {
            true => session.notes.note(line),
            false => session.out.line(line)?,
        }
    }
    session.out.flush()
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Three commands that work as they stand: against the node, or against what it leaves behind.
fn next(data: &Path, address: Option<&String>) -> [String; 3] {
    let name = identity::name();
    let text = data.display().to_string();
    let at = match text.contains(|c: char| c.is_whitespace() || c == '\'') {
        _ if data == Path::new("./annals-data") => String::new(),
        true => format!(" --data {text:?}"),
        false => format!(" --data {text}"),
    };
    let third = match address {
        Some(address) => format!("curl {address}/sales/countries"),
        None => format!("{name} verify{at}"),
    };
    [format!("{name} tail{at}"), format!("{name} status{at}"), third]
}

async fn feed(demo: &Demo, intake: &Intake, began: Instant, session: &Session) -> Result<Report, Failure> {
    let total = intake.invoices.len() as u64;
    let progress = session.notes.progress("feeding invoices", total);
    let reached = |at: FeedProgress| {
        progress.reached(at.done);
        if at.done == at.total {
            progress.now("waiting for the last effects");
        }
    };
    let fed = demo.feed(intake, began, reached).await;
    fed.map_err(failure)
}

/// Prints the report; orders that did not come to an end are a failure.
fn told(report: &Report, session: &mut Session) -> Result<(), Failure> {
    if session.is_table() {
        table(report, session)?;
    } else {
        session.out.document(report)?;
    }
    match report.orders.open {
        0 => Ok(()),
        open => Err(
            Failure::new(Exit::Failed, format!("{open} orders have not come to an end"))
                .hint(format!("look at what is parked: {} parked ls", identity::name())),
        ),
    }
}

fn table(report: &Report, session: &mut Session) -> Result<(), Failure> {
    let (lines, orders, money) = (&report.lines, &report.orders, &report.money);
    let reasons = |by: &std::collections::BTreeMap<String, u64>| {
        let reasons: Vec<String> = by
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        reasons.join(", ")
    };
    let mut rows = vec![
        ["lines read".to_owned(), lines.read.to_string(), String::new()],
        ["lines taken".to_owned(), lines.taken.to_string(), String::new()],
        [
            "lines refused".to_owned(),
            lines.refused.to_string(),
            reasons(&lines.refused_by_reason),
        ],
        [
            "orders placed".to_owned(),
            orders.placed.to_string(),
            String::new(),
        ],
        ["orders paid".to_owned(), orders.paid.to_string(), String::new()],
        [
            "orders cancelled".to_owned(),
            orders.cancelled.to_string(),
            reasons(&orders.cancelled_by_reason),
        ],
        ["returns".to_owned(), report.returns.to_string(), String::new()],
        ["revenue".to_owned(), money.revenue.to_string(), String::new()],
        ["refunded".to_owned(), money.refunded.to_string(), String::new()],
    ];
    let stores = report.stores.iter();
    rows.extend(stores.map(|(name, size)| {
        [
            format!("events in {name}"),
            size.events.to_string(),
            String::new(),
        ]
    }));
    rows.extend([
        [
            "messages".to_owned(),
            report.broker.messages.to_string(),
            String::new(),
        ],
        [
            "conflicts".to_owned(),
            report.conflicts.to_string(),
            format!("{} decided again", report.redecisions),
        ],
        [
            "seconds".to_owned(),
            format!("{:.2}", report.seconds),
            format!("{:.0} events/s", report.events_per_second),
        ],
    ]);
    session.out.rows(["REPORT", ">TOTAL", ""], rows)
}
