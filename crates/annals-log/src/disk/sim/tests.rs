//! The simulated disk must be as unkind as the port allows, or the crash harness proves nothing.

use std::path::Path;

use super::super::{Access, Disk, LockError, WriteError};
use super::{Fault, Operation, SimDisk, Survival};

fn path() -> &'static Path {
    Path::new("dir/file")
}

fn dir() -> &'static Path {
    Path::new("dir")
}

#[test]
fn what_was_not_flushed_is_lost_and_what_was_flushed_is_kept() {
    let disk = SimDisk::new(1);
    let file = disk.create(path()).unwrap();
    disk.flush_dir(dir()).unwrap();
    file.write_at(&[1; 600], 0).unwrap();
    file.flush().unwrap();
    file.write_at(&[2; 600], 0).unwrap();
    assert_eq!(
        disk.crash(7, Survival::Nothing).content(path()).unwrap(),
        vec![1; 600]
    );
    assert_eq!(
        disk.crash(7, Survival::Everything).content(path()).unwrap(),
        vec![2; 600]
    );
    assert_eq!(
        disk.content(path()).unwrap(),
        vec![2; 600],
        "the disk itself goes on"
    );
}

#[test]
fn a_name_waits_for_its_directory() {
    let disk = SimDisk::new(1);
    let file = disk.create(path()).unwrap();
    file.write_at(b"hello", 0).unwrap();
    file.flush().unwrap();
    assert_eq!(disk.crash(1, Survival::Nothing).content(path()), None);
    disk.flush_dir(dir()).unwrap();
    assert_eq!(
        disk.crash(1, Survival::Nothing).content(path()).unwrap(),
        b"hello"
    );
    disk.rename(path(), Path::new("dir/other")).unwrap();
    let before = disk.crash(1, Survival::Nothing);
    assert_eq!(
        (
            before.content(path()).is_some(),
            before.content(Path::new("dir/other")).is_some()
        ),
        (true, false)
    );
}

#[test]
fn a_failed_flush_drops_the_bytes_and_the_next_one_lies() {
    let disk = SimDisk::new(1);
    let file = disk.create(path()).unwrap();
    disk.flush_dir(dir()).unwrap();
    file.write_at(&[0; 512], 0).unwrap();
    file.flush().unwrap();
    disk.fail_at(disk.operations(), Fault::FailFlush);
    let failed = file.write_at_flushed(&[9; 100], 0);
    assert!(matches!(failed, Err(WriteError::Flush(_))), "{failed:?}");
    file.flush().unwrap();
    assert_eq!(disk.content(path()).unwrap()[..100], [9; 100], "still readable");
    assert_eq!(
        disk.crash(1, Survival::Everything).content(path()).unwrap(),
        vec![0; 512],
        "and lost"
    );
    file.write_at_flushed(&[9], 300).unwrap();
    assert_eq!(
        disk.crash(1, Survival::Nothing).content(path()).unwrap()[..100],
        [9; 100],
        "written along with its sector"
    );
}

#[test]
fn sectors_survive_one_by_one_and_whole() {
    let disk = SimDisk::new(1);
    let file = disk.create(path()).unwrap();
    disk.flush_dir(dir()).unwrap();
    file.allocate(0, 8 * 512).unwrap();
    file.flush().unwrap();
    file.write_at(&[5; 8 * 512], 0).unwrap();
    let mut seen = std::collections::HashSet::new();
    for seed in 0..64 {
        let content = disk.crash(seed, Survival::Random).content(path()).unwrap();
        let sectors: Vec<u8> = content.chunks(512).map(|sector| sector[0]).collect();
        assert!(
            content
                .chunks(512)
                .all(|sector| sector.iter().all(|byte| *byte == sector[0]))
        );
        seen.insert(sectors);
        let prefix = disk.crash(seed, Survival::Prefix).content(path()).unwrap();
        assert!(
            prefix.is_sorted_by(|a, b| a >= b),
            "old bytes only after the new ones"
        );
    }
    assert!(seen.len() > 32, "{} different images", seen.len());
}

#[test]
fn size_may_run_ahead_of_content() {
    let disk = SimDisk::new(1);
    let file = disk.create(path()).unwrap();
    disk.flush_dir(dir()).unwrap();
    file.write_at(&[5; 700], 0).unwrap();
    assert_eq!(
        disk.crash(1, Survival::SizeAhead).content(path()).unwrap(),
        vec![0; 700]
    );
}

