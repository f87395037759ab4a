//! `snapshot`: a node keeps the states of everything before a moment, so that its store can be truncated there.
//!
//! In: a service and a moment. Out: how many states are kept, and whether any could not be.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::client::encode;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::moment::Moment;
use crate::session::Session;
use crate::source::{Source, needed_node};

/// Whose states, and up to when.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Of which service [default: the only one]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Of everything that has events up to a time, or before a position [default: now]
    #[arg(long, value_name = "MOMENT")]
    before: Option<Moment>,
}

/// A page of what was kept.
#[derive(Debug, Default, Deserialize)]
struct Kept {
    written: u64,
    current: u64,
    failed: u64,
    trouble: Option<String>,
    next: Option<u64>,
}

pub(crate) async fn run(options: Options, session: &mut Session) -> Result<(), Failure> {
    let why = "states are folded by the services of a node";
    let client = needed_node(&session.settings, &session.notes, why)?;
    let asked = options.service.as_deref();
    let service = Source::Node(client.clone()).service(asked).await?;
    let before = match options.before {
        None => String::new(),
        Some(moment @ (Moment::Time(_) | Moment::Position(_))) => {
            format!("&before={}", encode(&moment.to_string()))
        }
        Some(Moment::Of(of, position)) if of == service => format!("&before={position}"),
        Some(other) => {
            let failure = Failure::usage(format!(
                "expected a time or a position of {service}, found {other}"
            ));
            return Err(failure.hint("as `truncate --before` takes it"));
        }
    };
    let (mut done, mut from) = (Kept::default(), 0);
    loop {
        let path = format!("/services/{}/snapshots?from={from}{before}", encode(&service));
        let kept: Kept = client.post(&path, None, "{}".into()).await?;
        done.written += kept.written;
        done.current += kept.current;
        done.failed += kept.failed;
        done.trouble = done.trouble.or(kept.trouble);
        match kept.next {
            Some(next) => from = next,
            None => return told(&service, done, session),
        }
    }
}

fn told(service: &str, done: Kept, session: &mut Session) -> Result<(), Failure> {
    match session.is_table() {
        true => session.out.rows(
            ["SERVICE", ">WRITTEN", ">CURRENT", ">FAILED"],
            [[
                service.to_owned(),
                done.written.to_string(),
                done.current.to_string(),
                done.failed.to_string(),
            ]],
        )?,
        false => session.out.document(&json!({
            "service": service, "written": done.written, "current": done.current, "failed": done.failed,
            "trouble": done.trouble,
        }))?,
    }
    match done.trouble {
        None => Ok(()),
        Some(trouble) => {
            let message = format!("{} states were not kept; the first: {trouble}", done.failed);
            let failure = Failure::new(Exit::Failed, message);
            Err(failure.hint("what they stand for is refused once it is archived"))
        }
    }
}
