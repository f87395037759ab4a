//! Real servers for tests, on loopback, in a folder and on ports of the project's own.
//!
//! In: which servers, and what to do with them. Out: servers that run and outlive the command, or that are gone.
//! Invariants: a server that runs already is left alone; only processes that were started here are ever signalled;
//! data stays until it is wiped; two commands never start or stop the same server at once. No root is needed.
//! It does not know what the servers are used for.

use std::{
    fmt, fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::Signal;

mod table;
mod place;
mod process;
mod ready;
mod artifacts;
mod debian;
mod python;
mod rocksdb;
mod rabbitmq;
mod kafka;
mod activemq;
mod artemis;
mod nats;
mod s3;

pub(crate) use place::Place;
pub(crate) use python::environment as python;
pub(crate) use rocksdb::library as rocksdb;
pub(crate) use table::Server;

use process::Noted;

/// Longest wait until a started server answers.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Longest wait until a server that was asked to stop has stopped.
const STOPPED_WITHIN: Duration = Duration::from_secs(20);
/// Folders of a run that `wipe` removes.
const RUN_FOLDERS: [&str; 3] = ["conf", "data", "log"];
/// The note of the server itself; others beside it are of its daemons.
const NOTE: &str = "server.pid";
/// Held by the command that starts or stops the server.
const LOCK: &str = "run";

/// How a server came up.
#[derive(Debug)]
pub(crate) enum Up {
    /// It ran already.
    Running,
    /// It was started.
    Started {
        /// From its first preparation until it answered.
        ready: Duration,
    },
    /// It cannot be had on this machine, for that reason.
    Missing(anyhow::Error),
    /// It was had, but did not start.
    Failed(anyhow::Error),
}

impl fmt::Display for Up {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("runs already"),
            Self::Started { ready } => write!(f, "ready after {:.1} s", ready.as_secs_f64()),
            Self::Missing(why) => write!(f, "not to be had: {why:#}"),
            Self::Failed(why) => write!(f, "FAILED: {why:#}"),
        }
    }
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Running {
    /// Which.
    pub(crate) server: Server,
    /// Where clients find it.
    pub(crate) url: String,
    /// Its process.
    pub(crate) pid: i32,
    /// Whether it is paused.
    pub(crate) paused: bool,
}

/// Brings servers up, all at once, and answers how each came up, in the order in which they were asked for.
pub(crate) fn up(place: &Place, servers: &[Server]) -> Vec<(Server, Up)> {
    thread::scope(|scope| {
        let started: Vec<_> = servers
            .iter()
            .map(|server| (*server, scope.spawn(|| up_one(place, *server))))
            .collect();
        let joined = started.into_iter().map(|(server, thread)| {
            let up = thread.join();
            let up = up.unwrap_or_else(|_| Up::Failed(anyhow!("bringing it up panicked")));
            (server, up)
        });
        joined.collect()
    })
}

fn up_one(place: &Place, server: Server) -> Up {
    let up = match already(place, server) {
        Ok(true) => Up::Running,
        Ok(false) => fetch_and_start(place, server),
        Err(error) => Up::Failed(error),
    };
    println!("   {server}: {up}");
    up
}

/// Whether the server runs. One that another command is just starting is waited for.
fn already(place: &Place, server: Server) -> Result<bool> {
    if living(place, server)?.is_none() {
        return Ok(false);
    }
    let _held = artifacts::lock(&place.run(server), LOCK)?;
    still(place, server)
}

/// As [`already`], by who holds the lock.
fn still(place: &Place, server: Server) -> Result<bool> {
    let Some(noted) = living(place, server)? else {
        return Ok(false);
    };
    // A paused one answers nobody, as is meant.
    if !noted.paused() {
        answers(place, server, &noted)?;
    }
    Ok(true)
}

fn fetch_and_start(place: &Place, server: Server) -> Up {
    let artifact = match server {
        Server::RabbitMq => rabbitmq::fetch(place),
        Server::Kafka => kafka::fetch(place),
        Server::ActiveMq => activemq::fetch(place),
        Server::Artemis => artemis::fetch(place),
        Server::Nats => nats::fetch(place),
        Server::S3 => s3::fetch(place),
    };
    match artifact {
        Ok(artifact) => start(place, server, &artifact).unwrap_or_else(Up::Failed),
        Err(why) => Up::Missing(why),
    }
}

fn start(place: &Place, server: Server, artifact: &Path) -> Result<Up> {
    let run = place.run(server);
    let _held = artifacts::lock(&run, LOCK)?;
    if still(place, server)? {
        return Ok(Up::Running);
    }
    for folder in RUN_FOLDERS {
        artifacts::create(&run.join(folder))?;
    }
    // A daemon of a server that was killed still holds its port, which is the last, and is taken over.
    let ports = place.ports(server);
    let own = ports.len() - usize::from(!daemons(place, server)?.is_empty());
    if let Some(port) = ready::taken(&ports[..own]) {
        bail!(
            "port {port} is taken by somebody else; stop them, or set ANNALS_SERVICES_DIR to the folder of those who \
             run {server} there, or ANNALS_SERVICES_SHIFT to a number that is added to every port"
        );
    }
    let begun = Instant::now();
    let started = launch(place, server, artifact).and_then(|noted| answers(place, server, &noted));
    if let Err(error) = started {
        stop(place, server)?;
        return Err(error);
    }
    let ready = begun.elapsed();
    Ok(Up::Started { ready })
}

fn launch(place: &Place, server: Server, artifact: &Path) -> Result<Noted> {
    let launch = match server {
        Server::RabbitMq => rabbitmq::launch(place, artifact),
        Server::Kafka => kafka::launch(place, artifact),
        Server::ActiveMq => activemq::launch(place, artifact),
        Server::Artemis => artemis::launch(place, artifact),
        Server::Nats => nats::launch(place, artifact),
        Server::S3 => s3::launch(place, artifact),
    }?;
    process::start(&launch, &place.run(server).join(NOTE))
}

