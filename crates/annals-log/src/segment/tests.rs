use super::*;
use crate::disk::sim::{Fault, Operation, SimDisk, Survival};

const HEADER: SegmentHeader = SegmentHeader {
    number: 4,
    salt: 77,
    size: 4_096,
};

fn handles(disk: &SimDisk) -> Arc<Handles> {
    Handles::new(Arc::new(disk.clone()), 2)
}

#[test]
fn a_header_comes_back_and_every_flipped_bit_is_seen() {
    let bytes = HEADER.encode();
    assert_eq!(SegmentHeader::look(&bytes), HeaderLook::Header(HEADER));
    for bit in 0..HEADER_BYTES * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(
            !matches!(SegmentHeader::look(&flipped), HeaderLook::Header(_)),
            "bit {bit}"
        );
    }
    assert_eq!(SegmentHeader::look(&[0; 512]), HeaderLook::Blank);
    assert_eq!(SegmentHeader::look(&[]), HeaderLook::Blank);
    assert!(matches!(SegmentHeader::look(&bytes[..40]), HeaderLook::Bad(..)));
    let shortest = SegmentHeader::look(&bytes[..HEADER_BYTES]);
    assert_eq!(
        shortest,
        HeaderLook::Header(HEADER),
        "nothing behind it is needed"
    );
    let mut newer = bytes;
    newer[8] = 3;
    assert_eq!(
        SegmentHeader::look(&newer),
        HeaderLook::Foreign(Foreign::Format(3))
    );
}

#[test]
fn what_another_build_wrote_is_told_from_damage() {
    let with = |at: usize, field: u8| {
        let mut bytes = HEADER.encode();
        bytes[at] = field;
        let right = header_checksum(&bytes);
        bytes[12..16].copy_from_slice(&right.to_le_bytes());
        SegmentHeader::look(&bytes)
    };
    assert_eq!(with(8, 0), HeaderLook::Unreleased);
    for at in [10, 11, 40, 63] {
        let look = with(at, 1);
        assert!(
            matches!(look, HeaderLook::Foreign(Foreign::Feature(_))),
            "byte {at}: {look:?}"
        );
    }
}

#[test]
fn names_are_told_apart() {
    assert_eq!(FileName::of("0000000012.seg"), FileName::Segment(12));
    assert_eq!(FileName::of("0000000012.seg.tmp"), FileName::Unfinished);
    assert_eq!(FileName::of("12.seg"), FileName::Other);
    assert_eq!(FileName::of("LOCK"), FileName::Other);
}

#[test]
fn a_segment_that_was_answered_survives_the_worst_cut() {
    let disk = SimDisk::new(1);
    let segment = create(&handles(&disk), Path::new("log"), &HEADER).unwrap();
    let image = disk.crash(1, Survival::Nothing);
    let content = image.content(&segment.segment.path).unwrap();
    assert_eq!(content.len(), 4_096);
    assert_eq!(SegmentHeader::look(&content[..512]), HeaderLook::Header(HEADER));
}

#[test]
fn a_segment_bears_its_name_only_when_it_is_whole() {
    let disk = SimDisk::new(1);
    disk.cut_at(0..20);
    create(&handles(&disk), Path::new("log"), &HEADER).unwrap();
    let cuts = disk.take_cuts();
    assert!(cuts.len() >= 5);
    for (operation, cut) in cuts {
        for mode in Survival::ALL {
            for seed in 0..8 {
                if let Some(content) = cut.crash(seed, mode).content(&path_of(Path::new("log"), 4)) {
                    assert_eq!(
                        content.len(),
                        4_096,
                        "operation {operation}, {mode:?}, seed {seed}"
                    );
                    assert_eq!(SegmentHeader::look(&content[..512]), HeaderLook::Header(HEADER));
                }
            }
        }
    }
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let disk = SimDisk::new(1);
    disk.limit(Some(2_000));
    let failed = create(&handles(&disk), Path::new("log"), &HEADER).unwrap_err();
    assert!(matches!(failed, CreateError::Allocate(error) if error.kind() == io::ErrorKind::StorageFull));
    assert_eq!(disk.used(), 0);
    disk.limit(None);
    disk.fail_at(disk.operations() + 5, Fault::FailFlush);
    let failed = create(&handles(&disk), Path::new("log"), &HEADER);
    assert!(matches!(failed, Err(CreateError::FlushDir(_))), "{failed:?}");
}

#[test]
fn what_an_interrupted_making_left_is_in_nobodys_way() {
    let disk = SimDisk::new(1);
    let left = Path::new("log").join("0000000004.seg.tmp");
    disk.place(&left, &[1; 9_000]);
    let made = create(&handles(&disk), Path::new("log"), &HEADER).unwrap();
    let content = disk.content(&made.segment.path).unwrap();
    assert_eq!(content.len(), 4_096);
    assert!(content[FIRST_FRAME as usize..].iter().all(|byte| *byte == 0));
    assert_eq!(disk.content(&left), None);
}

#[test]
fn why_a_file_could_not_be_made_is_told_as_the_disk_said_it() {
    let disk = SimDisk::new(1);
    disk.fail_at(0, Fault::NoSpace);
    let failed = create(&handles(&disk), Path::new("log"), &HEADER).unwrap_err();
    assert!(
        matches!(&failed, CreateError::Allocate(error) if error.kind() == io::ErrorKind::StorageFull),
        "{failed:?}"
    );
}

#[test]
fn a_large_segment_is_flushed_step_by_step_and_has_the_size_it_says() {
    let disk = SimDisk::new(1);
    let header = SegmentHeader {
        size: 2 * ZEROING_STEP_BYTES + 4_096,
        ..HEADER
    };
    // Made, then zeros and a flush for each of three steps, the last of which is flushed together with the header.
    disk.fail_at(4, Fault::FailFlush);
    create(&handles(&disk), Path::new("log"), &header).unwrap_err();
    assert_eq!(disk.take_hits()[0].operation, Operation::Flush);
    let made = create(&handles(&disk), Path::new("log"), &header).unwrap();
    let content = disk.content(&made.segment.path).unwrap();
    assert_eq!(content.len() as u64, header.size);
}
