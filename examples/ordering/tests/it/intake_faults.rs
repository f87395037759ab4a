//! Files that are not taken: each fault, its place, and what the message says.

use std::io;

use ordering::intake::{Fault, Intake, Limits};

const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";
const GOOD: &str = "536365,30001,LAMP,6,2010-12-01 08:26:00,2.55,17850.0,Norway\n";

fn fault_of(bytes: &[u8]) -> Fault {
    fault_within(bytes, Limits::default())
}

fn fault_within(bytes: &[u8], limits: Limits) -> Fault {
    Intake::read(bytes, limits).expect_err("the file has a fault")
}

/// The message for a file with a header, good lines, and this line as line 4.
fn message_of(line: &str) -> String {
    fault_of(format!("{HEADER}{GOOD}{GOOD}{line}\n{GOOD}").as_bytes()).to_string()
}

#[test]
fn headers() {
    for (header, message) in [
        (
            "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,Country",
            "found no CustomerID; add what is missing",
        ),
        (
            "InvoiceNo,StockCode",
            "found no Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country",
        ),
        (
            "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,Customer ID,Country",
            "line 1, column 7: expected one of InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, \
             CustomerID, Country, found \"Customer ID\"",
        ),
        (
            "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country,Country",
            "line 1, column 9: expected each column once, found Country again (first as column 8)",
        ),
        (
            "name;age",
            "line 1: expected a header with the columns InvoiceNo, StockCode",
        ),
        ("", "line 1: expected a header"),
        (
            "536365,30001,LAMP,6,2010-12-01 08:26:00,2.55,17850.0,Norway",
            "found \"536365,30001,LAMP",
        ),
    ] {
        let found = fault_of(format!("{header}\n{GOOD}").as_bytes()).to_string();
        assert!(found.contains(message), "{header:?}: {found}");
    }
}

#[test]
fn not_a_csv_at_all() {
    let picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    assert!(matches!(
        fault_of(picture),
        Fault::Utf8 {
            line: 1,
            byte: 0,
            found: 0x89,
            ..
        }
    ));
    let prose = "Dear all, ".to_owned() + &"this is a very long letter without an end ".repeat(100);
    assert!(matches!(fault_of(prose.as_bytes()), Fault::NotInvoices { .. }));
    assert!(matches!(fault_of(&b",".repeat(1_000)), Fault::NotInvoices { .. }));
    assert!(matches!(
        fault_of(b"<html><body>not found</body></html>\n"),
        Fault::NotInvoices { .. }
    ));
    assert!(matches!(fault_of(b"PK\x03\x04\x14\0"), Fault::Foreign { .. }));
    assert!(matches!(fault_of(b""), Fault::Empty));
    assert!(matches!(fault_of(b"\xEF\xBB\xBF"), Fault::Empty));
    assert!(matches!(
        fault_of(&zstd::encode_all(&b""[..], 3).unwrap()),
        Fault::Empty
    ));
}

#[test]
fn values() {
    for (line, message) in [
        (
            ",30001,LAMP,6,2010-12-01 08:26:00,2.55,17850.0,Norway",
            "line 4, column InvoiceNo: expected an invoice number such as",
        ),
        (
            "536365,30001,LAMP,six,2010-12-01 08:26:00,2.55,17850.0,Norway",
            "line 4, column Quantity: expected a whole number",
        ),
        (
            "536365,30001,LAMP,,2010-12-01 08:26:00,2.55,17850.0,Norway",
            "column Quantity: expected a whole number of at most 9 digits, such as 6 or -6, found \"\"",
        ),
        (
            "536365,30001,LAMP,1.5,2010-12-01 08:26:00,2.55,17850.0,Norway",
            "found \"1.5\"",
        ),
        (
            "536365,30001,LAMP,6,2010-13-01 08:26:00,2.55,17850.0,Norway",
            "line 4, column InvoiceDate: expected a date",
        ),
        (
            "536365,30001,LAMP,6,1.12.2010 8:26,2.55,17850.0,Norway",
            "found \"1.12.2010 8:26\"; correct the field",
        ),
        (
            "536365,30001,LAMP,6,2010-12-01 08:26:00,2;55,17850.0,Norway",
            "line 4, column UnitPrice: expected a price",
        ),
        (
            "536365,30001,LAMP,6,2010-12-01 08:26:00,1e3,17850.0,Norway",
            "found \"1e3\"",
        ),
        (
            "536365,30001,LAMP,6,2010-12-01 08:26:00,2.55,Miller,Norway",
            "line 4, column CustomerID: expected a customer number",
        ),
    ] {
        let found = message_of(line);
        assert!(found.contains(message), "{line:?}: {found}");
    }
}

