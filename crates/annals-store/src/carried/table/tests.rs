use annals_log::disk::sim::SimDisk;

use super::*;

const SALT: u64 = 7;

fn path() -> &'static Path {
    Path::new("store/0000000003.carried")
}

fn key(number: u64) -> Vec<u8> {
    format!("key {number:08}").into_bytes()
}

fn value(number: u64) -> Vec<u8> {
    vec![number as u8; (number % 300) as usize]
}

/// The even numbers below twice this count.
fn written(disk: &SimDisk, count: u64) -> Table {
    let mut writer = TableWriter::create(disk, path(), SALT).unwrap();
    for number in 0..count {
        writer.add(&key(number * 2), &value(number)).unwrap();
    }
    let header = Header {
        first: 9,
        newest: -3,
        marks: 1,
        highest_timed: [4; 16],
        ..Header::default()
    };
    writer.finish(header).unwrap();
    Table::open(disk, path(), SALT).unwrap()
}

#[test]
fn every_key_is_found_and_no_other() {
    for count in [0, 1, 2, 40, 5_000] {
        let disk = SimDisk::new(1);
        let table = written(&disk, count);
        assert_eq!((table.header.entries, table.header.first), (count, 9));
        assert_eq!(table.check().unwrap(), count);
        for number in (0..count).step_by(7) {
            assert_eq!(
                table.get(&key(number * 2)).unwrap().unwrap(),
                value(number),
                "{number}"
            );
            assert_eq!(table.get(&key(number * 2 + 1)).unwrap(), None, "{number}");
            let from: Vec<_> = table
                .from(&key(number * 2 + 1))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            assert_eq!(from.len() as u64, count - number - 1);
            if let Some((next, _)) = from.first() {
                assert_eq!(*next, key(number * 2 + 2));
            }
        }
        assert_eq!(table.get(b"").unwrap(), None);
        assert_eq!(table.get(b"z").unwrap(), None);
    }
}

#[test]
fn a_value_longer_than_a_block_comes_back() {
    let disk = SimDisk::new(1);
    let mut writer = TableWriter::create(&disk, path(), SALT).unwrap();
    for number in 0..20 {
        writer.add(&key(number), &vec![number as u8; 64 << 10]).unwrap();
    }
    writer.finish(Header::default()).unwrap();
    let table = Table::open(&disk, path(), SALT).unwrap();
    for number in 0..20 {
        assert_eq!(
            table.get(&key(number)).unwrap().unwrap(),
            vec![number as u8; 64 << 10]
        );
    }
}

#[test]
fn every_flipped_byte_is_seen() {
    let disk = SimDisk::new(1);
    written(&disk, 60);
    let size = disk.content(path()).unwrap().len() as u64;
    for at in 0..size {
        assert!(disk.rot(path(), at, 1));
        let checked = Table::open(&disk, path(), SALT).and_then(|table| table.check());
        assert!(checked.is_err(), "byte {at}");
        assert!(disk.rot(path(), at, 1));
    }
    assert_eq!(Table::open(&disk, path(), SALT).unwrap().check().unwrap(), 60);
}

#[test]
fn the_file_of_another_log_of_a_newer_build_or_none_is_refused() {
    let disk = SimDisk::new(1);
    assert!(matches!(
        Table::open(&disk, path(), SALT),
        Err(CarriedError::Damaged { .. })
    ));
    written(&disk, 3);
    assert!(matches!(
        Table::open(&disk, path(), SALT + 1),
        Err(CarriedError::Damaged { .. })
    ));
    assert!(disk.rot(path(), 8, 3));
    assert!(matches!(
        Table::open(&disk, path(), SALT),
        Err(CarriedError::Newer { found: 2, .. })
    ));
}

#[test]
fn a_file_cut_anywhere_is_told() {
    let disk = SimDisk::new(1);
    written(&disk, 300);
    let bytes = disk.content(path()).unwrap();
    for size in (0..200).chain((200..bytes.len()).step_by(53)) {
        disk.place(path(), &bytes[..size]);
        let checked = Table::open(&disk, path(), SALT).and_then(|table| table.check());
        assert!(
            matches!(checked, Err(CarriedError::Damaged { .. })),
            "{size} bytes: {checked:?}"
        );
    }
}

#[test]
fn a_walk_that_met_damage_has_ended() {
    let disk = SimDisk::new(1);
    let table = written(&disk, 300);
    let mut entries = table.from(&[]).unwrap();
    let file = disk.open(path(), Access::Write).unwrap();
    file.truncate(HEADER_BYTES as u64 + 10).unwrap();
    assert!(entries.by_ref().any(|entry| entry.is_err()));
    assert!(entries.next().is_none());
}
