//! A program: its name, its verbs, and what happens from the arguments to the exit code.
//!
//! In: arguments. Out: the verb's doing. Errors are printed here and nowhere else; Ctrl-C ends whatever a verb does,
//! unless the verb itself knows how to stop.

use std::error::Error;
use std::ffi::OsString;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::exit::{Exit, TABLE};
use crate::failure::Failure;
use crate::identity;
use crate::notes::Notes;
use crate::session::Session;
use crate::settings::Settings;
use crate::stop::{Serving, Stop};
use crate::verbs;

/// What is still running when a verb has ended is given up after this long.
const LEFTOVERS: Duration = Duration::from_millis(100);

type Ended = Result<(), Box<dyn Error + Send + Sync>>;
type Serve = Box<dyn FnOnce(Serving) -> Pin<Box<dyn Future<Output = Ended> + Send>> + Send>;

/// A program with every verb.
pub struct Program {
    name: &'static str,
    version: &'static str,
    serve: Option<Serve>,
}

#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true, next_line_help = false)]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the order system: four services, a recorder, and a payment provider
    #[cfg(feature = "demo")]
    Demo(verbs::demo::Options),
    /// Run this program's services
    Serve {
        /// The port on loopback; 0 lets the system choose
        #[arg(long, default_value_t = 4000)]
        port: u16,
    },
    /// Write a small service crate that compiles and passes its test
    New(verbs::new::Options),
    /// Send a command to a service
    Send(verbs::send::Options),
    /// Follow events as they are recorded
    Tail(verbs::tail::Options),
    /// List events, show one
    #[command(subcommand)]
    Event(verbs::event::Verb),
    /// Show a thing as it is or was, and how it became so
    #[command(subcommand)]
    Entity(verbs::entity::Verb),
    /// Show what followed from a request, and what is still owed
    #[command(subcommand)]
    Request(verbs::request::Verb),
    /// Show how services and subscriptions stand
    Status,
    /// List parked messages, take them up again
    #[command(subcommand)]
    Parked(verbs::parked::Verb),
    /// List the services that announced themselves
    #[command(subcommand)]
    Service(verbs::service::Verb),
    /// Check every byte of every store
    Verify(verbs::verify::Options),
    /// Keep every message of a broker, whoever sent it
    #[cfg(feature = "brokers")]
    Record(verbs::record::Options),
    /// Copy every store of the data folder, also while its node runs
    Backup(verbs::backup::Backup),
    /// Make the stores of a data folder from a backup
    Restore(verbs::backup::Restore),
    /// Keep the states of a service's models, before its store is truncated
    Snapshot(verbs::snapshot::Options),
    /// Move the oldest events of a store to an archive; no node may run on it
    Truncate(verbs::truncate::Options),
    /// Write the events of a store as lines of CloudEvents
    Export(verbs::export::Options),
    /// Take lines of CloudEvents into a store
    Import(verbs::import::Options),
    /// Run the payment provider of the demo
    #[cfg(feature = "demo")]
    #[command(hide = true)]
    Provider(verbs::provider::Options),
}

impl Verb {
    /// Whether it ends in order by itself when it is interrupted.
    fn stops_itself(&self) -> bool {
        match self {
            #[cfg(feature = "demo")]
            Self::Demo(_) | Self::Provider(_) => true,
            #[cfg(feature = "brokers")]
            Self::Record(_) => true,
            Self::Serve { .. } => true,
            _ => false,
        }
    }
}

/// The binary `annals`: runs the arguments of the process.
pub fn main() -> ExitCode {
    Program::new("annals", env!("CARGO_PKG_VERSION")).run(std::env::args_os())
}

