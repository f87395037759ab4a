//! Gathers what is to be carried of frames that will be archived.
//!
//! In: frames, in order, and what was carried before them. Out: one file with both. Memory is bounded: what was gathered so
//! far is written to a file of its own whenever it becomes large, and all of these become one in the end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::path::{Path, PathBuf};

use annals_core::mark::Mark;
use annals_log::disk::Disk;
use annals_log::{Batch, Frame, FrameKind, RECORD_HEADER_BYTES};
use bytes::Bytes;
use thiserror::Error;

use crate::carried::{
    CORRELATION, Carried, CarriedError, Entries, Header, ID, MARK, TAG, TYPE, Table, TableWriter,
    UNFINISHED_ENDING, file_name, is_timed, key, mark_key,
};
use crate::index::Termed;
use crate::record;

/// Keys and values that are gathered in memory, in bytes; they take about three times as much.
const GATHERED_BYTES_MAX: usize = 32 << 20;

/// Why it could not be gathered.
#[derive(Debug, Error)]
pub(crate) enum GatherError {
    #[error(transparent)]
    Carried(#[from] CarriedError),
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What was found instead of records.
    #[error("{0}")]
    Senseless(String),
}

/// What is gathered.
pub(crate) struct Gather<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    salt: u64,
    /// A mark stands as 1 and its value, or as 0 where it was removed.
    gathered: BTreeMap<Vec<u8>, Vec<u8>>,
    bytes: usize,
    bytes_max: usize,
    runs: Vec<PathBuf>,
    highest_timed: [u8; 16],
    newest: i64,
    first: u64,
}

impl<'a> Gather<'a> {
    /// Begins behind what is carried already.
    pub(crate) fn new(disk: &'a dyn Disk, dir: &'a Path, salt: u64, before: Option<&Carried>) -> Self {
        let header = before.map(|before| before.table().header).unwrap_or_default();
        Self {
            disk,
            dir,
            salt,
            gathered: BTreeMap::new(),
            bytes: 0,
            bytes_max: GATHERED_BYTES_MAX,
            runs: Vec::new(),
            highest_timed: header.highest_timed,
            newest: if before.is_some() { header.newest } else { i64::MIN },
            first: header.first,
        }
    }

    /// When the newest commit was recorded.
    pub(crate) fn newest(&self) -> i64 {
        self.newest
    }

    /// Takes in one frame.
    pub(crate) fn frame(&mut self, frame: &Frame) -> Result<(), GatherError> {
        if frame.header.kind == FrameKind::Seal {
            return Ok(());
        }
        let mut position = frame.header.first;
        for found in Batch::records(&frame.payload) {
            let body = frame.payload.slice(found.body..found.end);
            if found.is_numbered {
                let head = &frame.payload[found.body - RECORD_HEADER_BYTES..found.body];
                self.event(position, frame.header.time, head, &body)?;
                position += 1;
            } else {
                let mark = record::read_mark(&body).map_err(GatherError::Senseless)?;
                self.mark(&mark);
            }
        }
        (self.newest, self.first) = (frame.header.time, position);
        if self.bytes > self.bytes_max {
            self.set_aside()?;
        }
        Ok(())
    }

    fn event(&mut self, position: u64, time: i64, head: &[u8], body: &Bytes) -> Result<(), GatherError> {
        let event = record::read_named(body).map_err(GatherError::Senseless)?;
        let id = event.id().as_uuid().into_bytes();
        if is_timed(&id) {
            self.highest_timed = self.highest_timed.max(id);
        }
        let mut value = Vec::with_capacity(16 + RECORD_HEADER_BYTES);
        value.extend_from_slice(&position.to_le_bytes());
        value.extend_from_slice(&time.to_le_bytes());
        value.extend_from_slice(head);
        self.put(key(ID, &id), value);
        self.count(key(TYPE, event.type_name().as_bytes()));
        event.tags().for_each(|tag| self.count(key(TAG, tag.as_bytes())));
        if let Some(correlation) = event.correlation() {
            self.count(key(CORRELATION, correlation.as_uuid().as_bytes()));
        }
        Ok(())
    }

    fn mark(&mut self, mark: &Mark) {
        let mut value = vec![u8::from(mark.value.is_some())];
        value.extend_from_slice(mark.value.as_deref().unwrap_or_default());
        self.put(mark_key(&mark.key.space, &mark.key.name), value);
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.gathered.insert(key, value);
    }

