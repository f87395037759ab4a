//! Lent events are those that pages give, whatever was written, wherever it lies; damage among them is told.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use annals_core::event::{EventType, Metadata, NewEvent, Origin, Purpose, RecordedEvent, Visibility};
use annals_core::id::{CorrelationId, EventId};
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use annals_store::disk::sim::SimDisk;
use annals_store::disk::sim::chance::Chance;
use annals_store::{EmbeddedStore, EventView, IndexOptions, Lending, Options, WriterThread};
use bytes::Bytes;
use uuid::Uuid;

static TYPES: [EventType; 3] = [
    EventType::from_static("order.placed"),
    EventType::from_static("order.paid"),
    EventType::from_static("straße.gesperrt"),
];

fn options(segment_bytes: u64) -> Options {
    Options {
        writer: WriterThread::Stepped,
        segment_bytes_first: segment_bytes,
        segment_bytes_max: segment_bytes,
        open_files_max: 2,
        index: IndexOptions {
            part_events_max: 50,
            cache_bytes_max: 0,
            ..IndexOptions::default()
        },
        ..Options::default()
    }
}

fn open(disk: &SimDisk, segment_bytes: u64) -> EmbeddedStore {
    EmbeddedStore::open_on(Arc::new(disk.clone()), Path::new("store"), options(segment_bytes)).unwrap()
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a read waits for nobody"),
    }
}

/// An event of this number; about every field is there in one of them.
fn event(number: u64, chance: &mut Chance) -> NewEvent {
    let mut some = |times| chance.one_in(times);
    let uuid = |salt: u64| Uuid::from_u64_pair(salt, number + 1);
    let mut tags = vec![Tag::of("order", number % 7).unwrap()];
    if some(3) {
        tags.push(Tag::of("kunde", "Jürgen").unwrap());
    }
    if some(9) {
        tags.clear();
    }
    let origin = Origin {
        service: "shop".into(),
        position: Position::new(number),
        recorded: Timestamp::from_micros(5),
    };
    NewEvent {
        id: EventId::from_uuid(uuid(1)),
        event_type: TYPES[(number % 3) as usize].clone(),
        version: number as u16,
        purpose: if some(4) { Purpose::Command } else { Purpose::Event },
        visibility: if some(4) {
            Visibility::Private
        } else {
            Visibility::Public
        },
        tags,
        occurred: some(3).then(|| Timestamp::from_micros(-9)),
        metadata: Metadata {
            correlation: some(2).then(|| CorrelationId::from_uuid(uuid(2))),
            causation: some(3).then(|| EventId::from_uuid(uuid(3))),
            trace_parent: some(4).then(|| "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            actor: some(4).then(|| "Amtmännin".into()),
            service: some(3).then(|| "orders".into()),
            topic: some(5).then(|| "payments".into()),
            origin: some(5).then_some(origin),
        },
        data: Bytes::from(vec![number as u8; chance.below(400) as usize]),
    }
}

/// Appends of one to forty events, some with marks, some of marks alone, some sealed behind.
fn fill(store: &EmbeddedStore, events: u64, seed: u64) {
    let (mut chance, mut number) = (Chance::new(seed), 0);
    while number < events {
        let count = match chance.below(3) {
            0 => 1,
            1 => 1 + chance.below(6),
            _ => 1 + chance.below(40),
        };
        let batch = number..(number + count).min(events);
        number = batch.end;
        let key = MarkKey::new("checkpoint", format!("{}", number % 5));
        let mark = Mark::set(key, vec![1; chance.below(200) as usize]);
        let appends = [
            (true, batch.map(|number| event(number, &mut chance)).collect()),
            (false, Vec::new()),
        ];
        for (has_events, events) in appends {
            let marks: Vec<Mark> = chance.one_in(2).then(|| mark.clone()).into_iter().collect();
            if has_events || !marks.is_empty() {
                let append = Append {
                    events,
                    marks,
                    ..Append::default()
                };
                let mut append = store.append(append);
                let polled = append.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending());
                if chance.one_in(2) {
                    store.step();
                    now(append).unwrap();
                }
            }
        }
        if chance.one_in(9) {
            store.step_idle();
        }
    }
    store.step();
}

/// Everything, by pages.
fn paged(store: &EmbeddedStore, mut read: Read) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    loop {
        let page = now(store.read(read.clone())).unwrap();
        events.extend(page.events);
        if page.finished {
            return events;
        }
        match read.direction {
            annals_core::port::store::Direction::Forward => read.from = page.next,
            annals_core::port::store::Direction::Backward => read.to = page.next,
        }
    }
}

/// Everything lent, each looked at in every way there is.
fn lent(mut lending: Lending) -> Result<Vec<RecordedEvent>, ReadError> {
    let mut events = Vec::new();
    while let Some(view) = lending.next_event()? {
        events.push(looked_at(view));
    }
    assert!(lending.next_event()?.is_none(), "it stays ended");
    Ok(events)
}

