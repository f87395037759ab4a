//! Power cuts at every operation of a workload, each survived in several ways, each recovery cut once more.
//!
//! The oracle: every acknowledged group is there, whole and in order; at most the one in flight follows; nothing that
//! was rejected ever appears; and the log takes groups again.

use std::path::Path;
use std::sync::Arc;

use annals_log::disk::sim::chance::Chance;
use annals_log::disk::sim::{Fault, SimDisk, Survival};
use annals_log::{Batch, CommitError, Group, Log, LogOptions, OpenError, Prepare, open};

const OPTIONS: LogOptions = LogOptions {
    segment_bytes_first: 4_096,
    segment_bytes_max: 8_192,
    prepare: Prepare::Inline,
    open_files_max: 2,
};

type Bodies = Vec<Vec<u8>>;

fn opened(disk: &SimDisk) -> Result<(Log, Bodies), OpenError> {
    let mut bodies = Vec::new();
    let visit = &mut |frame: &annals_log::Frame| {
        let records = Batch::records(&frame.payload);
        bodies.extend(records.map(|record| frame.payload[record.body..record.end].to_vec()));
        Ok(())
    };
    let log = open(Arc::new(disk.clone()), Path::new("log"), OPTIONS, visit)?;
    Ok((log, bodies))
}

fn group(body: &[u8]) -> Group {
    let mut batch = Batch::default();
    batch.push_numbered(|bytes| bytes.extend_from_slice(body));
    let mut group = Group::new();
    group.add(&batch);
    group
}

/// What the workload was told, and after which operation.
#[derive(Default)]
struct Told {
    acknowledged: Vec<(u64, Vec<u8>)>,
    unknown: Option<Vec<u8>>,
}

fn workload(disk: &SimDisk, chance: &mut Chance) -> Told {
    let mut told = Told::default();
    let Ok((mut log, _)) = opened(disk) else {
        return told;
    };
    for number in 0..12_u64 {
        let mut body = number.to_le_bytes().to_vec();
        body.resize(8 + chance.below(900) as usize, number as u8 + 1);
        if chance.one_in(6) {
            let fault = [Fault::CutShort, Fault::FailFlush, Fault::NoSpace][chance.below(3) as usize];
            disk.fail_at(disk.operations() + chance.below(3), fault);
        }
        match log.writer.commit(&mut group(&body), 0) {
            Ok(_) => told.acknowledged.push((disk.operations(), body)),
            Err(CommitError::NotWritten(_)) => {}
            Err(CommitError::Unknown(_)) => {
                told.unknown = Some(body);
                return told;
            }
            Err(_) => return told,
        }
        if chance.one_in(5) && log.writer.seal().is_err() {
            return told;
        }
    }
    told
}

fn judge(image: &SimDisk, told: &Told, cut: u64, what: &str) {
    let (mut log, found) = opened(image).unwrap_or_else(|error| panic!("{what}: {error}"));
    let sure = told
        .acknowledged
        .iter()
        .filter(|(after, _)| *after <= cut)
        .count();
    let mut all: Bodies = told.acknowledged.iter().map(|(_, body)| body.clone()).collect();
    all.extend(told.unknown.clone());
    assert!(
        found.len() >= sure,
        "{what}: {sure} acknowledged, {} found",
        found.len()
    );
    assert!(
        found.len() <= sure + 1,
        "{what}: only one group is ever in flight, found {}",
        found.len()
    );
    // A group in flight at the cut may have been rejected later on, so only what was acknowledged is compared.
    assert_eq!(found[..sure], all[..sure], "{what}");
    log.writer.commit(&mut group(b"again"), 0).unwrap();
    let report = log.reader.verify(&mut |_| Ok(())).unwrap();
    assert_eq!(
        (report.damage.len(), report.numbered),
        (0, found.len() as u64 + 1),
        "{what}"
    );
    drop(log);
    let (_, after) = opened(&image.crash(cut, Survival::Nothing)).unwrap();
    assert_eq!(after[..found.len()], found[..], "{what}: once served, it stays");
}

#[test]
fn every_power_cut_leaves_what_was_acknowledged() {
    let mut images = 0;
    for seed in 0..40 {
        let mut chance = Chance::new(seed);
        let disk = SimDisk::new(seed);
        disk.cut_at(0..400);
        let told = workload(&disk, &mut chance);
        for (cut, frozen) in disk.take_cuts() {
            let mode = Survival::ALL[chance.below(Survival::ALL.len() as u64) as usize];
            let image = frozen.crash(chance.number(), mode);
            let again = image.crash(0, Survival::Everything);
            again.cut_at([chance.below(4)]);
            judge(
                &image,
                &told,
                cut,
                &format!("seed {seed}, operation {cut}, {mode:?}"),
            );
            images += 1;
            if opened(&again).is_ok()
                && let Some((_, recovering)) = again.take_cuts().pop()
            {
                let twice = recovering.crash(chance.number(), Survival::Random);
                judge(
                    &twice,
                    &told,
                    cut,
                    &format!("seed {seed}, operation {cut}, {mode:?}, and again in recovery"),
                );
                images += 1;
            }
        }
    }
    assert!(images > 1_000, "{images} images");
}