impl Program {
    /// A program of this name and version.
    pub fn new(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            serve: None,
        }
    }

    /// Adds the verb `serve`: runs the program's own node until [`Serving::stop`] is asked.
    #[must_use]
    pub fn serves<F>(mut self, serve: impl FnOnce(Serving) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Ended> + Send + 'static,
    {
        self.serve = Some(Box::new(|serving| Box::pin(serve(serving))));
        self
    }

    /// Runs one command line; the first argument is the program's own name, as in [`std::env::args_os`].
    ///
    /// Prints what went wrong to stderr; the exit code tells it to scripts, see [`Exit`].
    pub fn run(self, arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
        identity::set(self.name, if self.serve.is_some() { "serve" } else { "demo" });
        let arguments = match self.read(arguments) {
            Ok(arguments) => arguments,
            Err(error) => {
                // Where nobody reads the help, nobody misses it.
                let _unread = error.print();
                return if error.use_stderr() { Exit::Usage } else { Exit::Ok }.into();
            }
        };
        let Arguments {
            verb: Some(verb),
            settings,
        } = arguments
        else {
            let _unread = self.command().print_help();
            return Exit::Ok.into();
        };
        let mut session = Session::new(settings);
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let failure = Failure::new(Exit::Failed, format!("the system gives no threads: {error}"));
                return end(Err(failure), &session.notes);
            }
        };
        log(&session);
        let outcome = runtime.block_on(self.verb(verb, &mut session));
        let outcome = outcome.and_then(|()| session.out.flush());
        runtime.shutdown_timeout(LEFTOVERS);
        end(outcome, &session.notes)
    }

    fn command(&self) -> clap::Command {
        let first = match self.serve {
            Some(_) => "serve           # run the services",
            None => "demo            # run the order system",
        };
        let name = self.name;
        let steps = [
            first,
            "tail            # in a second terminal: what happens",
            "entity show order/ID --at -1",
        ];
        let steps = steps.map(|step| format!("  {name} {step}\n")).concat();
        let help = format!("First steps:\n{steps}\n{TABLE}");
        let serves = self.serve.is_some();
        Arguments::command()
            .name(self.name)
            .bin_name(self.name)
            .version(self.version)
            .about(
                "Message-driven, event-sourced services: look at them, talk to them, travel in their time.",
            )
            .after_help(help)
            .mut_subcommand("serve", |serve| serve.hide(!serves))
    }

    fn read(
        &self,
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Arguments, clap::Error> {
        let mut command = self.command();
        let matches = command.try_get_matches_from_mut(arguments)?;
        Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }

    async fn verb(self, verb: Verb, session: &mut Session) -> Result<(), Failure> {
        if verb.stops_itself() {
            return self.carry_out(verb, session).await;
        }
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, "interrupted")),
            outcome = self.carry_out(verb, session) => outcome,
        }
    }

    async fn carry_out(self, verb: Verb, session: &mut Session) -> Result<(), Failure> {
        match verb {
            #[cfg(feature = "demo")]
            Verb::Demo(options) => verbs::demo::run(options, session).await,
            #[cfg(feature = "demo")]
            Verb::Provider(options) => verbs::provider::run(options, session).await,
            #[cfg(feature = "brokers")]
            Verb::Record(options) => verbs::record::run(options, session).await,
            Verb::Serve { port } => self.serve(port, session).await,
            Verb::New(options) => verbs::new::run(options, session),
            Verb::Send(options) => verbs::send::run(options, session).await,
            Verb::Tail(options) => verbs::tail::run(options, session).await,
            Verb::Event(verb) => verbs::event::run(verb, session).await,
            Verb::Entity(verb) => verbs::entity::run(verb, session).await,
            Verb::Request(verb) => verbs::request::run(verb, session).await,
            Verb::Status => verbs::status::run(session).await,
            Verb::Parked(verb) => verbs::parked::run(verb, session).await,
            Verb::Service(verb) => verbs::service::run(verb, session).await,
            Verb::Backup(options) => verbs::backup::run(options, session).await,
            Verb::Restore(options) => verbs::backup::restore(options, session).await,
            Verb::Snapshot(options) => verbs::snapshot::run(options, session).await,
            Verb::Truncate(options) => verbs::truncate::run(options, session).await,
            Verb::Export(options) => verbs::export::run(options, session).await,
            Verb::Import(options) => verbs::import::run(options, session).await,
            Verb::Verify(options) => verbs::verify::run(options, session).await,
        }
    }

    async fn serve(self, port: u16, session: &Session) -> Result<(), Failure> {
        let Some(serve) = self.serve else {
            let failure = Failure::usage(format!("{} has no services of its own", self.name));
            return Err(failure.hint(format!("run the example with `{}`", identity::start())));
        };
        let stop = Stop::listen();
        let data = session.settings.data.clone();
        let serving = Serving {
            data,
            port,
            stop: stop.clone(),
        };
        tokio::select! {
            ended = serve(serving) => ended.map_err(|error| Failure::new(Exit::Failed, error.to_string())),
            () = stop.insisted() => Err(Failure::new(Exit::Interrupted, "interrupted")),
        }
    }
}

/// Logs go to stderr: warnings, with `-v` more. `RUST_LOG` says it in detail.
fn log(session: &Session) {
    let level = match (session.settings.quiet, session.settings.verbose) {
        (true, _) => "error",
        // Attempts that fail and are tried again are many where a payment provider is slow, and none is the last word.
        (false, 0) => "warn,annals::inbox=error",
        (false, 1) => "info",
        (false, 2) => "debug",
        (false, _) => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let notes = session.notes.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .with_writer(move || notes.clone());
    // A program that logs in its own way keeps it.
    let _own = subscriber.try_init();
}

fn end(outcome: Result<(), Failure>, notes: &Notes) -> ExitCode {
    match outcome {
        Ok(()) => Exit::Ok.into(),
        Err(failure) if failure.unread => Exit::Ok.into(),
        Err(failure) => {
            notes.failure(&failure);
            failure.exit.into()
        }
    }
}

#[cfg(test)]
mod tests;
