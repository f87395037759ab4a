//! Where a log begins, as it is written down.

use super::*;

fn beginning() -> Beginning {
    Beginning {
        salt: 0x910a_2dec_8902_5cc1,
        segment: 3,
        before: Milestone {
            frame: Place {
                segment: 2,
                at: 8_000,
            },
            number: 41,
            checksum: 0x0f3a_9c11,
        },
        first: 1_234,
        note: "newest 5\narchive file:///x y\n".into(),
    }
}

#[test]
fn it_is_read_as_it_was_written_and_in_no_other_way() {
    let text = beginning().text();
    assert_eq!(Beginning::read(&text), Ok(beginning()));
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let spoiled = String::from_utf8_lossy(&bytes);
        assert!(Beginning::read(&spoiled).is_err(), "{spoiled}");
    }
    assert!(matches!(Beginning::read(""), Err(NoBeginning::Bad(_))));
    let newer = text.replace("beginning 1", "beginning 2");
    assert_eq!(Beginning::read(&newer), Err(NoBeginning::Newer(2)));
}

/// A text whose sum is right, whatever it says.
fn summed(body: &str) -> String {
    let sum = Checksum::new().with(body.as_bytes()).finish();
    format!("{body}sum {sum:08x}\n")
}

#[test]
fn what_makes_no_sense_is_refused_though_its_sum_is_right() {
    let text = beginning().text();
    let body = &text[..text.rfind("sum ").unwrap()];
    assert_eq!(Beginning::read(&summed(body)), Ok(beginning()));
    let refused = |from: &str, to: &str| {
        assert!(body.contains(from), "{body}");
        let read = Beginning::read(&summed(&body.replacen(from, to, 1)));
        assert!(
            matches!(read, Err(NoBeginning::Bad(_))),
            "{from:?} as {to:?}: {read:?}"
        );
    };
    // A frame before the beginning is in an earlier segment.
    refused("segment 3", "segment 2");
    refused("segment 3", "segment three");
    refused("before 2 8000 41 ", "before 2 8000 ");
    refused("before 2 8000 41 ", "before 2 8000 41 7 ");
    refused("before 2 8000 41 ", &format!("before 2 8000 {} ", u64::MAX));
    refused("first 1234", "second 1234");
    refused("log ", "log x");
}
