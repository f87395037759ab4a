//! The disk of this machine keeps the port's contract as far as a test without power cuts can tell.

use std::sync::Arc;

use annals_log::disk::real::RealDisk;
use annals_log::disk::{Access, Disk, LockError};
use annals_log::{Batch, Group, LogOptions, OpenError, beginning, open, open_read_only};

fn options() -> LogOptions {
    LogOptions {
        segment_bytes_first: 64 << 10,
        segment_bytes_max: 256 << 10,
        ..LogOptions::default()
    }
}

fn group(body: &[u8]) -> Group {
    let mut batch = Batch::default();
    batch.push_numbered(|bytes| bytes.extend_from_slice(body));
    let mut group = Group::new();
    group.add(&batch);
    group
}

#[test]
fn a_log_grows_over_segments_made_by_its_thread_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a").join("log");
    let mut log = open(Arc::new(RealDisk), &path, options(), &mut |_| Ok(())).unwrap();
    for number in 0..400_u32 {
        let committed = log.writer.commit(&mut group(&[number as u8; 1_000]), 0).unwrap();
        assert_eq!(committed.first, u64::from(number));
    }
    assert!(log.reader.segments() >= 3);
    let second = open(Arc::new(RealDisk), &path, options(), &mut |_| Ok(()));
    assert!(
        matches!(second, Err(OpenError::Locked { source: LockError::Held { holder: Some(pid) }, .. }) if pid == std::process::id())
    );
    log.writer.close().unwrap();

    let mut frames = 0;
    let again = open(Arc::new(RealDisk), &path, options(), &mut |_| {
        frames += 1;
        Ok(())
    });
    let again = again.unwrap();
    assert_eq!((frames, again.report.end, again.report.sealed), (401, 400, true));
    assert_eq!(again.reader.verify(&mut |_| Ok(())).unwrap().damage, []);
    let (reader, report) = open_read_only(Arc::new(RealDisk), &path, &mut |_| Ok(())).unwrap();
    assert_eq!(
        (report.end, reader.frames().map(Result::unwrap).count()),
        (400, 401)
    );
}

#[test]
fn files_answer_as_the_port_says() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, path) = (RealDisk, dir.path().join("file"));
    let file = disk.create(&path).unwrap();
    assert_eq!(
        disk.create(&path).unwrap_err().kind(),
        std::io::ErrorKind::AlreadyExists
    );
    file.allocate(0, 200_000).unwrap();
    file.write_at_flushed(b"hello", 100).unwrap();
    file.write_at(b"world", 199_995).unwrap();
    file.flush().unwrap();
    file.hint(0, 4_096);
    assert_eq!(file.size().unwrap(), 200_000);
    let mut buffer = [1; 10];
    assert_eq!(
        file.read_at(&mut buffer, 199_995).unwrap(),
        5,
        "fewer where the file ends"
    );
    assert_eq!(&buffer[..5], b"world");
    file.truncate(102).unwrap();
    assert_eq!(file.read_at(&mut buffer, 100).unwrap(), 2);
    let read_only = disk.open(&path, Access::Read).unwrap();
    assert!(read_only.write_at(b"x", 0).is_err());
    disk.rename(&path, &dir.path().join("other")).unwrap();
    disk.flush_dir(dir.path()).unwrap();
    assert_eq!(disk.list(dir.path()).unwrap(), ["other"]);
    disk.remove(&dir.path().join("other")).unwrap();
    assert_eq!(
        disk.open(&path, Access::Read).unwrap_err().kind(),
        std::io::ErrorKind::NotFound
    );
    assert_ne!(disk.entropy(), disk.entropy());
}

#[test]
fn where_a_log_begins_is_not_guessed_when_the_disk_does_not_tell() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(beginning(&RealDisk, dir.path()).unwrap(), None);
    let file = dir.path().join("file");
    std::fs::write(&file, b"no directory").unwrap();
    let untold = beginning(&RealDisk, &file).unwrap_err();
    assert!(
        matches!(untold, OpenError::Io { doing: "open", .. }),
        "{untold:?}"
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"not a folder").unwrap();
    assert!(RealDisk.create_dir(&file).is_err());
    assert!(RealDisk.create_dir(&file.join("a").join("b")).is_err());
    assert_eq!(std::fs::read(&file).unwrap(), b"not a folder");
}
