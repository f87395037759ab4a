//! What folding costs: a million typed JSON events into one model, and what of that is reading, decoding and applying.
//!
//! `cargo run --release -p annals --example fold [folder] [events]`; the folder must be on the disk in question and is left
//! empty. 1,000,000 events of about 256 bytes unless said otherwise, of three types and one tag. The page cache is warm. Every
//! way of folding must end in the same state.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use annals::core::event::{Metadata, NewEvent, Purpose, Visibility};
use annals::core::id::{EventId, uuid_v7};
use annals::core::port::store::{Append, EventStore};
use annals::core::position::Position;
use annals::core::query::{Query, QueryItem};
use annals::core::tag::Tag;
use annals::core::time::{Clock, SystemClock};
use annals::decide::cache::Folded;
use annals::decide::fold::{Step, apply, fold_to};
use annals::define::boundary::Fold;
use annals::define::message::Message;
use annals::{Event, Events, Key, Model};
use annals_store::{EmbeddedStore, Options};
use serde::{Deserialize, Serialize};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const BATCH: u64 = 1_000;
const RUNS: usize = 5;

#[derive(Key)]
#[key("shop")]
struct Shop(String);

#[derive(Event, Serialize, Deserialize)]
#[event("line.sold")]
struct LineSold {
    #[tag]
    shop: Shop,
    order: String,
    sku: String,
    customer: String,
    quantity: u32,
    cents: i64,
    note: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event("line.returned")]
struct LineReturned {
    #[tag]
    shop: Shop,
    order: String,
    sku: String,
    customer: String,
    quantity: u32,
    cents: i64,
    note: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event("stock.counted")]
struct StockCounted {
    #[tag]
    shop: Shop,
    sku: String,
    shelf: String,
    counted: u32,
    by: String,
    note: String,
}

#[derive(Events)]
enum ShopFact {
    Sold(LineSold),
    Returned(LineReturned),
    Counted(StockCounted),
}

/// What a shop has turned over.
#[derive(Default, Serialize)]
struct Turnover {
    lines: u64,
    pieces: i64,
    cents: i64,
    counted: u64,
    text_bytes: u64,
}

impl Model for Turnover {
    type Key = Shop;
    type Event = ShopFact;