#[test]
fn a_full_disk_tears_the_write() {
    let disk = SimDisk::new(1);
    let file = disk.create(path()).unwrap();
    disk.limit(Some(1_000));
    assert_eq!(
        file.allocate(0, 1_500).unwrap_err().kind(),
        std::io::ErrorKind::StorageFull
    );
    assert_eq!(file.size().unwrap(), 1_000);
    file.write_at(&[1; 1_000], 0).unwrap();
    disk.limit(None);
    file.allocate(1_000, 500).unwrap();
}

#[test]
fn a_cut_inside_a_flushed_write_sees_it_written_and_not_durable() {
    let disk = SimDisk::new(1);
    let file = disk.create(path()).unwrap();
    disk.flush_dir(dir()).unwrap();
    file.allocate(0, 512).unwrap();
    file.flush().unwrap();
    let operation = disk.operations();
    disk.cut_at([operation]);
    file.write_at_flushed(&[3; 512], 0).unwrap();
    let (at, cut) = disk.take_cuts().pop().unwrap();
    assert_eq!(at, operation);
    assert_eq!(
        cut.crash(1, Survival::Nothing).content(path()).unwrap(),
        vec![0; 512]
    );
    assert_eq!(
        cut.crash(1, Survival::Everything).content(path()).unwrap(),
        vec![3; 512]
    );
}

#[test]
fn a_lock_is_held_once_and_let_go() {
    let disk = SimDisk::new(1);
    let held = disk.lock(path()).unwrap();
    assert!(matches!(disk.lock(path()), Err(LockError::Held { .. })));
    assert!(
        disk.crash(1, Survival::Nothing).lock(path()).is_ok(),
        "a lock does not outlive its machine"
    );
    drop(held);
    assert!(disk.lock(path()).is_ok());
}

#[test]
fn a_file_opened_to_read_cannot_be_written() {
    let disk = SimDisk::new(1);
    disk.place(path(), b"abc");
    let file = disk.open(path(), Access::Read).unwrap();
    assert_eq!(
        file.write_at(b"x", 0).unwrap_err().kind(),
        std::io::ErrorKind::PermissionDenied
    );
    disk.fail_read_at(disk.reads());
    assert!(file.read_at(&mut [0; 3], 0).is_err());
    assert_eq!(file.read_at(&mut [0; 9], 0).unwrap(), 3);
    assert!(disk.rot(path(), 1, 0xFF));
    assert_eq!(disk.content(path()).unwrap()[1], b'b' ^ 0xFF);
}

#[test]
fn a_lasting_fault_hits_what_it_can_until_it_is_mended() {
    let disk = SimDisk::new(1);
    disk.create_dir(dir()).unwrap();
    disk.fail_from(1, Fault::FailFlush);
    let file = disk.create(path()).unwrap();
    file.write_at(&[1; 600], 0).unwrap();
    assert!(file.flush().is_err() && file.flush().is_err() && disk.flush_dir(dir()).is_err());
    let hits = disk.take_hits();
    let operations: Vec<_> = hits.iter().map(|hit| hit.operation).collect();
    assert_eq!(
        operations,
        [Operation::Flush, Operation::Flush, Operation::FlushDir]
    );
    assert!(hits.iter().all(|hit| hit.fault == Fault::FailFlush));
    assert_eq!(hits[0].path, path());
    disk.heal();
    file.flush().unwrap();
    assert!(disk.take_hits().is_empty());
}

#[test]
fn where_a_file_grew_there_may_be_bytes_of_another_one() {
    let disk = SimDisk::new(1);
    disk.place(Path::new("d/old"), &[7; 2_048]);
    let file = disk.create(path()).unwrap();
    file.allocate(0, 1_024).unwrap();
    disk.flush_dir(dir()).unwrap();
    assert_eq!(
        disk.crash(1, Survival::Stale).content(path()).unwrap(),
        [7; 1_024]
    );
    assert_eq!(
        disk.crash(1, Survival::SizeAhead).content(path()).unwrap(),
        [0; 1_024]
    );
    file.flush().unwrap();
    assert_eq!(
        disk.crash(1, Survival::Stale).content(path()).unwrap(),
        [0; 1_024]
    );
}

#[test]
fn bytes_can_be_put_where_they_do_not_belong() {
    let disk = SimDisk::new(1);
    disk.place(path(), &[1; 8]);
    assert!(disk.misplace(path(), 2, &[9; 3]));
    assert!(!disk.rot(dir(), 0, 1), "there is no such file");
    assert!(!disk.misplace(path(), 6, &[9; 3]) && !disk.misplace(dir(), 0, &[9]));
    let found = disk.crash(1, Survival::Nothing).content(path()).unwrap();
    assert_eq!(found, [1, 1, 9, 9, 9, 1, 1, 1]);
}