/// Waits until the server answers.
fn answers(place: &Place, server: Server, noted: &Noted) -> Result<()> {
    let log = place.run(server).join(process::LOG);
    let begun = Instant::now();
    loop {
        let Err(why) = ready::ask(server, place.port(server)) else {
            return Ok(());
        };
        if !noted.alive() {
            bail!("{server} ended before it was ready{}", process::tail(&log));
        }
        if begun.elapsed() > READY_WITHIN {
            let seconds = READY_WITHIN.as_secs();
            bail!(
                "{server} was not ready after {seconds} s: {why}{}",
                process::tail(&log)
            );
        }
        thread::sleep(process::LOOK_EVERY);
    }
}

fn living(place: &Place, server: Server) -> Result<Option<Noted>> {
    Noted::living(&place.run(server).join(NOTE))
}

/// Daemons that the server left or started beside it.
fn daemons(place: &Place, server: Server) -> Result<Vec<Noted>> {
    let run = place.run(server);
    let Ok(entries) = fs::read_dir(&run) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot list {}", run.display()))?
            .path();
        let note = path.extension().is_some_and(|e| e == "pid") && !path.ends_with(NOTE);
        if note {
            found.extend(Noted::living(&path)?);
        }
    }
    Ok(found)
}

/// Which version of a server is run here.
///
/// # Errors
/// It was not fetched.
pub(crate) fn version(place: &Place, server: Server) -> Result<String> {
    Ok(match server {
        Server::RabbitMq => rabbitmq::version(place)?,
        Server::Kafka => table::KAFKA.to_owned(),
        Server::ActiveMq => table::ACTIVEMQ.to_owned(),
        Server::Artemis => table::ARTEMIS.to_owned(),
        Server::Nats => table::NATS.to_owned(),
        Server::S3 => table::VERSITYGW.to_owned(),
    })
}

/// Stops servers, all at once; with `wipe`, removes their data, settings and logs too.
///
/// # Errors
/// A process cannot be stopped, or a folder cannot be removed; the others are stopped all the same.
pub(crate) fn down(place: &Place, servers: &[Server], wipe: bool) -> Result<()> {
    let results: Vec<Result<()>> = thread::scope(|scope| {
        let threads: Vec<_> = servers
            .iter()
            .map(|server| scope.spawn(move || down_one(place, *server, wipe)))
            .collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined
            .map(|done| done.unwrap_or_else(|_| Err(anyhow!("stopping it panicked"))))
            .collect()
    });
    results.into_iter().collect()
}

/// Removes the data, settings and logs of those that do not run; those that run are left alone.
///
/// # Errors
/// As [`down`] and [`status`].
pub(crate) fn clear(place: &Place, servers: &[Server]) -> Result<()> {
    let running: Vec<Server> = status(place)?.iter().map(|running| running.server).collect();
    let idle = servers.iter().copied().filter(|server| !running.contains(server));
    down(place, &idle.collect::<Vec<_>>(), true)
}

fn down_one(place: &Place, server: Server, wipe: bool) -> Result<()> {
    let run = place.run(server);
    if !run.exists() {
        return Ok(());
    }
    let _held = artifacts::lock(&run, LOCK)?;
    if stop(place, server)? {
        println!("   {server}: stopped");
    }
    for folder in RUN_FOLDERS
        .iter()
        .map(|folder| run.join(folder))
        .filter(|f| wipe && f.exists())
    {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// Stops the server and its daemons and answers whether it ran.
fn stop(place: &Place, server: Server) -> Result<bool> {
    let living = living(place, server)?;
    if let Some(noted) = living {
        noted
            .stop(STOPPED_WITHIN)
            .with_context(|| format!("{server} does not stop"))?;
    }
    for daemon in daemons(place, server)? {
        daemon
            .stop(STOPPED_WITHIN)
            .with_context(|| format!("a daemon of {server} does not stop"))?;
    }
    Ok(living.is_some())
}

/// The servers that run.
///
/// # Errors
/// A pid file cannot be read.
pub(crate) fn status(place: &Place) -> Result<Vec<Running>> {
    let mut running = Vec::new();
    for server in Server::ALL {
        running.extend(living(place, server)?.map(|noted| Running {
            server,
            url: place.url(server),
            pid: noted.pid,
            paused: noted.paused(),
        }));
    }
    Ok(running)
}

/// Kills a server as a crash would, its data left as they are.
///
/// # Errors
/// It does not run, or cannot be killed.
pub(crate) fn kill(place: &Place, server: Server) -> Result<()> {
    running(place, server)?.kill()
}

/// Stops the clock of a server, its connections left open, or lets it go on.
///
/// # Errors
/// It does not run, or cannot be signalled.
pub(crate) fn pause(place: &Place, server: Server, paused: bool) -> Result<()> {
    let signal = if paused { Signal::STOP } else { Signal::CONT };
    running(place, server)?.signal(signal)
}

/// Lets a server believe that its disk is full, or that it has room again. RabbitMQ alone can be told so.
///
/// # Errors
/// It does not run, does not answer, or cannot be told.
pub(crate) fn fill(place: &Place, server: Server, full: bool) -> Result<()> {
    running(place, server)?;
    match server {
        Server::RabbitMq => rabbitmq::fill(place, &rabbitmq::fetch(place)?, full),
        other => bail!("{other} cannot be told that its disk is full; rabbitmq can"),
    }
}

fn running(place: &Place, server: Server) -> Result<Noted> {
    living(place, server)?
        .with_context(|| format!("{server} does not run; start it with `cargo xtask services up {server}`"))
}