    fn count(&mut self, key: Vec<u8>) {
        let bytes = key.len() + 8;
        let count = self.gathered.entry(key).or_insert_with(|| {
            self.bytes += bytes;
            vec![0; 8]
        });
        *count = sum(count, &1_u64.to_le_bytes());
    }

    fn run_path(&self, number: usize) -> PathBuf {
        self.dir.join(format!("run-{number:06}{UNFINISHED_ENDING}"))
    }

    /// Writes what is in memory to a file of its own.
    fn set_aside(&mut self) -> Result<(), GatherError> {
        let path = self.run_path(self.runs.len());
        let mut writer = TableWriter::create(self.disk, &path, self.salt)?;
        for (key, value) in std::mem::take(&mut self.gathered) {
            writer.add(&key, &value)?;
        }
        writer.finish(Header::default())?;
        self.bytes = 0;
        self.runs.push(path);
        Ok(())
    }

    /// Writes the file of a log that will begin with this segment, behind what was carried before. Its name is durable when
    /// this returns.
    pub(crate) fn finish(mut self, before: Option<&Carried>, segment: u32) -> Result<(), GatherError> {
        self.set_aside()?;
        let runs = self.runs.iter();
        let runs: Vec<Table> = runs
            .map(|path| Table::open(self.disk, path, self.salt))
            .collect::<Result<_, _>>()?;
        let path = self.dir.join(file_name(segment));
        let unfinished = self.dir.join(format!("{segment:010}{UNFINISHED_ENDING}"));
        let mut writer = TableWriter::create(self.disk, &unfinished, self.salt)?;
        let mut marks = 0;
        let before = before.map(Carried::table);
        merge(before, &runs, &mut |key, value| {
            if key[0] != MARK {
                return writer.add(key, value);
            }
            match value.split_first() {
                Some((1, value)) => {
                    marks += 1;
                    writer.add(key, value)
                }
                _ => Ok(()),
            }
        })?;
        writer.finish(Header {
            first: self.first,
            newest: self.newest,
            marks,
            highest_timed: self.highest_timed,
            ..Header::default()
        })?;
        self.disk.rename(&unfinished, &path)?;
        for path in &self.runs {
            self.disk.remove(path)?;
        }
        self.disk.flush_dir(self.dir)?;
        Ok(())
    }
}

fn sum(left: &[u8], right: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    (number(left) + number(right)).to_le_bytes().to_vec()
}

/// Takes in a key and its value.
type Each<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> io::Result<()>;

/// Every key once, in order: counts are added up, of everything else the newest is taken.
fn merge(before: Option<&Table>, runs: &[Table], each: Each<'_>) -> Result<(), GatherError> {
    let mut sources: Vec<Entries<'_>> = Vec::new();
    for table in before.into_iter().chain(runs) {
        sources.push(table.from(&[])?);
    }
    // What was carried before has marks without a first byte.
    let take = |source: &mut Entries<'_>, number: usize| -> Result<Option<(Bytes, Vec<u8>)>, GatherError> {
        let Some((key, value)) = source.next().transpose()? else {
            return Ok(None);
        };
        let carried = before.is_some() && number == 0 && key[0] == MARK;
        let head: &[u8] = if carried { &[1] } else { &[] };
        Ok(Some((key, [head, &value].concat())))
    };
    let mut heads = BinaryHeap::new();
    for (number, source) in sources.iter_mut().enumerate() {
        if let Some((key, value)) = take(source, number)? {
            heads.push(Reverse((key, number, value)));
        }
    }
    let mut current: Option<(Bytes, Vec<u8>)> = None;
    while let Some(Reverse((key, number, value))) = heads.pop() {
        if let Some((next, value)) = take(&mut sources[number], number)? {
            heads.push(Reverse((next, number, value)));
        }
        current = match current.take() {
            // Sources of one key come in their order, the oldest first.
            Some((same, so_far)) if same == key => {
                let value = match key[0] {
                    TAG | TYPE | CORRELATION => sum(&so_far, &value),
                    _ => value,
                };
                Some((key, value))
            }
            other => {
                if let Some((key, value)) = other {
                    each(&key, &value)?;
                }
                Some((key, value))
            }
        };
    }
    if let Some((key, value)) = current {
        each(&key, &value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