fn looked_at(view: EventView<'_>) -> RecordedEvent {
    let recorded = view.to_recorded().unwrap();
    let by_view = NewEvent {
        id: view.id(),
        event_type: EventType::new(view.event_type()),
        version: view.version(),
        purpose: view.purpose(),
        visibility: view.visibility(),
        tags: view.tags().map(|tag| Tag::new(tag).unwrap()).collect(),
        occurred: view.occurred(),
        metadata: view.metadata(),
        data: Bytes::copy_from_slice(view.data()),
    };
    assert_eq!(by_view, recorded.event);
    assert_eq!(view.tags().len(), recorded.event.tags.len());
    assert_eq!(
        (view.position(), view.recorded()),
        (recorded.position, recorded.recorded)
    );
    assert_eq!(view.correlation(), recorded.metadata.correlation);
    assert_eq!(view.happened(), recorded.happened());
    let stored = view.to_stored();
    assert_eq!(stored.view().to_recorded().unwrap(), recorded);
    assert!(stored.bytes() > view.data().len());
    recorded
}

fn queries() -> Vec<Query> {
    let tag = |number: u64| Tag::of("order", number).unwrap();
    vec![
        Query::all(),
        Query::tag(tag(3)),
        Query::tag(Tag::new("kunde:Jürgen").unwrap()),
        Query::types(vec![TYPES[2].clone()]),
        Query::types(TYPES.to_vec()),
        Query::tag(tag(99)),
        Query::any(vec![
            QueryItem {
                types: vec![TYPES[0].clone()].into(),
                tags: vec![tag(1)],
                correlation: None,
            },
            QueryItem {
                types: vec![].into(),
                tags: vec![tag(2)],
                correlation: None,
            },
        ]),
    ]
}

#[test]
fn what_is_lent_is_what_pages_give_for_every_query_and_stretch_in_both_directions() {
    for (seed, segment_bytes) in [(1, 8 << 10), (2, 32 << 10), (3, 1 << 20)] {
        let disk = SimDisk::new(seed);
        let store = open(&disk, segment_bytes);
        fill(&store, 700, seed);
        assert!(store.stats().segments > 1 || segment_bytes == 1 << 20);
        let mut chance = Chance::new(seed);
        for query in queries() {
            for _ in 0..12 {
                let (from, to) = (Position::new(chance.below(720)), Position::new(chance.below(720)));
                let read = Read::new(query.clone(), from)
                    .to(to)
                    .limit(1 + chance.below(90) as usize);
                let lending = || store.lend(query.clone(), from).to(to);
                let expected = paged(&store, read.clone());
                assert_eq!(lent(lending()).unwrap(), expected, "{query:?} {from}..{to}");
                let expected = paged(&store, read.backward());
                assert_eq!(
                    lent(lending().backward()).unwrap(),
                    expected,
                    "{query:?} {from}..{to} backward"
                );
            }
            let all = lent(store.lend(query.clone(), Position::ZERO)).unwrap();
            assert_eq!(all, paged(&store, Read::new(query, Position::ZERO)));
        }
        let all = lent(store.lend(Query::all(), Position::ZERO)).unwrap();
        let positions: Vec<u64> = all.iter().map(|event| event.position.get()).collect();
        assert_eq!(positions, (0..700).collect::<Vec<_>>());
        let (mut chance, number) = (Chance::new(seed), all.len());
        assert!((0..number).any(|_| chance.one_in(2)));
    }
}

#[test]
fn long_pages_of_everything_are_what_is_lent_wherever_they_begin_and_end() {
    let disk = SimDisk::new(9);
    let store = open(&disk, 16 << 10);
    fill(&store, 1_200, 9);
    let all = lent(store.lend(Query::all(), Position::ZERO)).unwrap();
    let mut chance = Chance::new(9);
    for round in 0..60 {
        let from = chance.below(1_100);
        let to = from + chance.below(1_300);
        let read = Read {
            limit: 128 + chance.below(300) as usize,
            bytes: [usize::MAX, 5_000, 1][chance.below(3) as usize],
            ..Read::new(Query::all(), Position::new(from)).to(Position::new(to))
        };
        let expected = &all[from as usize..to.min(1_200) as usize];
        assert_eq!(paged(&store, read.clone()), expected, "round {round}");
        let page = now(store.read(read.clone())).unwrap();
        assert!(!page.events.is_empty() || from >= to, "round {round}");
        assert_eq!(
            page.finished,
            page.events.len() == expected.len(),
            "round {round}"
        );
        let bytes = |events: &[RecordedEvent]| events.iter().map(|event| event.data.len()).sum::<usize>();
        let before_last = &page.events[..page.events.len().saturating_sub(1)];
        assert!(
            bytes(before_last) < read.bytes && page.events.len() <= read.limit,
            "round {round}"
        );
    }
}

