//! UmaDB under the workload, through its server: a process of its own, asked by gRPC over loopback.
//!
//! Durable as in process: a commit writes its pages, syncs data, writes a header page and syncs data again before it is answered. The
//! server has its own settings. All clients share one connection, since one for each takes more processor time. Long reads are one stream.

mod server;

use std::env;
use std::path::Path;
use std::time::{Duration, Instant};

use annals_bench_umadb::{condition, event, outcome, query, seen, tag_query};
use annals_bench_workload::{Fact, Guard, Outcome, Peer, Visit};
use anyhow::Result;
use umadb_client::AsyncUmaDbClient;
use umadb_dcb::{DcbEventStoreAsync, DcbQuery};

use server::Server;

/// How long a server may take to answer after a crash.
const START_MAX: Duration = Duration::from_secs(60);

struct Uma {
    client: AsyncUmaDbClient,
    server: Server,
}

fn main() -> Result<()> {
    let words: Vec<_> = env::args_os().skip(1).collect();
    match words.as_slice() {
        [first, dir] if first == server::SERVE => server::serve(Path::new(dir)),
        _ => annals_bench_workload::main::<Uma>(),
    }
}

impl Peer for Uma {
    async fn open(dir: &Path, _variant: &str) -> Result<Self> {
        let server = Server::start(dir)?;
        let began = Instant::now();
        let client = loop {
            match connect().await {
                Ok(client) => break client,
                Err(error) if began.elapsed() > START_MAX => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
            server.check()?;
        };
        Ok(Self { client, server })
    }

    async fn append(&self, facts: Vec<Fact>, guard: Option<Guard>) -> Result<Outcome> {
        let events = facts.into_iter().map(event).collect();
        outcome(self.client.append(events, guard.map(condition), None).await)
    }

    async fn scan(&self, visit: Visit<'_>) -> Result<()> {
        self.read(None, visit).await.map(|_| ())
    }

    async fn by_tag(&self, tag: &str, visit: Visit<'_>) -> Result<u64> {
        self.read(Some(tag_query(tag)), visit).await
    }

    async fn by_type(&self, kind: &str, visit: Visit<'_>) -> Result<()> {
        self.read(Some(query(&[kind], &[])), visit).await.map(|_| ())
    }

    fn crash_elsewhere(&self) -> Result<()> {
        self.server.crash()
    }

    fn resident_elsewhere_kib(&self) -> Option<u64> {
        self.server.resident_kib()
    }
}

impl Uma {
    /// Answers up to where the store was read.
    async fn read(&self, query: Option<DcbQuery>, visit: Visit<'_>) -> Result<u64> {
        let mut found = self.client.read(query, None, false, None).await?;
        loop {
            let events = found.next_batch().await?;
            if events.is_empty() {
                break;
            }
            for event in &events {
                visit(seen(event)?);
            }
        }
        Ok(found.head().await?.unwrap_or(0))
    }
}

/// Tries once.
async fn connect() -> Result<AsyncUmaDbClient> {
    Ok(AsyncUmaDbClient::connect_with_tls_options(Server::url(), None, None, None).await?)
}
