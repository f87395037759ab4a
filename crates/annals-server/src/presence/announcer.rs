//! The announcer: says again and again that the services of this node are there, and hears who else is.
//!
//! In: services and where their node answers. Out: announcements every five seconds or so, and a directory. Each service
//! announces itself through its own transport, so whoever can reach it by messages can know of it. A transport that
//! cannot broadcast is left alone.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use annals::Service;
use annals_core::port::transport::{Listener, SubscribeError, Topic, Transport};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::announcement::{Announcement, CHANNEL, LEASE, Said, State};
use super::directory::Directory;
use crate::drain::Drain;

/// Between two announcements, a fifth more or less.
const RENEWED: Duration = Duration::from_secs(5);
/// Whoever asks who is there has every answer after this.
pub const ANSWERED_WITHIN: Duration = Duration::from_millis(1_500);
/// Answers come at any moment within this, or a newcomer would be shouted at.
const JITTER: Duration = Duration::from_secs(1);
/// Between two tries to listen.
const PAUSE: Duration = Duration::from_secs(1);
/// For a word of goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// The presence of one node. Dropped, it falls silent; [`Presence::leave`] says goodbye first.
pub struct Presence {
    voices: Arc<Mutex<Vec<Voice>>>,
    // They end with it.
    running: JoinSet<()>,
}

/// A directory that one hears into and others look at.
pub type Shared = Arc<Mutex<Directory>>;

/// A service that speaks for itself.
struct Voice {
    service: Service,
    said: Announcement,
}

impl Presence {
    /// Begins to announce these services, which answer at `address`, and to hear of others into the directory. Must be
    /// called within a tokio runtime.
    pub fn start(
        services: &[Service],
        address: SocketAddr,
        version: &str,
        drain: Drain,
        directory: Shared,
    ) -> Self {
        let can = |service: &&Service| service.transport().capabilities().broadcast;
        let voices: Vec<Voice> = services
            .iter()
            .filter(can)
            .map(|service| Voice::new(service, address, version))
            .collect();
        let transport = voices.first().map(|voice| Arc::clone(voice.service.transport()));
        let voices = Arc::new(Mutex::new(voices));
        let asked = Arc::new(Notify::new());
        let mut running = JoinSet::new();
        if let Some(transport) = transport {
            running.spawn(speak(Arc::clone(&voices), Arc::clone(&asked), drain));
            running.spawn(listen(transport, directory, asked));
        }
        Self { voices, running }
    }

    /// Says goodbye, for at most a second.
    pub async fn leave(mut self) {
        self.running.abort_all();
        // A word that cannot be said is made up for by the lease.
        let _said = timeout(GOODBYE, say(&self.voices, Some(State::Gone))).await;
    }
}

impl Voice {
    fn new(service: &Service, address: SocketAddr, version: &str) -> Self {
        let world = service.world();
        let said = Announcement {
            service: service.name().clone(),
            instance: address.to_string().into(),
            incarnation: world.ids.next(world.clock.now()),
            seq: 0,
            version: version.into(),
            state: State::Starting,
            address,
            started: world.clock.now(),
            takes: service.commands(),
            hears: service.topics(),
            publishes: vec![service.name().clone()],
            lease_ms: LEASE.as_millis() as u64,
        };
        Self {
            service: service.clone(),
            said,
        }
    }

    /// The next announcement, and through what it goes.
    fn next(&mut self, state: Option<State>) -> (Arc<dyn Transport>, Said) {
        let well = self.service.trouble().is_none();
        self.said.state = match (state, well, self.said.state) {
            (Some(state), _, _) => state,
            (None, true, _) => State::Ready,
            (None, false, State::Starting) => State::Starting,
            (None, false, _) => State::Troubled,
        };
        self.said.seq += 1;
        (
            Arc::clone(self.service.transport()),
            Said::Here(Box::new(self.said.clone())),
        )
    }
}

pub(crate) fn locked<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every voice speaks once.
async fn say(voices: &Mutex<Vec<Voice>>, state: Option<State>) {
    let words: Vec<_> = locked(voices).iter_mut().map(|voice| voice.next(state)).collect();
    for (transport, said) in words {
        if let Err(error) = transport
            .broadcast(Topic::new_static(CHANNEL), said.encode())
            .await
        {
            tracing::debug!("an announcement was not said: {error}");
        }
    }
}

/// Speaks for ever: every few seconds, soon after somebody asked, and at once when the node begins to stop.
async fn speak(voices: Arc<Mutex<Vec<Voice>>>, asked: Arc<Notify>, drain: Drain) {
    // The end of a UUIDv7 is random.
    let dice = locked(&voices)
        .first()
        .map_or(0, |voice| voice.said.incarnation.as_u128() as u64);
    let mut turn = 0_u64;
    loop {
        let draining = drain.has_begun().then_some(State::Draining);
        say(&voices, draining).await;
        turn += 1;
        // Nodes that started together do not speak together.
        let share = (dice.rotate_left((turn % 64) as u32) % 1_000) as f64 / 1_000.0;
        tokio::select! {
            () = sleep(RENEWED.mul_f64(0.8 + 0.4 * share)) => {}
            () = asked.notified() => sleep(JITTER.mul_f64(share)).await,
            () = drain.begun(), if draining.is_none() => {}
        }
    }
}

/// Listens for ever, and again when that is lost.
async fn listen(transport: Arc<dyn Transport>, directory: Shared, asked: Arc<Notify>) {
    loop {
        match listen_for(&*transport).await {
            Err(error) => tracing::debug!("nobody can be heard: {error}"),
            Ok(mut listener) => {
                locked(&directory).hears(true);
                // Whoever speaks every few seconds and does not even hear himself is deaf.
                while let Ok(Ok(said)) = timeout(LEASE, listener.next()).await {
                    match Said::decode(&said) {
                        Ok(Said::Here(announcement)) => {
                            locked(&directory).hear(*announcement, Instant::now());
                        }
                        Ok(Said::WhoIsThere) => asked.notify_one(),
                        Err(error) => tracing::debug!("something was said that no node says: {error}"),
                    }
                }
            }
        }
        locked(&directory).hears(false);
        sleep(PAUSE).await;
    }
}

/// Listens to nodes from now on, and asks who is there.
///
/// # Errors
/// The transport cannot broadcast, or is not there.
pub async fn listen_for(transport: &dyn Transport) -> Result<Box<dyn Listener>, SubscribeError> {
    let channel = Topic::new_static(CHANNEL);
    let listener = transport.listen(channel.clone()).await?;
    transport.broadcast(channel, Said::WhoIsThere.encode()).await?;
    Ok(listener)
}