#[test]
fn it_ends_where_the_store_ended_when_it_began() {
    let disk = SimDisk::new(4);
    let store = open(&disk, 16 << 10);
    fill(&store, 100, 4);
    let mut all = store.lend(Query::all(), Position::ZERO);
    let mut tagged = store.lend(Query::types(TYPES.to_vec()), Position::ZERO);
    assert_eq!(all.end(), Position::new(100));
    for _ in 0..40 {
        all.next_event().unwrap().unwrap();
        tagged.next_event().unwrap().unwrap();
    }
    let mut append = store.append(Append {
        events: (1_000..1_200)
            .map(|number| event(number, &mut Chance::new(1)))
            .collect(),
        ..Append::default()
    });
    assert!(
        append
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    store.step();
    now(append).unwrap();
    assert_eq!(lent(all).unwrap().len(), 60);
    assert_eq!(lent(tagged).unwrap().len(), 60);
    assert_eq!(
        lent(store.lend(Query::all(), Position::new(100))).unwrap().len(),
        200
    );
    assert_eq!(lent(store.lend(Query::all(), Position::new(300))).unwrap(), []);
    assert_eq!(lent(store.lend(Query::all(), Position::MAX)).unwrap(), []);
    store.close();
    let closed = lent(store.lend(Query::all(), Position::ZERO));
    assert!(matches!(closed, Err(ReadError::Closed)));
}

#[test]
fn damage_inside_a_scan_is_told_with_file_and_byte_and_everything_before_it_was_lent() {
    let disk = SimDisk::new(5);
    let store = open(&disk, 16 << 10);
    fill(&store, 400, 5);
    let expected = lent(store.lend(Query::all(), Position::ZERO)).unwrap();
    let file = Path::new("store").join("0000000002.seg");
    let content = disk.content(&file).unwrap();
    let (mut told, mut chance) = (0, Chance::new(5));
    for _ in 0..60 {
        let at = 512 + chance.below(content.len() as u64 - 1_024);
        disk.rot(&file, at, 1 << chance.below(8));
        for query in [Query::all(), Query::types(TYPES.to_vec())] {
            let (mut lending, mut seen) = (store.lend(query, Position::ZERO), 0);
            let ended = loop {
                match lending.next_event() {
                    Ok(Some(view)) => assert_eq!(view.to_recorded().unwrap(), expected[seen]),
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
                seen += 1;
            };
            match ended {
                // Marks and headers of groups are not looked at by those who pick.
                None => assert_eq!(seen, expected.len()),
                Some(ReadError::Corrupt(text)) => {
                    assert!(text.contains("0000000002.seg at byte "), "{text}");
                    told += 1;
                }
                Some(other) => panic!("{other}"),
            }
        }
        disk.place(&file, &content);
    }
    assert!((60..=120).contains(&told), "{told} of 120");
}

#[test]
fn a_file_that_is_cut_is_told_and_not_taken_for_the_end() {
    let disk = SimDisk::new(6);
    let store = open(&disk, 16 << 10);
    fill(&store, 400, 6);
    let file = Path::new("store").join("0000000001.seg");
    let content = disk.content(&file).unwrap();
    for length in [content.len() / 2, 600, 0] {
        disk.place(&file, &content[..length]);
        for query in [Query::all(), Query::types(TYPES.to_vec())] {
            let told = lent(store.lend(query, Position::ZERO)).unwrap_err().to_string();
            assert!(told.contains("0000000001.seg"), "{told}");
        }
    }
}

#[test]
fn a_page_keeps_little_more_memory_than_its_events() {
    let disk = SimDisk::new(7);
    let store = open(&disk, 1 << 20);
    let events = (0..600).map(|number| NewEvent {
        data: Bytes::from(vec![number as u8; 300]),
        ..event(number, &mut Chance::new(number))
    });
    let mut append = store.append(Append {
        events: events.collect(),
        ..Append::default()
    });
    assert!(
        append
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    store.step();
    // Every seventh event: most of what is read along is not wanted, so content is copied.
    let page = now(store.read(Read::new(
        Query::tag(Tag::new("order:3").unwrap()),
        Position::ZERO,
    )))
    .unwrap();
    assert!(page.events.len() > 50);
    for event in page.events {
        let data = event.event.data;
        assert!(data.is_unique(), "it shares memory with nothing");
        assert_eq!(data, vec![event.position.get() as u8; 300]);
    }
    let page = now(store.read(Read::new(Query::all(), Position::ZERO))).unwrap();
    let shared = page.events.iter().filter(|event| !event.data.is_unique()).count();
    assert!(
        shared > 590,
        "neighbours share the piece they were read in: {shared}"
    );
}
