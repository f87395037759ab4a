use std::path::Path;

use super::super::super::protocol::{Charge, ChargeStatus};
use super::super::entry::Entry;
use super::{LedgerFile, NAME, OpenError, Replayed};
use crate::money::Money;

fn entry(key: &str) -> Entry {
    Entry::Charge(Charge {
        key: key.to_owned(),
        order: "1".to_owned(),
        amount: Money::from(10),
        status: ChargeStatus::Captured,
        reason: None,
    })
}

fn line(key: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    entry(key).write(&mut bytes);
    bytes
}

fn open(folder: &Path) -> Result<(LedgerFile, Replayed, Vec<Entry>), OpenError> {
    let mut entries = Vec::new();
    let (file, replayed) = LedgerFile::open(folder, |entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok((file, replayed, entries))
}

#[test]
fn a_line_is_what_the_documentation_says() {
    let text = r#"{"charge":{"key":"a","order":"1","amount":"10","status":"captured"}}"#;
    assert_eq!(String::from_utf8(line("a")).unwrap(), format!("{text}\n"));
}

#[test]
fn entries_come_back_and_a_torn_last_line_is_cut_at_every_place() {
    let torn = line("c");
    for cut in 0..torn.len() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, replayed, _) = open(folder.path()).unwrap();
        assert_eq!(
            replayed,
            Replayed {
                entries: 0,
                cut_bytes: 0
            }
        );
        file.append(&[line("a"), line("b")].concat()).unwrap();
        file.append(&torn[..cut]).unwrap();
        drop(file);

        let (mut file, replayed, entries) = open(folder.path()).unwrap();
        assert_eq!(
            replayed,
            Replayed {
                entries: 2,
                cut_bytes: cut as u64
            }
        );
        assert_eq!(entries, [entry("a"), entry("b")]);
        file.append(&line("d")).unwrap();
        drop(file);
        let (_, replayed, entries) = open(folder.path()).unwrap();
        assert_eq!(
            (replayed.cut_bytes, entries),
            (0, vec![entry("a"), entry("b"), entry("d")])
        );
    }
}

#[test]
fn damage_in_the_middle_refuses_the_file_and_leaves_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    for middle in [&b"rubbish\n"[..], b"\0\0\0\n", b"\n", &[b'x'; 20_000]] {
        let bytes = [&line("a")[..], middle, &line("b")[..]].concat();
        std::fs::write(&path, &bytes).unwrap();
        let Err(OpenError::Damaged { line: 2, byte, .. }) = open(folder.path()).map(|_| ()) else {
            panic!("opened with {middle:?} in the middle");
        };
        assert_eq!(byte, line("a").len() as u64);
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn one_program_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let held = open(folder.path()).unwrap();
    assert!(matches!(
        open(folder.path()).map(|_| ()),
        Err(OpenError::InUse { .. })
    ));
    drop(held);
    assert!(open(folder.path()).is_ok());
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "in the way").unwrap();
    let error = open(&blocked).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }));
    assert!(error.to_string().contains("file/ledger.jsonl"), "{error}");
}
