use std::io::Read;

use super::super::source::Source;
use super::{Broken, FIELDS_MAX, Flaw, Records};

/// Hands out one byte at a time, so that every place is once the end of what is at hand.
struct Dripping<'a>(&'a [u8]);

impl Read for Dripping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.len().min(buffer.len()).min(1);
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

type Read1 = (u64, Vec<String>);

fn records_of(input: impl Read, limit: usize) -> Result<Vec<Read1>, (u64, usize, Flaw)> {
    let mut records = Records::open(Source::open(input, 1 << 20).unwrap(), limit).unwrap();
    let mut found = Vec::new();
    loop {
        match records.next() {
            Ok(Some(record)) => {
                let fields = (0..record.len())
                    .map(|number| record.field(number).into_owned())
                    .collect();
                found.push((record.line, fields));
            }
            Ok(None) => return Ok(found),
            Err(Broken::Field { line, number, flaw }) => return Err((line, number, flaw)),
            Err(Broken::Whole(fault)) => panic!("{fault}"),
        }
    }
}

fn read(text: &[u8]) -> Result<Vec<Read1>, (u64, usize, Flaw)> {
    let whole = records_of(text, 20);
    assert_eq!(
        whole,
        records_of(Dripping(text), 20),
        "the same however the bytes arrive"
    );
    whole
}

fn record(line: u64, fields: &[&str]) -> Read1 {
    (line, fields.iter().map(|field| (*field).to_owned()).collect())
}

#[test]
fn fields_are_split_and_unquoted() {
    let text = b"a,b,c\n1,\"x, y\",3\n4,\"7\"\" single\",\n\"\",  spaced ,5\" bare\n";
    assert_eq!(
        read(text).unwrap(),
        [
            record(1, &["a", "b", "c"]),
            record(2, &["1", "x, y", "3"]),
            record(3, &["4", "7\" single", ""]),
            record(4, &["", "spaced", "5\" bare"]),
        ]
    );
}

#[test]
fn lines_are_physical_lines() {
    let text = b"\xEF\xBB\xBFa,b\r\n\"one\ntwo\r\nthree\",2\r\n\r\nlast,\"3\"";
    assert_eq!(
        read(text).unwrap(),
        [
            record(1, &["a", "b"]),
            record(2, &["one\ntwo\r\nthree", "2"]),
            record(5, &[""]),
            record(6, &["last", "3"])
        ]
    );
    assert_eq!(read(b"a\nb").unwrap(), read(b"a\nb\n").unwrap());
    assert_eq!(read(b"a\n\"b\"\r").unwrap(), read(b"a\nb\n").unwrap());
}

#[test]
fn flaws_name_the_line_and_the_field() {
    for (text, place) in [
        (&b"a,b\nx,\"y\nz"[..], (2, 1, Flaw::Unterminated)),
        (
            b"a\n\"x\ny\"\n\"this quote is never closed\nnor here",
            (4, 0, Flaw::Unterminated),
        ),
        (b"a,b\n\"x\"y,1\n", (2, 0, Flaw::BehindQuote { found: 'y' })),
        (
            "a,b\n\"x\"é,1\n".as_bytes(),
            (2, 0, Flaw::BehindQuote { found: 'é' }),
        ),
        (b"a,b\n1,123456789012345678901\n", (2, 1, Flaw::TooLong)),
        (
            b"a,b\n1,2\n3,caf\xE9\n",
            (
                3,
                1,
                Flaw::Utf8 {
                    byte: 13,
                    found: 0xE9,
                },
            ),
        ),
        (b"a,b\n1,2\n\0,4\n", (3, 0, Flaw::Utf8 { byte: 8, found: 0 })),
        (
            b"\xEF\xBB\xBFa\n\xFF\n",
            (2, 0, Flaw::Utf8 { byte: 5, found: 0xFF }),
        ),
    ] {
        assert_eq!(read(text), Err(place), "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_field_may_be_exactly_as_long_as_the_limit() {
    let twenty = "x".repeat(20);
    for text in [
        format!("{twenty},1\n"),
        format!("1,{twenty}\r\n"),
        format!("\"{twenty}\",1\n"),
        twenty.clone(),
    ] {
        let found = read(text.as_bytes()).unwrap();
        assert!(found[0].1.contains(&twenty), "{text:?}");
    }
    for text in [
        format!("1,{twenty}x\n"),
        format!("1,{twenty}x"),
        format!("1,{twenty}x\r\n"),
        format!("1,{twenty}x,2\n"),
    ] {
        assert_eq!(read(text.as_bytes()), Err((1, 1, Flaw::TooLong)), "{text:?}");
    }
    let quoted = format!("1,\"{twenty}x\"\n");
    assert_eq!(read(quoted.as_bytes()), Err((1, 1, Flaw::Unterminated)));
}

#[test]
fn fields_without_end_are_not_collected() {
    let text = ",".repeat(1_000);
    assert_eq!(read(text.as_bytes()), Err((1, FIELDS_MAX, Flaw::TooMany)));
    let open = format!("a\n\"{}", "no end ".repeat(100_000));
    assert_eq!(records_of(open.as_bytes(), 20), Err((2, 0, Flaw::Unterminated)));
}