    fn apply(&mut self, event: &ShopFact) {
        match event {
            ShopFact::Sold(line) => {
                self.lines += 1;
                self.pieces += i64::from(line.quantity);
                self.cents += line.cents;
                self.text_bytes += (line.sku.len() + line.customer.len() + line.note.len()) as u64;
            }
            ShopFact::Returned(line) => {
                self.pieces -= i64::from(line.quantity);
                self.cents -= line.cents;
                self.text_bytes += (line.order.len() + line.note.len()) as u64;
            }
            ShopFact::Counted(count) => {
                self.counted += u64::from(count.counted);
                self.text_bytes += (count.shelf.len() + count.by.len()) as u64;
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join("fold");
    let events = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    if folder.exists() {
        let folder = folder.display();
        return Err(format!("{folder} exists already: remove it or name another folder").into());
    }
    let store = EmbeddedStore::open(&folder, Options::new())?;
    let measured = measure(&store, events).await;
    store.close();
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn measure(store: &EmbeddedStore, events: u64) -> Outcome<()> {
    let tag = Tag::of("shop", "1")?;
    let fold = Fold::of::<Turnover>();
    fill(store, &tag, events).await?;
    let mut states = Vec::new();
    for _ in 0..RUNS {
        let watch = Watch::start();
        let folded = fold_to(store, &fold, &tag, None, store.end()).await?;
        watch.print("fold, as services do: pages through the port", events);
        states.push((fold.show)(&folded.state));

        let watch = Watch::start();
        let (folded, count) = fold_lent(store, &fold, &tag)?;
        watch.print("fold of lent events", count);
        states.push((fold.show)(&folded.state));

        let watch = Watch::start();
        let (mut lent, mut bytes) = (store.lend(query(&fold, &tag), Position::ZERO), 0);
        while let Some(event) = lent.next_event()? {
            bytes += event.data().len();
        }
        watch.print("of that, picking and reading", count);

        let watch = Watch::start();
        let (mut lent, mut all) = (store.lend(Query::all(), Position::ZERO), 0);
        while let Some(event) = lent.next_event()? {
            all += event.data().len();
        }
        watch.print("reading everything straight", count);
        if bytes != all {
            return Err(format!("expected {all} bytes of content, picked {bytes}").into());
        }
        println!("{} bytes of JSON an event", all as u64 / count);
    }
    match states.iter().all(|state| *state == states[0]) {
        true => Ok(()),
        false => Err(format!("expected one state, found {states:?}").into()),
    }
}

fn query(fold: &Fold, tag: &Tag) -> Query {
    Query::any(vec![QueryItem::of(fold.types, tag.clone())])
}

fn fold_lent(store: &EmbeddedStore, fold: &Fold, tag: &Tag) -> Outcome<(Folded, u64)> {
    let mut folded = Folded {
        state: (fold.empty)(),
        end: Position::ZERO,
        newer: 0,
    };
    let (mut lent, mut count) = (store.lend(query(fold, tag), Position::ZERO), 0);
    while let Some(event) = lent.next_event()? {
        let known = fold
            .types
            .iter()
            .find(|known| known.as_str() == event.event_type());
        let step = Step {
            event_type: known.ok_or("an event of a type nobody asked for")?,
            version: event.version(),
            data: event.data(),
        };
        apply(fold, tag, &mut folded, event.position(), &step)?;
        count += 1;
    }
    folded.end = lent.end();
    Ok((folded, count))
}

async fn fill(store: &EmbeddedStore, tag: &Tag, events: u64) -> Outcome<()> {
    for first in (0..events).step_by(BATCH as usize) {
        let batch = first..(first + BATCH).min(events);
        let events = batch.map(|number| event(tag, number)).collect::<Outcome<_>>()?;
        let append = Append {
            events,
            ..Append::default()
        };
        store.append(append).await?;
    }
    Ok(())
}

fn event(tag: &Tag, number: u64) -> Outcome<NewEvent> {
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let shop = Shop("1".to_owned());
    let (order, sku) = (
        format!("order-{:08}", number / 3),
        format!("sku-{:06}", spread % 100_000),
    );
    let customer = format!("customer-{:06}", spread % 1_000_000);
    let note = format!(
        "nothing to remark \u{2014} {spread:016x}{number:016x}: {:032x}",
        u128::from(spread).pow(2)
    );
    let (quantity, cents) = ((spread % 9) as u32 + 1, (spread % 100_000) as i64);
    let (event_type, data) = match number % 3 {
        0 => (
            LineSold::TYPE,
            serde_json::to_vec(&LineSold {
                shop,
                order,
                sku,
                customer,
                quantity,
                cents,
                note,
            })?,
        ),
        1 => (
            LineReturned::TYPE,
            serde_json::to_vec(&LineReturned {
                shop,
                order,
                sku,
                customer,
                quantity,
                cents,
                note,
            })?,
        ),
        _ => (
            StockCounted::TYPE,
            serde_json::to_vec(&StockCounted {
                shop,
                sku,
                shelf: order,
                counted: quantity,
                by: customer,
                note,
            })?,
        ),
    };
    let mut random = [0; 10];
    random[..8].copy_from_slice(&spread.to_le_bytes());
    Ok(NewEvent {
        id: EventId::from_uuid(uuid_v7(SystemClock.now(), random)),
        event_type,
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: vec![tag.clone()],
        occurred: None,
        metadata: Metadata::default(),
        data: data.into(),
    })
}

struct Watch {
    began: Instant,
    processor: Option<Duration>,
}

impl Watch {
    fn start() -> Self {
        Self {
            began: Instant::now(),
            processor: processor_time(),
        }
    }

    fn print(self, what: &str, events: u64) {
        let took = self.began.elapsed();
        let processor = processor_time().zip(self.processor);
        let each = processor.map(|(now, before)| (now - before).as_nanos() / u128::from(events.max(1)));
        let each = each.map_or_else(|| "unknown".to_owned(), |nanos| format!("{nanos} ns"));
        let rate = events as f64 / took.as_secs_f64();
        println!("{what}: {rate:.0} events/s, processor time {each} an event");
    }
}

/// Processor time of this thread, where the system tells it.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace()
        .next()?
        .parse()
        .ok()
        .map(Duration::from_nanos)
}
