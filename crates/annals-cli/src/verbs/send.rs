//! `send`: a command as JSON, carried out by the service that takes it.
//!
//! In: a command's name and its JSON, `-` for stdin. Out: the events it became, where they are, and the request to look
//! at. A refusal ends with 1. The same `--key` gets the first answer again.

use std::io::Read;
use std::time::Instant;

use annals_core::time::Timestamp;
use bytes::Bytes;
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::client::encode;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::identity;
use crate::requests::Request;
use crate::session::Session;
use crate::source::needed_node;

/// The largest command, in bytes: what a node takes.
const COMMAND_BYTES_MAX: u64 = 1 << 20;

/// What to send.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The command's name, such as orders.cancel
    #[arg(value_name = "COMMAND")]
    command: String,
    /// The command; - reads it from stdin
    #[arg(value_name = "JSON")]
    content: String,
    /// Who takes it [default: what stands before the first dot of the command]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// The same key gets the first answer again
    #[arg(long, value_name = "IDEMPOTENCY_KEY")]
    key: Option<String>,
    /// Wait until nothing more follows from it
    #[arg(long)]
    wait: bool,
}

/// A command was carried out.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    events: Vec<String>,
    position: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recorded: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<String>,
    repeated: bool,
    attempts: u32,
}

pub(crate) async fn run(options: Options, session: &mut Session) -> Result<(), Failure> {
    // Off the runtime's threads, so that Ctrl-C is heard while nothing comes.
    let content = options.content.clone();
    let read = tokio::task::spawn_blocking(move || check(&content)).await;
    let body =
        read.map_err(|ended| Failure::new(Exit::Failed, format!("reading ended badly: {ended}")))??;
    let service = match (&options.service, options.command.split_once('.')) {
        (Some(service), _) => service.clone(),
        (None, Some((service, _))) if !service.is_empty() => service.to_owned(),
        _ => {
            let failure = Failure::usage(format!(
                "expected a command such as orders.cancel, found {:?}",
                options.command
            ));
            return Err(failure.hint("say who takes it with --service NAME"));
        }
    };
    let client = needed_node(
        &session.settings,
        &session.notes,
        "commands are carried out by a node",
    )?;
    let began = Instant::now();
    let path = format!(
        "/services/{}/commands/{}",
        encode(&service),
        encode(&options.command)
    );
    let done: Done = client.post(&path, options.key.as_deref(), body).await?;
    let complete = match (&done.correlation, options.wait) {
        (Some(correlation), true) => {
            let request = Request::complete(&client, correlation, session.settings.timeout).await?;
            request.map(|request| (request, began.elapsed().as_secs_f64() * 1_000.0))
        }
        _ => None,
    };
    print(&service, &done, complete, session)
}

fn print(
    service: &str,
    done: &Done,
    complete: Option<(Request, f64)>,
    session: &mut Session,
) -> Result<(), Failure> {
    let first = done.position.saturating_sub(done.events.len() as u64);
    let places = done.events.iter().zip(first..);
    if !session.is_table() {
        let events: Vec<_> = places
            .map(|(id, position)| serde_json::json!({ "id": id, "position": position }))
            .collect();
        let mut document = serde_json::to_value(done).expect("an answer is made of strings and numbers");
        document["service"] = service.into();
        document["events"] = events.into();
        if let Some((request, millis)) = &complete {
            document["complete_ms"] = (*millis).into();
            document["request"] =
                serde_json::to_value(request).expect("a request is made of strings and numbers");
        }
        return session.out.document(&document);
    }
    if done.events.is_empty() {
        session.out.line("no event: what was asked for held already")?;
    }
    for (id, position) in places {
        let place = session.out.paint.hue(service, &format!("{service}:{position}"));
        session.out.line(&format!("{place}  {id}"))?;
    }
    if done.repeated {
        session
            .notes
            .note("note: this is the first answer to that key; nothing was done now");
    }
    if let Some((request, millis)) = &complete {
        let services = request.services.len();
        let owed = if request.parked.is_empty() {
            String::new()
        } else {
            format!(", {} parked", request.parked.len())
        };
        session.out.line(&format!(
            "complete in {millis:.0} ms: {} records in {services} services{owed}",
            request.nodes.len()
        ))?;
    }
    if let Some(correlation) = &done.correlation {
        session
            .notes
            .note(&format!("next: {} request show {correlation}", identity::name()));
    }
    Ok(())
}

/// The command's JSON, checked before anybody is asked.
fn check(argument: &str) -> Result<Bytes, Failure> {
    let text = match argument {
        "-" => {
            let mut text = String::new();
            let read = std::io::stdin()
                .take(COMMAND_BYTES_MAX + 1)
                .read_to_string(&mut text);
            read.map_err(|error| {
                Failure::new(Exit::Usage, format!("standard input cannot be read: {error}"))
            })?;
            text
        }
        argument => argument.to_owned(),
    };
    if text.len() as u64 > COMMAND_BYTES_MAX {
        return Err(Failure::usage(format!(
            "expected a command of at most {COMMAND_BYTES_MAX} bytes, found more"
        )));
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(Bytes::from(text)),
        Err(error) => Err(Failure::usage(format!("the command is no JSON: {error}"))
            .hint("in a shell, put it in single quotes: '{\"order\":\"42\"}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_is_no_json_is_told_with_its_place() {
        assert_eq!(
            check(r#"{"order": "42"}"#).unwrap(),
            r#"{"order": "42"}"#.as_bytes()
        );
        let failure = check("{order: 42}").unwrap_err();
        assert!(failure.to_string().contains("line 1 column 2"), "{failure}");
        assert!(check(&format!("\"{}\"", "x".repeat(1 << 20))).is_err());
    }
}
