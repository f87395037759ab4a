//! UmaDB's core under the workload, in process, without its server.
//!
//! Durable: a commit writes its pages, syncs data, writes a header page and syncs data again before it is answered. The
//! writer is UmaDB's own thread in the mode its server takes (`writer_thread_blocking`, groups of up to 2,048 events); file I/O,
//! no page cache, everything else as it comes. Long reads go in pages of 1,024 events, as its server reads.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use annals_bench_umadb::{condition, event, outcome, query, seen, tag_query};
use annals_bench_workload::{Fact, Guard, Outcome, Peer, Visit};
use anyhow::{Context, Result, anyhow};
use tokio::sync::{mpsc, oneshot, watch};
use umadb_core::db::UmaDb;
use umadb_core::mvcc::{Mvcc, StorageOptions};
use umadb_core::writer_thread_blocking::writer_thread_blocking;
use umadb_core::writer_thread_request::WriterThreadRequest;
use umadb_dcb::{DcbEventStoreSync, DcbQuery};

const PAGE_EVENTS: u32 = 1_024;
const GROUP_EVENTS_MAX: usize = 2_048;
const QUEUE: usize = 10_000;

struct Uma {
    store: UmaDb,
    requests: mpsc::Sender<WriterThreadRequest>,
}

fn main() -> Result<()> {
    annals_bench_workload::main::<Uma>()
}

impl Peer for Uma {
    async fn open(dir: &Path, _variant: &str) -> Result<Self> {
        let mvcc = Arc::new(Mvcc::new(false, StorageOptions::default().db_path(dir))?);
        let (requests, queue) = mpsc::channel(QUEUE);
        let (head, _) = watch::channel(None);
        let pages = mvcc.clone();
        thread::spawn(move || writer_thread_blocking(pages, queue, head, GROUP_EVENTS_MAX));
        Ok(Self {
            store: UmaDb::from_arc(mvcc),
            requests,
        })
    }

    async fn append(&self, facts: Vec<Fact>, guard: Option<Guard>) -> Result<Outcome> {
        let (response_tx, answer) = oneshot::channel();
        let request = WriterThreadRequest::Append {
            events: facts.into_iter().map(event).collect(),
            condition: guard.map(condition),
            tracking_info: None,
            response_tx,
            cancel: None,
        };
        let sent = self.requests.send(request).await;
        sent.map_err(|_| anyhow!("the writer has ended"))?;
        outcome(answer.await.context("the writer has ended")?)
    }

    async fn scan(&self, visit: Visit<'_>) -> Result<()> {
        self.pages(&DcbQuery::default(), visit)
    }

    async fn by_tag(&self, tag: &str, visit: Visit<'_>) -> Result<u64> {
        let mut found = self.store.read(Some(tag_query(tag)), None, false, None)?;
        let (events, head) = found.collect_with_head()?;
        for event in &events {
            visit(seen(event)?);
        }
        Ok(head.unwrap_or(0))
    }

    async fn by_type(&self, kind: &str, visit: Visit<'_>) -> Result<()> {
        self.pages(&query(&[kind], &[]), visit)
    }
}

impl Uma {
    fn pages(&self, query: &DcbQuery, visit: Visit<'_>) -> Result<()> {
        let mut from = 0;
        loop {
            let query = Some(query.clone());
            let mut found = self.store.read(query, Some(from), false, Some(PAGE_EVENTS))?;
            let (events, _) = found.collect_with_head()?;
            for event in &events {
                visit(seen(event)?);
            }
            match events.last() {
                Some(last) if events.len() == PAGE_EVENTS as usize => from = last.position + 1,
                _ => return Ok(()),
            }
        }
    }
}
