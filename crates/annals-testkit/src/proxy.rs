//! A proxy that fails as networks do: between a program and a server it cuts, stalls, delays and damages what passes.
//!
//! In: the address of a server, and a [`Weather`] that may change at any time. Out: an address of its own on loopback.
//! What passes in [`Weather::Clear`] is untouched. It knows no protocol.
//!
//! Invariant: it never invents or reorders bytes; only [`Weather::Damaged`] changes any.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Taken from a connection at once, in bytes.
const CHUNK: usize = 16 << 10;
/// In slow weather bytes pass so often.
const TICK: Duration = Duration::from_millis(50);

/// One of the two ways of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What happens to connections, those that stand and those that come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Everything passes.
    Clear,
    /// Connections are closed, new ones too.
    Cut,
    /// The server's end is gone and the client is not told: what it sends vanishes. When the weather changes, its
    /// connection is reset.
    HalfOpen,
    /// Every piece is held back for so long.
    Delayed(Duration),
    /// So many bytes a second pass each way.
    Slow(u64),
    /// Whoever sends has the first half of that delivered, and then both ends are reset.
    ResetInFrame,
    /// One way is stalled; when the weather changes, what was sent meanwhile goes on, as after retransmission.
    Stalled(Way),
    /// The first byte of every piece that passes this way has its highest bit turned over.
    Damaged(Way),
}

/// A running proxy. Dropped, it closes every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    accepted: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens at `address`, port 0 for any free one, and passes connections on to `server`. Must be called within a
    /// tokio runtime with time and I/O.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn start(address: SocketAddr, server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (weather, seen) = watch::channel(Weather::Clear);
        let accepted = Arc::new(AtomicU64::new(0));
        let accepting = tokio::spawn(accept(listener, server, seen, Arc::clone(&accepted)));
        Ok(Self {
            address,
            weather,
            accepted,
            accepting,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections came, those included that the weather closed at once.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Changes the weather, at once and for every connection.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    weather: watch::Receiver<Weather>,
    count: Arc<AtomicU64>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    count.fetch_add(1, Ordering::Relaxed);
                    connections.spawn(carry(client, server, weather.clone()));
                }
                // Out of file handles, most likely; they come back when connections end.
                Err(_) => tokio::time::sleep(TICK).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection until either end closes, or the weather does.
async fn carry(client: TcpStream, server: SocketAddr, mut weather: watch::Receiver<Weather>) {
    if *weather.borrow() == Weather::Cut {
        return;
    }
    if *weather.borrow() == Weather::HalfOpen {
        return vanish(client.into_split().0, &mut weather).await;
    }
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    // What programs send in small pieces passes in small pieces.
    let _best_effort = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut there = Pipe::new(Way::ToServer, from_client, to_server, weather.clone());
    let mut back = Pipe::new(Way::ToClient, from_server, to_client, weather.clone());
    let ended = tokio::select! {
        ended = there.run() => ended,
        ended = back.run() => ended,
    };
    match ended {
        Ended::Closed => {}
        Ended::Reset => {
            there.reset();
            back.reset();
        }
        Ended::HalfOpen => {
            let Pipe { from, .. } = there;
            let Pipe { from: server, to, .. } = back;
            drop(server);
            vanish(from, &mut weather).await;
            drop(to);
        }
    }
}

/// Swallows what a client sends until the weather changes, and resets it then.
async fn vanish(mut from: OwnedReadHalf, weather: &mut watch::Receiver<Weather>) {
    let mut swallowed = [0; CHUNK];
    loop {
        tokio::select! {
            changed = weather.wait_for(|now| *now != Weather::HalfOpen) => {
                drop(changed);
                reset(from.as_ref());
                return;
            }
            read = from.read(&mut swallowed) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            },
        }
    }
}

/// Closing it will tell the other end that the connection broke.
fn reset(stream: &TcpStream) {
    // An error means that it is closed already.
    let _closed = stream.set_zero_linger();
}

/// Why a connection ended.
enum Ended {
    Closed,
    Reset,
    HalfOpen,
}

/// One way of one connection.
struct Pipe {
    way: Way,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    weather: watch::Receiver<Weather>,
}

impl Pipe {
    fn new(way: Way, from: OwnedReadHalf, to: OwnedWriteHalf, weather: watch::Receiver<Weather>) -> Self {
        Self {
            way,
            from,
            to,
            weather,
        }
    }

    fn reset(&self) {
        reset(self.from.as_ref());
        reset(self.to.as_ref());
    }

    async fn run(&mut self) -> Ended {
        let mut chunk = vec![0; CHUNK];
        loop {
            let now = *self.weather.borrow_and_update();
            match now {
                Weather::Cut => return Ended::Closed,
                Weather::HalfOpen => return Ended::HalfOpen,
                Weather::Stalled(way) if way == self.way => {
                    if self.weather.changed().await.is_err() {
                        return Ended::Closed;
                    }
                    continue;
                }
                _ => {}
            }
            let read = tokio::select! {
                changed = self.weather.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return Ended::Closed,
                },
                read = self.from.read(&mut chunk) => read,
            };
            let passed = match read {
                Ok(0) | Err(_) => return Ended::Closed,
                Ok(count) => self.pass(&mut chunk[..count]).await,
            };
            if let Err(ended) = passed {
                return ended;
            }
        }
    }

    /// Passes a piece on in the weather of this moment.
    async fn pass(&mut self, piece: &mut [u8]) -> Result<(), Ended> {
        let now = *self.weather.borrow();
        match now {
            Weather::Delayed(time) => tokio::time::sleep(time).await,
            Weather::Slow(rate) => return self.trickle(piece, rate).await,
            Weather::Damaged(way) if way == self.way => piece[0] ^= 0x80,
            Weather::ResetInFrame => {
                // Whether half of it still arrives is the network's to say.
                let _half = self.to.write_all(&piece[..piece.len() / 2]).await;
                return Err(Ended::Reset);
            }
            // The piece was taken just before the way was closed to it.
            Weather::Stalled(way) if way == self.way => {
                let changed = self.weather.wait_for(|now| *now != Weather::Stalled(way)).await;
                drop(changed);
            }
            _ => {}
        }
        self.to.write_all(piece).await.map_err(|_| Ended::Closed)
    }

    /// Passes a piece on as slowly as the weather is.
    async fn trickle(&mut self, piece: &[u8], rate: u64) -> Result<(), Ended> {
        let each = (u128::from(rate) * TICK.as_millis() / 1_000).max(1) as usize;
        for part in piece.chunks(each) {
            self.to.write_all(part).await.map_err(|_| Ended::Closed)?;
            let still = matches!(*self.weather.borrow(), Weather::Slow(_));
            if still {
                tokio::time::sleep(TICK).await;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
