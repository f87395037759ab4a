//! The header of an index file.

use super::*;

fn milestone(number: u64) -> Milestone {
    Milestone {
        frame: Place {
            segment: 3,
            at: 512 + number,
        },
        number,
        checksum: 0xABCD_0000 + number as u32,
    }
}

#[test]
fn a_header_comes_back_and_others_do_not() {
    let root = |page| Root {
        page,
        depth: 2,
        entries: u64::from(page) * 100,
    };
    let stretch = Stretch {
        after: Some(milestone(9)),
        last: milestone(40),
        first: 1 << 40,
        events: 77,
        newest: Timestamp::from_micros(-5),
        log_bytes: 99,
    };
    let header = Header {
        stretch,
        level: 2,
        pages: 1_000,
        timed_ids: ([1; 16], [2; 16]),
        filtered: 6,
        marks_set: 5,
        terms: root(1),
        ids: root(2),
        marks: root(3),
        places: PlacesRoot {
            directory: 4,
            records: 77,
        },
        filter: FilterRoot { page: 5, blocks: 6 },
        types: (7, 8),
    };
    for after in [stretch.after, None] {
        let header = Header {
            stretch: Stretch { after, ..stretch },
            ..header
        };
        let mut bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Some(header));
        assert_eq!(Header::decode(&bytes[1..]), None);
        assert_eq!(Header::decode(&bytes[..bytes.len() - 1]), None);
        let mut other = header;
        other.places.records += 1;
        assert_eq!(
            Header::decode(&other.encode()),
            None,
            "a place for every event and no more"
        );
        for other in [FORMAT - 1, FORMAT + 1] {
            bytes[8..10].copy_from_slice(&other.to_le_bytes());
            assert_eq!(Header::decode(&bytes), None, "format {other}");
        }
    }
}
