//! The disk of the machine, where calls do less than they were asked.

use super::*;

/// What calls answered, one after the other, and from where they were asked.
fn calls(answers: &[Result<usize, io::ErrorKind>]) -> (io::Result<usize>, Vec<usize>) {
    let (mut answers, mut asked) = (answers.iter(), Vec::new());
    let done = moved(10, |done| {
        asked.push(done);
        let answer = answers.next().expect("no call more than was thought of");
        answer.map_err(io::Error::from)
    });
    (done, asked)
}

#[test]
fn what_is_moved_in_pieces_and_interrupted_is_moved_whole() {
    let (done, asked) = calls(&[Ok(4), Err(io::ErrorKind::Interrupted), Ok(5), Ok(1)]);
    assert_eq!((done.unwrap(), asked), (10, vec![0, 4, 4, 9]));
    let (done, asked) = calls(&[Ok(4), Ok(0)]);
    assert_eq!((done.unwrap(), asked), (4, vec![0, 4]));
    let (done, asked) = calls(&[Ok(4), Err(io::ErrorKind::StorageFull)]);
    assert_eq!(
        (done.unwrap_err().kind(), asked),
        (io::ErrorKind::StorageFull, vec![0, 4])
    );
    assert_eq!(whole(4, &[0; 5]).unwrap_err().kind(), io::ErrorKind::WriteZero);
    assert!(whole(5, &[0; 5]).is_ok());
}

#[test]
fn without_flushed_writes_a_write_and_a_flush_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = RealDisk.create(&dir.path().join("file")).unwrap();
    file.write_at(b"before", 0).unwrap();
    file.hint(0, 0);
    let old = RealFile {
        file: StdFile::options()
            .write(true)
            .read(true)
            .open(dir.path().join("file"))
            .unwrap(),
        flushed_writes: AtomicBool::new(false),
    };
    old.write_at_flushed(b"be here", 0).unwrap();
    let mut found = [0; 8];
    assert_eq!(file.read_at(&mut found, 0).unwrap(), 7);
    assert_eq!(&found[..7], b"be here");
    let closed = RealFile {
        file: StdFile::open(dir.path().join("file")).unwrap(),
        flushed_writes: AtomicBool::new(false),
    };
    let refused = closed.write_at_flushed(b"no", 0);
    assert!(
        matches!(refused, Err(WriteError::Write(_))),
        "no flush was asked: {refused:?}"
    );
}

#[test]
fn a_flushed_write_that_fails_is_told_as_a_flush_and_is_not_tried_in_another_way() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    RealDisk.create(&path).unwrap();
    let file = RealDisk.open(&path, Access::Read).unwrap();
    let refused = file.write_at_flushed(b"no", 0);
    match cfg!(target_os = "linux") {
        true => assert!(matches!(refused, Err(WriteError::Flush(_))), "{refused:?}"),
        false => assert!(matches!(refused, Err(WriteError::Write(_))), "{refused:?}"),
    }
}

#[cfg(target_os = "linux")]
#[test]
fn only_a_call_that_is_not_there_is_taken_for_missing() {
    use rustix::io::Errno;
    let missing = |errno: Errno| flushed::is_missing(&errno.into());
    assert!(missing(Errno::OPNOTSUPP) && missing(Errno::NOSYS));
    assert!(!missing(Errno::IO) && !missing(Errno::NOSPC) && !missing(Errno::INVAL));
}

#[test]
fn folders_are_made_with_their_parents_or_it_is_said_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, deep) = (RealDisk, dir.path().join("a").join("b").join("c"));
    disk.create_dir(&deep).unwrap();
    disk.create_dir(&deep).unwrap();
    // The folder in which we are is there already.
    disk.create_dir(Path::new("")).unwrap();
    assert!(deep.is_dir());
    disk.create(&deep.join("file")).unwrap();
    let below_a_file = disk.create_dir(&deep.join("file").join("d"));
    assert!(below_a_file.is_err());
    let taken = disk.create_dir(&deep.join("file")).unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists, "a file has that name");
}
