use super::{Fault, Source};

fn text_of(bytes: &[u8], limit: u64) -> Result<Vec<u8>, Fault> {
    let mut source = Source::open(bytes, limit)?;
    let mut text = Vec::new();
    let mut buffer = [0; 1_000];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(text),
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
}

#[test]
fn plain_and_compressed_text_are_the_same_text() {
    let text = "a,b\n1,2\n".repeat(500).into_bytes();
    let packed = zstd::encode_all(&text[..], 3).unwrap();
    assert_eq!(text_of(&text, 1 << 20).unwrap(), text);
    assert_eq!(text_of(&packed, 1 << 20).unwrap(), text);
    let twice = [packed.clone(), packed].concat();
    assert_eq!(text_of(&twice, 1 << 20).unwrap().len(), 2 * text.len());
}

#[test]
fn every_cut_of_compressed_text_is_a_fault() {
    let text = "a,b\n1,2\n".repeat(500).into_bytes();
    let packed = zstd::encode_all(&text[..], 3).unwrap();
    for cut in 4..packed.len() {
        let found = text_of(&packed[..cut], 1 << 20);
        assert!(
            matches!(found, Err(Fault::Compressed { .. })),
            "cut at {cut}: {found:?}"
        );
    }
    let tail = [packed, b"more".to_vec()].concat();
    assert!(matches!(
        text_of(&tail, 1 << 20),
        Err(Fault::Compressed { byte: 4_000, .. })
    ));
}

#[test]
fn a_small_file_cannot_turn_into_endless_text() {
    let bomb = zstd::encode_all(&vec![b'x'; 10 << 20][..], 3).unwrap();
    assert!(bomb.len() < 10_000);
    assert!(matches!(
        text_of(&bomb, 1 << 20),
        Err(Fault::TooLarge { limit: 1_048_576 })
    ));
    assert!(text_of(&bomb, 10 << 20).is_ok());
}

#[test]
fn other_contents_are_named() {
    for (bytes, name) in [
        (&b"\x1F\x8B\x08\x00"[..], "gzip"),
        (b"PK\x03\x04rest", "zip"),
        (b"\xFF\xFEI\x00n\x00", "UTF-16"),
        (b"BZh9", "bzip2"),
        (b"\xFD7zXZ\x00", "xz"),
        (b"%PDF-1.4", "PDF"),
    ] {
        let found = text_of(bytes, 100).unwrap_err().to_string();
        assert!(found.contains(name), "{found}");
    }
    assert!(matches!(text_of(b"", 100), Err(Fault::Empty)));
}
