//! `service ls`: which services announced themselves over the broker, where they are and how.
//!
//! In: a node that hears announcements, or the broker itself. Out: a line per instance. Asked at the broker, whoever is
//! there answers within a second and a half; who does not is not listed.

use annals_server::presence::{Present, State};
use clap::Subcommand;

use crate::failure::Failure;
use crate::out::cut;
use crate::session::Session;
use crate::source::needed_node;

/// What to do with services.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the services that announced themselves
    Ls {
        /// Ask at the broker instead of a node: amqp://, kafka://, activemq://, artemis:// or nats://
        #[cfg(feature = "brokers")]
        #[arg(long, value_name = "URL", env = "ANNALS_BROKER")]
        broker: Option<annals_transport::url::BrokerUrl>,
    },
}

/// Commands that are shown of a service, in columns.
const TAKES_WIDTH: usize = 60;

pub(crate) async fn run(verb: Verb, session: &mut Session) -> Result<(), Failure> {
    let Verb::Ls {
        #[cfg(feature = "brokers")]
        broker,
    } = verb;
    #[cfg(feature = "brokers")]
    if let Some(broker) = broker {
        let present = at_broker::ask(&broker).await?;
        return list(&present, session);
    }
    let client = needed_node(
        &session.settings,
        &session.notes,
        "a node hears which services there are",
    )?;
    let present: Vec<Present> = client.get("/nodes").await?;
    list(&present, session)
}

fn list(present: &[Present], session: &mut Session) -> Result<(), Failure> {
    if !session.is_table() {
        return session.out.document(&present);
    }
    if present.is_empty() {
        session
            .notes
            .note("note: no service announced itself; those that have just started do so within seconds");
        return Ok(());
    }
    let rows = present.iter().map(|one| {
        let said = &one.announcement;
        [
            said.service.to_string(),
            said.instance.to_string(),
            state(one).to_owned(),
            said.version.to_string(),
            format!("{:.1} s ago", one.heard_ms_ago as f64 / 1_000.0),
            cut(&said.takes.join(" "), TAKES_WIDTH),
        ]
    });
    session.out.rows(
        ["SERVICE", "INSTANCE", "STATE", "VERSION", ">HEARD", "TAKES"],
        rows,
    )
}

fn state(present: &Present) -> &'static str {
    match present.announcement.state {
        _ if present.stale => "stale",
        State::Starting => "starting",
        State::Ready => "ready",
        State::Troubled => "troubled",
        State::Draining => "draining",
        State::Gone => "gone",
    }
}

#[cfg(feature = "brokers")]
mod at_broker {
    use std::time::Instant;

    use annals_server::presence::{ANSWERED_WITHIN, Directory, Present, Said, listen_for};
    use annals_transport::connect::connect;
    use annals_transport::url::BrokerUrl;
    use tokio::time::{Instant as Deadline, timeout_at};

    use crate::exit::Exit;
    use crate::failure::Failure;

    /// Asks who is there, and waits until everybody has had his time to answer.
    pub(super) async fn ask(broker: &BrokerUrl) -> Result<Vec<Present>, Failure> {
        if *broker == BrokerUrl::Embedded {
            return Err(
                Failure::usage("the embedded broker can be asked in its own process only")
                    .hint("leave out --broker to ask the node that hosts it"),
            );
        }
        let transport = connect(broker).map_err(|error| Failure::usage(error.to_string()))?;
        let mut listener = listen_for(&*transport)
            .await
            .map_err(|error| Failure::new(Exit::Failed, format!("{broker}: {error}")))?;
        let until = Deadline::now() + ANSWERED_WITHIN;
        let mut directory = Directory::default();
        while let Ok(said) = timeout_at(until, listener.next()).await {
            let said = said.map_err(|error| Failure::new(Exit::Failed, format!("{broker}: {error}")))?;
            if let Ok(Said::Here(announcement)) = Said::decode(&said) {
                directory.hear(*announcement, Instant::now());
            }
        }
        Ok(directory.present(Instant::now()))
    }
}
