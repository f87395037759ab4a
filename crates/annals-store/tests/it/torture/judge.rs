//! What is asked of an image: it opens, holds all of one allowed history and nothing of another, answers from its index
//! as a scan would, and goes on from there.

use std::sync::Arc;

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::port::store::{Append, Direction, EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_log::{FRAME_HEADER_BYTES, FrameHeader};
use annals_store::disk::Disk;
use annals_store::disk::sim::chance::Chance;
use annals_store::disk::sim::{SimDisk, Survival};
use annals_store::{EmbeddedStore, Finding, OpenError};
use bytes::Bytes;
use uuid::Uuid;

use super::chosen::{query, tag};
use super::marks::{Mark, reached, reached_if};
use super::oracle::Model;
use super::workload::{Epoch, PART_EVENTS, StepClock, contents, dir, now, open, open_with_parts};

/// A model in few words.
pub(super) fn shape(model: &Model) -> String {
    format!("{} events and {} marks", model.events.len(), model.marks.len())
}

pub(super) fn image(disk: &SimDisk, epoch: &Epoch, chance: &mut Chance) -> Result<(), String> {
    if chance.one_in(6) {
        read_only(disk, epoch)?;
    }
    let rotten = chance.one_in(6).then(|| disk.crash(0, Survival::Everything));
    let spoiled = chance.one_in(3);
    if spoiled {
        spoil_index(disk, chance);
    }
    note_files(disk, epoch);
    let before = chance.one_in(8).then(|| disk.crash(0, Survival::Everything));
    // Most time goes into making files of the index: that is left to some.
    let part_events_max = if chance.one_in(6) { PART_EVENTS } else { 1_000 };
    let store = open_with_parts(disk, clock(), part_events_max);
    let store = store.map_err(|error| format!("it does not open: {error}"))?;
    note_opening(before.as_ref(), &store);
    let found = contents(&store)?;
    let allowed = [Some(&epoch.sure), epoch.maybe.as_ref()];
    let same = |model: &&Arc<Model>| model.events == found.events && model.marks == found.marks;
    let Some(model) = allowed.into_iter().flatten().find(same) else {
        let maybe = epoch
            .maybe
            .as_ref()
            .map_or_else(String::new, |maybe| format!(" or {}", shape(maybe)));
        return Err(format!(
            "expected {}{maybe}, found {}",
            shape(&epoch.sure),
            shape(&found)
        ));
    };
    if epoch.maybe.is_some() {
        let survived = !Arc::ptr_eq(model, &epoch.sure);
        reached(if survived {
            Mark::InFlightSurvived
        } else {
            Mark::InFlightLost
        });
    }
    index_equals_scan(&store, model, chance)?;
    if chance.one_in(4) {
        let report = store.verify().map_err(|error| error.to_string())?;
        let of_index = |finding: &Finding| finding.file.starts_with(dir().join("index"));
        let expected = report.findings.is_empty() || spoiled && report.findings.iter().all(of_index);
        if !expected || report.events != model.events.len() as u64 {
            return Err(format!(
                "verify counts {} events and tells {:?}",
                report.events, report.findings
            ));
        }
    }
    if let Some(disk) = rotten {
        rot(&disk, model, chance)?;
    }
    goes_on(disk, store, model, part_events_max)
}

/// Damages or takes away one file of the index: nobody may notice.
fn spoil_index(disk: &SimDisk, chance: &mut Chance) {
    let folder = dir().join("index");
    let names = disk.list(&folder).unwrap_or_default();
    let Some(name) = names.get(chance.below(names.len() as u64) as usize) else {
        return;
    };
    let file = folder.join(name);
    let bytes = disk.content(&file).unwrap_or_default();
    reached(Mark::IndexFileSpoiled);
    disk.remove(&file).unwrap();
    match chance.below(4) {
        0 => {}
        1 => disk.place(&file, &bytes[..chance.below(bytes.len() as u64) as usize]),
        _ => {
            disk.place(&file, &bytes);
            disk.rot(&file, chance.below(bytes.len() as u64), 1 << chance.below(8));
        }
    }
}

/// What of the files of an image is rare.
fn note_files(disk: &SimDisk, epoch: &Epoch) {
    let names = disk.list(dir()).unwrap_or_default();
    reached_if(names.is_empty(), Mark::NothingThere);
    for name in names.iter().filter(|name| name.ends_with(".seg.tmp")) {
        reached(Mark::HalfMadeSegment);
        reached_if(epoch.maybe.is_some(), Mark::HalfMadeSegmentWithGroupInFlight);
        let content = disk.content(&dir().join(name)).unwrap_or_default();
        let is_blank = content.iter().all(|byte| *byte == 0);
        reached_if(is_blank && !content.is_empty(), Mark::HalfMadeSegmentOfZeros);
        // Frames begin behind the header, and this file never had any.
        let is_stale = content.iter().skip(512).any(|byte| *byte != 0);
        reached_if(is_stale, Mark::HalfMadeSegmentOfStaleBytes);
    }
    for name in disk.list(&dir().join("index")).unwrap_or_default() {
        reached_if(name.ends_with(".tmp"), Mark::HalfMadeIndexFile);
    }
}

/// What of an opening is rare; with the disk as it was before.
fn note_opening(before: Option<&SimDisk>, store: &EmbeddedStore) {
    let report = store.recovery();
    reached_if(report.sealed, Mark::EndedInSeal);
    reached_if(report.frames == 0 && report.cut_bytes > 0, Mark::TornToNothing);
    let with_index = report.known_frames > 0;
    reached(if with_index {
        Mark::OpenedWithIndexFiles
    } else {
        Mark::OpenedWithoutIndexFiles
    });
    let Some(before) = before else { return };
    let is_segment = |name: &&String| name.ends_with(".seg");
    let segments = before
        .list(dir())
        .unwrap_or_default()
        .iter()
        .filter(is_segment)
        .count();
    reached_if(
        segments > report.segments as usize,
        Mark::MadeAheadSegmentTakenAway,
    );
    if let Some((file, at)) = &report.cut_at {
        let content = before.content(file).unwrap_or_default();
        let from = *at as usize;
        let head = &content[from..content.len().min(from + FRAME_HEADER_BYTES)];
        let first_half = (512 - from % 512).min(head.len());
        let blank = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        reached(
            match (
                blank(head),
                blank(&head[..first_half]) || blank(&head[first_half..]),
            ) {
                (true, _) => Mark::TornWithoutHeader,
                (_, true) if first_half < head.len() => Mark::TornInsideHeader,
                _ => Mark::TornBehindHeader,
            },
        );
    }
    let read = annals_log::open_read_only(Arc::new(before.clone()), dir(), &mut |_| Ok(()));
    let Ok((reader, report)) = read else { return };
    reached_if(report.withheld_frames > 0, Mark::LastFrameWithheldFromReaders);
    for frame in reader.frames().flatten() {
        let file = dir().join(format!("{:010}.seg", frame.header.segment));
        let size = before.content(&file).map_or(0, |bytes| bytes.len() as u64);
        let end = frame.header.place + frame.header.frame_bytes();
        reached_if(end == size, Mark::SegmentFilledToTheLastByte);
    }
}

/// Damages a frame, and says how.
fn damage(disk: &SimDisk, frame: &FrameHeader, other: &FrameHeader, chance: &mut Chance) -> Option<String> {
    let file = |frame: &FrameHeader| dir().join(format!("{:010}.seg", frame.segment));
    let (path, bytes) = (file(frame), frame.frame_bytes() as usize);
    let (what, at) = match chance.below(4) {
        0 => {
            disk.misplace(&path, frame.place, &vec![0; bytes]);
            reached(Mark::FrameLost);
            ("a lost frame", frame.place)
        }
        1 => {
            let content = disk.content(&file(other))?;
            let (from, copied) = (other.place as usize, bytes.min(other.frame_bytes() as usize));
            if (other.segment, other.place) == (frame.segment, frame.place) {
                return None;
            }
            disk.misplace(&path, frame.place, &content[from..from + copied]);
            reached(Mark::FrameMisplaced);
            ("another frame", frame.place)
        }
        _ => {
            let at = frame.place + chance.below(bytes as u64);
            disk.rot(&path, at, 1 << chance.below(8));
            reached(Mark::BitFlipped);
            ("a flipped bit", at)
        }
    };
    let place = frame.place;
    Some(format!(
        "{what} in {} at byte {at}, in the frame at {place}",
        path.display()
    ))
}

/// Damage in a frame that later ones vouch for: the store refuses to open, untouched, or it fails the reads that
/// touch it, if its index knows the frame; and verify names it.
fn rot(disk: &SimDisk, model: &Model, chance: &mut Chance) -> Result<(), String> {
    let read = annals_log::open_read_only(Arc::new(disk.clone()), dir(), &mut |_| Ok(()));
    let Ok((reader, _)) = read else { return Ok(()) };
    let frames: Vec<_> = reader.frames().map(|frame| frame.unwrap().header).collect();
    // What is read only has a witness, but a seal at the end has none and holds nothing.
    let [witnessed @ .., _] = &frames[..] else {
        return Ok(());
    };
    let Some(frame) = witnessed.get(chance.below(witnessed.len() as u64) as usize) else {
        return Ok(());
    };
    let other = &frames[chance.below(frames.len() as u64) as usize];
    let file = dir().join(format!("{:010}.seg", frame.segment));
    let Some(what) = damage(disk, frame, other, chance) else {
        return Ok(());
    };
    if chance.one_in(2) {
        // Without an index everything is read at opening.
        let folder = dir().join("index");
        for name in disk.list(&folder).unwrap_or_default() {
            disk.remove(&folder.join(name)).unwrap();
        }
    }
    let operations = disk.operations();
    let opened = EmbeddedStore::open_read_only_on(Arc::new(disk.clone()), dir());
    match opened {
        Err(OpenError::Corrupt(_) | OpenError::Format(_)) => match open(disk, clock()) {
            Err(OpenError::Corrupt(_) | OpenError::Format(_)) => {
                reached(Mark::DamageRefusedAtOpening);
            }
            other => return Err(format!("{what}: expected a refusal, found {other:?}")),
        },
        Err(other) => return Err(format!("{what}: expected a refusal, found {other:?}")),
        Ok(store) if store.recovery().known_frames <= frame.number => {
            return Err(format!("{what}: expected a refusal, found a store"));
        }
        Ok(store) => told_when_read(&store, model, frame).map_err(|wrong| format!("{what}: {wrong}"))?,
    }
    match annals_store::verify_on(Arc::new(disk.clone()), dir()) {
        Err(OpenError::Format(_)) => {}
        Ok(report)
            if report
                .findings
                .iter()
                .any(|found| found.file == file && found.at == frame.place) => {}
        other => return Err(format!("{what}: expected it to be told, found {other:?}")),
    }
    if disk.operations() == operations {
        Ok(())
    } else {
        Err(format!("{what}: the refusal changed the disk"))
    }
}

/// A read that touches damage fails or answers with what was written; every other one answers.
fn told_when_read(store: &EmbeddedStore, model: &Model, frame: &FrameHeader) -> Result<(), String> {
    for (position, expected) in (0..store.end().get()).zip(&model.events) {
        let read = Read::new(Query::all(), Position::new(position)).to(Position::new(position + 1));
        match now(store.read(read)) {
            Ok(page) if page.events == [expected.clone()] => {}
            Err(ReadError::Corrupt(_)) if (frame.first..frame.end()).contains(&position) => {
                reached(Mark::DamageToldByRead);
            }
            other => return Err(format!("position {position} answers {other:?}")),
        }
    }
    Ok(())
}

fn clock() -> Arc<StepClock> {
    Arc::default()
}

/// Without recovery: a beginning of what is allowed, and nothing else.
fn read_only(disk: &SimDisk, epoch: &Epoch) -> Result<(), String> {
    let Ok(names) = disk.list(dir()) else {
        return Ok(());
    };
    if names.is_empty() {
        return Ok(());
    }
    let operations = disk.operations();
    let store = EmbeddedStore::open_read_only_on(Arc::new(disk.clone()), dir())
        .map_err(|error| format!("read only: {error}"))?;
    let found = contents(&store)?.events;
    let longest = epoch.maybe.as_ref().unwrap_or(&epoch.sure);
    if !longest.events.starts_with(&found) && !epoch.sure.events.starts_with(&found) {
        return Err(format!(
            "read only: {} events are no beginning of {}",
            found.len(),
            shape(longest)
        ));
    }
    if disk.operations() == operations {
        Ok(())
    } else {
        Err("opening to read only changed the disk".to_owned())
    }
}

fn index_equals_scan(store: &EmbeddedStore, model: &Model, chance: &mut Chance) -> Result<(), String> {
    for _ in 0..2 {
        let (query, tag) = (query(chance), tag(chance));
        let direction = [Direction::Forward, Direction::Backward][chance.below(2) as usize];
        let read = Read {
            direction,
            ..Read::new(query.clone(), Position::ZERO)
        };
        let page = now(store.read(read)).map_err(|error| error.to_string())?;
        let mut expected: Vec<_> = model.select(&query).cloned().collect();
        if direction == Direction::Backward {
            expected.reverse();
        }
        if page.events != expected {
            return Err(format!(
                "{query:?}: the scan has {}, the index {}",
                expected.len(),
                page.events.len()
            ));
        }
        let revision = now(store.revision(tag.clone(), Position::MAX)).map_err(|error| error.to_string())?;
        if revision != model.revision(&tag) {
            return Err(format!(
                "{tag}: expected {:?}, found {revision:?}",
                model.revision(&tag)
            ));
        }
    }
    Ok(())
}

/// Appends once more, cuts the power in the worst way, and finds everything again: what was served once stays.
fn goes_on(disk: &SimDisk, store: EmbeddedStore, model: &Model, part_events_max: u32) -> Result<(), String> {
    let event = NewEvent {
        id: EventId::from_uuid(Uuid::from_u128(u128::MAX)),
        event_type: EventType::from_static("again"),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: Vec::new(),
        occurred: None,
        metadata: Metadata::default(),
        data: Bytes::new(),
    };
    let mut append = store.append(Append {
        events: vec![event.clone()],
        ..Append::default()
    });
    let waker = &mut std::task::Context::from_waker(std::task::Waker::noop());
    if append.as_mut().poll(waker).is_ready() {
        return Err("it takes no appends".to_owned());
    }
    store.step();
    let appended = now(append).map_err(|error| format!("it takes no appends: {error}"))?;
    if appended.first != model.end() {
        return Err(format!(
            "expected the next position {}, found {}",
            model.end(),
            appended.first
        ));
    }
    let after = disk.crash(1, Survival::Nothing);
    drop(store);
    let store = open_with_parts(&after, clock(), part_events_max);
    let store = store.map_err(|error| format!("it does not open a second time: {error}"))?;
    let found = contents(&store)?;
    let (last, before) = found.events.split_last().ok_or("nothing is left")?;
    if before == model.events && found.marks == model.marks && last.event == event {
        return Ok(());
    }
    Err(format!(
        "once served and then lost: expected {} and one more event, found {}",
        shape(model),
        shape(&found)
    ))
}