#[test]
fn records() {
    for (line, message) in [
        (
            "536365,30001,LAMP,6,2010-12-01 08",
            "line 4, column UnitPrice: expected 8 fields, found 5",
        ),
        (
            "536365,30001,LAMP, LARGE,6,2010-12-01 08:26:00,2.55,17850.0,Norway",
            "line 4, column behind the last column: expected 8 fields, found 9",
        ),
        ("", "line 4, column InvoiceNo: expected 8 fields, found 0"),
        (
            "536365,30001,\"LAMP,6,2010-12-01 08:26:00,2.55,17850.0,Norway",
            "line 4, column Description: expected a closing quote, found none",
        ),
        (
            "536365,30001,\"7\" LAMP\",6,2010-12-01 08:26:00,2.55,17850.0,Norway",
            "line 4, column Description: expected a comma or the end of the line behind the closing quote, found ' '",
        ),
        (
            "\"x\ny\",30001,LAMP",
            "line 4, column Quantity: expected 8 fields, found 3",
        ),
    ] {
        let found = message_of(line);
        assert!(found.contains(message), "{line:?}: {found}");
    }
    let commas = message_of(&",".repeat(100));
    assert!(
        commas.contains("line 4, column behind the last column: expected 8 fields, found 65"),
        "{commas}"
    );
    let long = message_of(&format!(
        "536365,30001,{},6,2010-12-01 08:26:00,2.55,,Norway",
        "x".repeat(1_025)
    ));
    assert!(
        long.contains("line 4, column Description: expected at most 1024 bytes, found more"),
        "{long}"
    );
    let open = format!("{HEADER}{GOOD}536365,30001,\"{}", GOOD.repeat(1_000));
    assert!(matches!(
        fault_of(open.as_bytes()),
        Fault::UnterminatedQuote {
            line: 3,
            limit: 1_024,
            ..
        }
    ));
}

#[test]
fn bad_utf8_names_the_byte() {
    let mut bytes = format!("{HEADER}{GOOD}536365,30001,CAF").into_bytes();
    let place = bytes.len() as u64;
    bytes.extend_from_slice(b"\xC9 LAMP,6,2010-12-01 08:26:00,2.55,17850.0,Norway\n");
    let fault = fault_of(&bytes);
    assert_eq!(
        fault.to_string(),
        format!(
            "line 3, column Description, byte {place}: expected UTF-8, found the byte 0xC9; save the file as UTF-8"
        )
    );
    let with_mark = [b"\xEF\xBB\xBF".to_vec(), bytes].concat();
    assert!(matches!(fault_of(&with_mark), Fault::Utf8 { byte, .. } if byte == place + 3));
}

#[test]
fn limits() {
    let text = format!("{HEADER}{}", GOOD.repeat(3));
    let limits = |lines_max, text_bytes_max| Limits {
        lines_max,
        text_bytes_max,
        ..Limits::default()
    };
    assert!(matches!(
        fault_within(text.as_bytes(), limits(2, 1 << 20)),
        Fault::TooManyLines { line: 4, limit: 2 }
    ));
    let packed = zstd::encode_all(text.as_bytes(), 3).unwrap();
    assert!(matches!(
        fault_within(&packed, limits(9, 100)),
        Fault::TooLarge { limit: 100 }
    ));
    let large = format!(
        "{HEADER}{}",
        "1,30001,LAMP,999999999,2010-12-01 08:26:00,999999999.999999,,Norway\n".repeat(80_000)
    );
    assert!(matches!(fault_of(large.as_bytes()), Fault::SumTooLarge { .. }));
}

#[test]
fn cut_compressed_files() {
    let text = format!("{HEADER}{}", GOOD.repeat(1_000));
    let packed = zstd::encode_all(text.as_bytes(), 3).unwrap();
    for cut in [5, packed.len() / 2, packed.len() - 1] {
        assert!(
            matches!(fault_of(&packed[..cut]), Fault::Compressed { .. }),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_reader_that_fails_is_a_fault() {
    struct Failing;
    impl io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable was pulled"))
        }
    }
    let fault = Intake::read(io::Read::chain(HEADER.as_bytes(), Failing), Limits::default()).unwrap_err();
    assert!(matches!(fault, Fault::Read { byte: 82, .. }), "{fault}");
}

#[test]
fn files_that_cannot_be_opened_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("missing.csv"), folder.path().to_owned()] {
        let error = Intake::check(&path).unwrap_err();
        assert!(matches!(error.fault, Fault::Open { .. }));
        assert!(
            error.to_string().starts_with(&path.display().to_string()),
            "{error}"
        );
        assert!(
            error.to_string().ends_with("nothing of this file was taken"),
            "{error}"
        );
    }
}
