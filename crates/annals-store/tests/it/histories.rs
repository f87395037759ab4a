//! Many clients of one store at once, on a real disk, judged exactly: see [`annals_testkit::history`].
//!
//! `ANNALS_HISTORY_OPERATIONS` says how many operations (50,000), `ANNALS_HISTORY_SEED` what they are (1).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use annals_core::port::store::{Append, AppendError, Appended, BoxFuture, EventStore, Page, Read, ReadError};
use annals_core::position::Position;
use annals_core::time::Timestamp;
use annals_store::{EmbeddedStore, IndexOptions, Options};
use annals_testkit::history::judge::{Counts, judge};
use annals_testkit::history::load::{self, Load};

use crate::torture::number_from;

const CLIENTS: u64 = 32;

/// Small segments and parts, so that a history crosses many of them.
fn options() -> Options {
    Options {
        segment_bytes_first: 64 << 10,
        segment_bytes_max: 4 << 20,
        index: IndexOptions {
            part_events_max: 3_000,
            ..IndexOptions::default()
        },
        ..Options::new()
    }
}

fn told(store: Arc<dyn EventStore>, operations: u64, seed: u64) -> Result<Counts, String> {
    let load = Load {
        clients: CLIENTS,
        operations,
        seed,
    };
    let seen = load::run(&store, &load)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let log = runtime.block_on(load::log(&*store))?;
    judge(&log, &seen)
}

#[test]
fn many_clients_are_told_one_history() {
    let operations = number_from("ANNALS_HISTORY_OPERATIONS", 50_000);
    let seed = number_from("ANNALS_HISTORY_SEED", 1);
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path(), options()).unwrap();
    let began = Instant::now();
    let counts = told(Arc::new(store), operations, seed).unwrap_or_else(|wrong| panic!("{wrong}"));
    println!(
        "{CLIENTS} clients in {:.1} s: {counts:?}",
        began.elapsed().as_secs_f32()
    );
    // A judge with nothing to judge says yes to everything.
    let each = [counts.conditional, counts.refused, counts.repeated, counts.reads];
    let enough = operations / 100;
    assert!(each.iter().all(|count| *count >= enough), "{counts:?}");
    assert!(counts.unknown > 0 && counts.unknown_there > 0, "{counts:?}");
}

/// A mistake that is made once in a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// Conditions are not looked at.
    ForgetConditions,
    /// A read does not see the newest event.
    ReadOldEnd,
    /// A read leaves an event out.
    LoseOneOfPage,
    /// An append is acknowledged and not kept.
    KeepNothing,
    /// The same append again is told to be new.
    TakeRepetitionForNew,
    /// A position is told that is one too high.
    TellNextPosition,
    /// A condition looks from one position too early.
    LookTooEarly,
}

/// A store with a mistake.
struct Mistaken {
    store: EmbeddedStore,
    mistake: Mistake,
    calls: AtomicU64,
}

/// One call in so many goes wrong.
const ONCE_IN: u64 = 200;

impl Mistaken {
    fn now(&self, mistake: Mistake) -> bool {
        self.mistake == mistake && self.calls.fetch_add(1, Ordering::Relaxed) % ONCE_IN == ONCE_IN - 1
    }
}

impl EventStore for Mistaken {
    fn append(&self, mut append: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
        use annals_core::condition::Condition;
        if self.now(Mistake::ForgetConditions) {
            append.conditions.clear();
        }
        if self.mistake == Mistake::LookTooEarly {
            for condition in &mut append.conditions {
                if let Condition::NoMatch { from, .. } = condition {
                    *from = Position::new(from.get().saturating_sub(1));
                }
            }
        }
        let (as_new, too_high, nothing) = (
            self.mistake == Mistake::TakeRepetitionForNew,
            self.now(Mistake::TellNextPosition),
            self.now(Mistake::KeepNothing),
        );
        if nothing {
            let (end, events) = (self.store.end(), append.events.len() as u64);
            let appended = Appended {
                first: end,
                count: events,
                recorded: Timestamp::EPOCH,
                duplicate: false,
            };
            return Box::pin(async move { Ok(appended) });
        }
        let told = self.store.append(append);
        Box::pin(async move {
            told.await.map(|appended| Appended {
                first: appended.first.plus(u64::from(too_high)),
                duplicate: appended.duplicate && !as_new,
                ..appended
            })
        })
    }

    fn read(&self, mut read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        let old = self.now(Mistake::ReadOldEnd);
        if old {
            read.to = Position::new(self.store.end().get().saturating_sub(1));
        }
        let lose = self.now(Mistake::LoseOneOfPage);
        let page = self.store.read(read);
        Box::pin(async move {
            let mut page = page.await?;
            if lose {
                page.events.pop();
            }
            Ok(page)
        })
    }

    annals_testkit::pass_on!(store);
}

#[test]
fn every_mistake_of_a_store_is_found() {
    use Mistake::{
        ForgetConditions, KeepNothing, LookTooEarly, LoseOneOfPage, ReadOldEnd, TakeRepetitionForNew,
        TellNextPosition,
    };
    let mut missed = Vec::new();
    for mistake in [
        ForgetConditions,
        ReadOldEnd,
        LoseOneOfPage,
        KeepNothing,
        TakeRepetitionForNew,
        TellNextPosition,
        LookTooEarly,
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = Mistaken {
            store: EmbeddedStore::open(folder.path(), options()).unwrap(),
            mistake,
            calls: AtomicU64::new(0),
        };
        match told(Arc::new(store), 5_000, 1) {
            Err(wrong) => println!("{mistake:?}: {}", wrong.get(..300).unwrap_or(&wrong)),
            Ok(_) => missed.push(mistake),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
