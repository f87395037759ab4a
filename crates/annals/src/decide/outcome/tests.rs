use super::*;

#[test]
fn fingerprints_tell_name_and_content_apart() {
    let all = [
        fingerprint("orders.place", b"{}"),
        fingerprint("orders.place", b"{ }"),
        fingerprint("orders.plac", b"e{}"),
        fingerprint("", b"orders.place{}"),
        fingerprint("orders.place", b""),
    ];
    let different: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    assert_eq!(all[0], fingerprint("orders.place", b"{}"));
}

#[test]
fn fingerprints_are_stored_and_so_never_change() {
    // FNV-1a of 128 bits: the published values of "" and "a", with the zero byte that ends the name in front.
    assert_eq!(fingerprint("a", b""), format!("{:032x}", fnv(b"a\0")));
    assert_eq!(fnv(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
    assert_eq!(fnv(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
}

fn fnv(bytes: &[u8]) -> u128 {
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in bytes {
        hash ^= u128::from(*byte);
        hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    hash
}

#[test]
fn an_answer_under_a_key_reads_as_it_was_written() {
    let id = EventId::from_uuid(uuid::Uuid::from_u128(7));
    for answer in [
        Answer::Done { events: vec![id] },
        Answer::Refused(AnyRefusal {
            code: "full".into(),
            detail: "no seat".into(),
        }),
    ] {
        let first = FirstAnswer {
            fingerprint: "x".into(),
            correlation: Some(CorrelationId::from_uuid(uuid::Uuid::from_u128(8))),
            answer,
        };
        let text = serde_json::to_string(&first).unwrap();
        let again: FirstAnswer = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), text);
    }
}
