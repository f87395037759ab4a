//! A door for fuzzers: any message of a broker.
//!
//! In: bytes: lines `name: value` of headers up to an empty line, then the content. Out: nothing, or a panic that is a
//! finding. Whatever came and could be sent on is the same message again behind every way of sending. In a build that is
//! used this does not exist: it takes the feature `fuzz`.

use annals_core::port::transport::{Message, Topic};
use bytes::Bytes;

use super::attributes::Attributes;
use super::decode::{Incoming, Place, decode, read};
use super::encode::encode;
use super::structured::structured;

/// Answers whether it was taken for an event of CloudEvents.
pub fn message(input: &[u8]) -> bool {
    let end = input.windows(2).position(|pair| pair == b"\n\n");
    let (head, data) = match end {
        Some(end) => (&input[..end], &input[end + 2..]),
        None => (&[][..], input),
    };
    let head = String::from_utf8_lossy(head);
    let headers: Vec<(&str, &str)> = head.lines().filter_map(|line| line.split_once(": ")).collect();
    let incoming = Incoming {
        topic: Topic::from("orders"),
        attributes: Attributes::among(
            headers.iter().map(|(name, value)| (*name, (*value).into())),
            &["ce_", "cloudEvents:"],
        ),
        content_type: headers
            .iter()
            .find_map(|(name, value)| (*name == "content-type").then_some((*value).into())),
        key: headers
            .iter()
            .find_map(|(name, value)| (*name == "key").then_some((*value).into())),
        place: Place::Unknown,
        data: Bytes::copy_from_slice(data),
    };
    let is_event = read(&incoming).is_ok();
    let message = decode(incoming);
    if let Ok(encoded) = encode(&message) {
        let again = decode(Incoming {
            topic: message.topic.clone(),
            attributes: Attributes::among(
                encoded
                    .attributes
                    .into_iter()
                    .map(|(name, value)| (format!("ce_{name}"), value)),
                &["ce_"],
            ),
            content_type: Some(encoded.content_type.into()),
            key: encoded.key.map(Into::into),
            place: Place::Unknown,
            data: encoded.data.clone(),
        });
        same(&message, &again);
    }
    if let Ok(line) = structured(&message) {
        assert!(!line.contains('\n'), "one message is one line");
        let again = decode(Incoming {
            topic: message.topic.clone(),
            attributes: Attributes::default(),
            content_type: None,
            key: None,
            place: Place::Unknown,
            data: line.into(),
        });
        same(&message, &again);
    }
    is_event
}

fn same(message: &Message, again: &Message) {
    assert_eq!(message, again, "a message that was sent on is the same");
}

#[cfg(test)]
mod tests {
    use super::message;

    const GOOD: [&str; 4] = [
        "ce_specversion: 1.0\nce_id: 1\nce_source: /shop\nce_type: sold\nce_time: 2018-04-05T17:31:00Z\n\
         key: order:1\ncontent-type: application/json\n\n{\"a\":1}",
        "ce_specversion: 1.0\nce_id: 019a4f3c-5b9e-7c2d-8e1f-0123456789ab\nce_source: orders\n\
         ce_type: order.placed\nce_partitionkey: order:42\n\n{}",
        "\n\n{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/shop\",\"type\":\"sold\",\
         \"datacontenttype\":\"text/plain\",\"data\":\"text\"}",
        "content-type: application/cloudevents+json\n\n{\"specversion\":\"1.0\",\"id\":\"1\",\
         \"source\":\"/shop\",\"type\":\"sold\",\"data_base64\":\"AP8=\"}",
    ];

    /// What fuzzers kept: the fewest inputs that reach what they ever reached.
    #[test]
    fn what_fuzzers_kept_makes_the_decoder_of_messages_stumble_no_more() {
        let all = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/cloud_event");
        let kept: Vec<Vec<u8>> = std::fs::read_dir(all)
            .unwrap()
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .collect();
        let taken = kept.iter().filter(|input| message(input)).count();
        assert!(0 < taken && taken < kept.len(), "{taken} of {}", kept.len());
    }

    /// A slice of the fuzzing for every run of the tests; `ANNALS_FUZZ_ROUNDS` says how often (20,000).
    #[test]
    fn no_message_makes_the_decoder_stumble() {
        let rounds = match std::env::var("ANNALS_FUZZ_ROUNDS") {
            Ok(text) => text.parse().unwrap(),
            Err(_) => 20_000_u64,
        };
        let mut state = 1_u64;
        let mut below = |limit: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % limit.max(1)
        };
        // Words that mean something, so that a mutant is more than a broken one.
        let words: [&[u8]; 10] = [
            b"ce_subject: x\n",
            b"ce_type: \n",
            b"ce_id: \xc3\xa4\n",
            b"\n\n",
            b"\"data\":null,",
            b"\"time\":\"9999-12-31T23:59:59.999999999Z\",",
            b"ce_time: -0001-01-01T00:00:00Z\n",
            b"\\ud800",
            b"\xff",
            b"ce_partitionkey: :\n",
        ];
        let mut taken = 0;
        for round in 0..rounds {
            let mut bytes = GOOD[round as usize % GOOD.len()].as_bytes().to_vec();
            assert!(round >= 4 || message(&bytes), "they are good to begin with");
            for _ in 0..=below(3) {
                let at = below(bytes.len());
                match below(5) {
                    0 => bytes[at] ^= 1 << below(8),
                    1 => bytes[at] = below(256) as u8,
                    2 => {
                        let end = (at + below(20)).min(bytes.len());
                        bytes.drain(at..end);
                        if bytes.is_empty() {
                            bytes.push(b'{');
                        }
                    }
                    3 => {
                        bytes.splice(at..at, words[below(words.len())].iter().copied());
                    }
                    _ => {
                        let line = bytes
                            .iter()
                            .take(at)
                            .rposition(|byte| *byte == b'\n')
                            .map_or(0, |at| at + 1);
                        bytes.splice(line..line, words[below(words.len())].iter().copied());
                    }
                }
            }
            taken += u64::from(message(&bytes));
        }
        assert!(
            taken * 20 > rounds && taken < rounds,
            "{taken} of {rounds} were taken"
        );
    }
}
