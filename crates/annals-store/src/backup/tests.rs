//! Manifests: what is read back, and what is no manifest.

use super::*;

#[test]
fn a_manifest_is_read_as_it_was_written_and_in_no_other_way() {
    let manifest = Manifest {
        events: 12,
        newest: Timestamp::from_micros(1_700_000_000_000_001),
        files: vec![Copied {
            name: "0000000000.seg".into(),
            bytes: 1 << 20,
            checksum: 0x0f3a_9c11,
        }],
    };
    let text = manifest.text();
    assert_eq!(Manifest::read(&text), Ok(manifest));
    for at in 0..text.len() - 1 {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let spoiled = String::from_utf8_lossy(&bytes);
        assert!(Manifest::read(&spoiled).is_err(), "{spoiled}");
    }
    assert!(Manifest::read("").is_err());
}

#[test]
fn a_manifest_that_leads_elsewhere_or_says_something_else_is_none_though_its_sum_is_right() {
    let read = |body: &str| {
        let sum = Checksum::new().with(body.as_bytes()).finish();
        Manifest::read(&format!("{body}sum {sum:08x}\n"))
    };
    let file = |name: &str| format!("{HEADING}\nevents 1\nfile {name} 5 0000000a\n");
    assert_eq!(
        read(&file("0000000000.seg")).map(|manifest| manifest.files.len()),
        Ok(1)
    );
    for name in ["../0000000000.seg", "a\\b", "two words"] {
        let refused = read(&file(name)).unwrap_err();
        assert!(refused.starts_with("the line"), "{refused}");
    }
    let refused = read("another heading\nevents 1\n").unwrap_err();
    assert!(refused.starts_with("the heading"), "{refused}");
    assert!(read(&format!("{HEADING}\nevents many\n")).is_err());
}
