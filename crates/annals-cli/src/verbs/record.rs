//! `record`: a recorder as a process of its own. It keeps every message of a broker, whoever sent it.
//!
//! In: the broker's address, topics, a name. Out: one line that says where it answers, and then a node that keeps a
//! durable copy of each message before the broker may forget it, until it is asked to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use annals::{Place, Service, StartError, World};
use annals_core::port::transport::{Topic, Transport};
use annals_server::{Claim, Node};
use annals_store::EmbeddedStore;
use annals_transport::connect::connect;
use annals_transport::url::BrokerUrl;
use clap::Args;
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::settings::Format;
use crate::stop::Stop;

/// What to record.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The broker: amqp://, kafka://, activemq://, artemis:// or nats:// and its host and port
    #[arg(long, value_name = "URL", env = "ANNALS_BROKER")]
    broker: BrokerUrl,
    /// Topics, separated by commas [default: every topic, also those to come, where the broker can say which]
    #[arg(long, value_name = "TOPIC,...", value_delimiter = ',')]
    topics: Vec<Topic>,
    /// Its name: recorders of one name share the messages, recorders of two names get each message twice
    #[arg(long, value_name = "NAME", default_value = "recorder")]
    name: String,
    /// The port on loopback of the HTTP API; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

pub(crate) async fn run(options: Options, session: &mut Session) -> Result<(), Failure> {
    let stop = Stop::listen();
    let transport = transport(&options)?;
    let node = start(&options, transport, session).await?;
    let address = format!("http://{}", node.address());
    if session.out.format == Format::Table {
        session
            .out
            .line(&format!("{} listening on {address}", options.name))?;
    } else {
        session
            .out
            .object(&json!({ "name": options.name, "address": address }))?;
    }
    session.out.flush()?;
    stop.asked().await;
    session
        .notes
        .note("note: stopping; what was taken is kept first, Ctrl-C again ends at once");
    tokio::select! {
        () = node.stop() => Ok(()),
        () = stop.insisted() => Err(Failure::new(Exit::Interrupted, "interrupted")
            .hint("what the broker did not see settled comes again, and is kept once")),
    }
}

/// The way to the broker, if it can do what is asked.
fn transport(options: &Options) -> Result<Arc<dyn Transport>, Failure> {
    if options.broker == BrokerUrl::Embedded {
        return Err(Failure::usage(
            "the embedded broker lives in one process; a recorder of its own needs a server",
        )
        .hint("the demo records itself; for a server: --broker amqp://127.0.0.1"));
    }
    if let Some(topic) = options.topics.iter().find(|topic| topic.is_empty()) {
        return Err(Failure::usage(format!("a topic has a name, found {topic:?}"))
            .hint("--topics orders,payments, without a comma at the end"));
    }
    let transport = connect(&options.broker).map_err(|error| Failure::usage(error.to_string()))?;
    if options.topics.is_empty() && !transport.capabilities().every_topic {
        return Err(
            Failure::usage(format!("{} cannot say which topics there are", options.broker))
                .hint("name them: --topics orders,payments"),
        );
    }
    Ok(transport)
}

async fn start(options: &Options, transport: Arc<dyn Transport>, session: &Session) -> Result<Node, Failure> {
    let data = &session.settings.data;
    let recorder = Service::builder(options.name.as_str());
    let recorder = if options.topics.is_empty() {
        recorder.records_everything()
    } else {
        recorder.records(options.topics.iter().cloned())
    };
    let claim = Claim::take(data)?;
    let world = World::default();
    let store = EmbeddedStore::open(
        data.join(&options.name).join("log"),
        annals_store::Options {
            clock: Arc::clone(&world.clock),
            ..annals_store::Options::default()
        },
    )?;
    let place = Place {
        store: Arc::new(store),
        transport,
        world: world.clone(),
        journal: None,
    };
    let services = vec![recorder.start(place).await.map_err(failure)?];
    let api = claim.api(world, &services);
    let at = SocketAddr::from(([127, 0, 0, 1], options.port));
    Ok(claim.serve(api, services, at, env!("CARGO_PKG_VERSION")).await?)
}

fn failure(error: StartError) -> Failure {
    let exit = match &error {
        StartError::Name(_) | StartError::Transport { .. } => Exit::Usage,
        _ => Exit::Failed,
    };
    Failure::new(exit, error.to_string())
}
