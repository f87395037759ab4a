//! Files that are taken: every rule on small files, sums against the oracle, and the whole of a real one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ordering::intake::{ArticleKind, Intake, Invoice, InvoiceKind, Limits, Reason};
use ordering::money::Money;

use super::oracle::{self, Sums};

const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn check(text: &str) -> Intake {
    Intake::read(text.as_bytes(), Limits::default()).unwrap_or_else(|fault| panic!("{fault}"))
}

fn invoice<'a>(intake: &'a Intake, number: &str) -> &'a Invoice {
    intake
        .invoices
        .iter()
        .find(|invoice| *invoice.number == *number)
        .expect("the invoice was taken")
}

fn money(text: &str) -> Money {
    text.parse().expect("an amount")
}

fn thousandths(sum: i128) -> Money {
    let sign = if sum < 0 { "-" } else { "" };
    money(&format!("{sign}{}.{:03}", sum.abs() / 1000, sum.abs() % 1000))
}

#[test]
fn lines_become_invoices_in_the_order_of_their_first_line() {
    let intake = Intake::check(fixture("two-days.csv")).unwrap();
    let found: Vec<_> = intake
        .invoices
        .iter()
        .map(|invoice| (&*invoice.number, invoice.kind))
        .collect();
    assert_eq!(
        found,
        [
            ("600001", InvoiceKind::Order),
            ("600002", InvoiceKind::Order),
            ("600003", InvoiceKind::Order),
            ("600004", InvoiceKind::Order),
            ("C600005", InvoiceKind::Return),
            ("C600006", InvoiceKind::Return),
            ("600007", InvoiceKind::Correction),
            ("A600012", InvoiceKind::Adjustment),
            ("A600013", InvoiceKind::Adjustment),
            ("600016", InvoiceKind::Order),
        ]
    );
    assert_eq!(intake.lines_read, 32);
    assert_eq!(intake.totals.lines(), 19);
    assert_eq!(intake.totals.adjusted, money("10000"));
}

#[test]
fn an_order_keeps_repeats_and_lines_that_stand_apart() {
    let intake = Intake::check(fixture("two-days.csv")).unwrap();
    let repeated = invoice(&intake, "600001");
    assert_eq!(
        repeated.lines.iter().map(|line| line.line).collect::<Vec<_>>(),
        [2, 3, 4, 5]
    );
    assert_eq!(repeated.amount(), Some(money("73.02")));
    assert_eq!(repeated.customer.as_deref(), Some("18001"));
    assert_eq!(&*repeated.lines[0].description, "WOODEN LANTERN");

    let apart = invoice(&intake, "600003");
    assert_eq!(
        apart.lines.iter().map(|line| line.line).collect::<Vec<_>>(),
        [8, 10]
    );
    assert_eq!(
        apart.occurred.to_string(),
        "2010-12-01T09:00:00Z",
        "the earliest of its lines"
    );
    assert_eq!(apart.amount(), Some(money("70.801")));

    let guest = invoice(&intake, "600002");
    assert_eq!(guest.customer, None);
    assert_eq!(&*guest.lines[0].description, "FRAME 7\" ROUND");
    assert_eq!(guest.lines[1].article_kind, ArticleKind::Charge);

    let later_named = invoice(&intake, "600016");
    assert_eq!(
        later_named.customer.as_deref(),
        Some("18016"),
        "with and without .0"
    );
    assert_eq!(later_named.lines.len(), 4);
}

#[test]
fn refused_lines_have_their_line_and_reason() {
    let intake = Intake::check(fixture("two-days.csv")).unwrap();
    let found: Vec<_> = intake
        .refused
        .iter()
        .map(|refused| (refused.line, refused.reason.code()))
        .collect();
    assert_eq!(
        found,
        [
            (15, "zero_price"),
            (16, "charge_correction"),
            (17, "zero_quantity"),
            (18, "negative_quantity"),
            (19, "negative_price"),
            (20, "return_quantity"),
            (21, "return_price"),
            (24, "adjustment_quantity"),
            (25, "unknown_invoice_form"),
            (29, "other_customer"),
            (30, "other_country"),
            (31, "no_article"),
            (32, "no_country"),
        ]
    );
    assert_eq!(intake.refused_by_reason()[&Reason::ZeroPrice], 1);
    assert_eq!(
        intake.refused[0].to_string(),
        "line 15, invoice 600008: expected a price above zero, found zero with a positive quantity: \
         neither a sale nor a known correction (zero_price)"
    );
    assert!(
        !intake.invoices.iter().any(|invoice| &*invoice.number == "600010"),
        "no sale line, no order"
    );
}

#[test]
fn a_number_with_sales_and_corrections_is_an_order_and_a_correction() {
    let intake = check(&format!(
        "{HEADER}\n1,30001,LAMP,2,2010-12-01 08:00:00,1.5,,Norway\n1,30002,CUP,-2,2010-12-01 08:00:00,0,,Norway\n"
    ));
    let kinds: Vec<_> = intake
        .invoices
        .iter()
        .map(|invoice| (invoice.kind, invoice.lines.len()))
        .collect();
    assert_eq!(kinds, [(InvoiceKind::Order, 1), (InvoiceKind::Correction, 1)]);
}

#[test]
fn line_ends_byte_order_mark_order_of_columns_and_compression_make_no_difference() {
    let text = std::fs::read_to_string(fixture("two-days.csv")).unwrap();
    let plain = check(&text);
    assert_eq!(check(&format!("\u{FEFF}{text}")), plain);
    assert_eq!(check(&text.replace('\n', "\r\n")), plain);
    assert_eq!(check(text.trim_end()), plain);
    assert_eq!(
        check(&format!("{text}\n\r\n  \n")),
        plain,
        "empty lines at the end"
    );
    let packed = zstd::encode_all(text.as_bytes(), 3).unwrap();
    assert_eq!(Intake::read(&packed[..], Limits::default()).unwrap(), plain);

    let turned = "Country,CustomerID,UnitPrice,InvoiceDate,Quantity,Description,StockCode,InvoiceNo\n\
                  Norway,7,1.5,2010-12-01 08:00:00,2,LAMP,30001,1\n";
    let usual = format!("{HEADER}\n1,30001,LAMP,2,2010-12-01 08:00:00,1.5,7,Norway\n");
    assert_eq!(check(turned), check(&usual));
}

#[test]
fn a_file_of_only_a_header_is_a_file_of_no_lines() {
    for text in [
        HEADER.to_owned(),
        format!("{HEADER}\n"),
        format!("\u{FEFF}{HEADER}\r\n\r\n"),
    ] {
        let intake = check(&text);
        assert_eq!(
            (
                intake.lines_read,
                intake.invoices.len(),
                intake.deliveries().len()
            ),
            (0, 0, 0)
        );
    }
}

#[test]
fn lines_are_numbered_by_the_physical_line_on_which_they_start() {
    let intake = check(&format!(
        "{HEADER}\n1,30001,\"LAMP,\r\nLARGE\n\",2,2010-12-01 08:00:00,1.5,,Norway\n1,30002,CUP,2,2010-12-01 08:00:00,0,,Norway\n"
    ));
    assert_eq!(intake.invoices[0].lines[0].line, 2);
    assert_eq!(intake.refused[0].line, 5);
}

#[test]
fn an_order_may_have_many_lines() {
    let line = |n: u32| format!("1,{},CUP,2,2010-12-01 08:00:00,1.5,,Norway\n", 30_000 + n);
    let intake = check(&format!("{HEADER}\n{}", (0..1_500).map(line).collect::<String>()));
    assert_eq!(intake.invoices[0].lines.len(), 1_500);
    assert_eq!(intake.totals.revenue, money("4500"));
}

#[test]
fn deliveries_hold_what_each_days_orders_need_under_stable_ids() {
    let intake = Intake::check(fixture("two-days.csv")).unwrap();
    let deliveries = intake.deliveries();
    let pieces: Vec<Vec<(&str, u64)>> = deliveries
        .iter()
        .map(|delivery| {
            delivery
                .lines
                .iter()
                .map(|line| (&*line.article, line.pieces))
                .collect()
        })
        .collect();
    assert_eq!(
        pieces,
        [
            vec![
                ("30001A", 18),
                ("30002", 32),
                ("30003", 2),
                ("30004", 11),
                ("DCGS0001", 3)
            ],
            vec![("30002", 5), ("30005", 100), ("PADS", 2)],
        ]
    );
    let ids: Vec<_> = deliveries.iter().map(|delivery| delivery.id.as_str()).collect();
    assert_eq!(
        ids,
        ["2010-12-01-b49f21d5a0d09328", "2010-12-02-1fc6e30f9751a405"]
    );
    assert_eq!(
        Intake::check(fixture("two-days.csv")).unwrap().deliveries(),
        deliveries
    );

    let more = std::fs::read_to_string(fixture("two-days.csv")).unwrap()
        + "600019,30005,TIN BOX,1,2010-12-02 09:00:00,1.25,,Spain\n";
    let changed = check(&more).deliveries();
    assert_eq!(changed[0].id, deliveries[0].id, "the first day is as it was");
    assert_ne!(changed[1].id, deliveries[1].id, "the second day needs more");
}

#[test]
fn sums_of_a_small_file_equal_the_oracles() {
    // The oracle knows neither refusals by contradiction nor missing codes: those lines are left out.
    let text: String = std::fs::read_to_string(fixture("two-days.csv"))
        .unwrap()
        .lines()
        .enumerate()
        .filter(|(number, _)| !(28..32).contains(number))
        .map(|(_, line)| format!("{line}\n"))
        .collect();
    let sums = oracle::sums(&text);
    assert_eq!((sums.lines, sums.orders.len(), sums.revenue), (28, 5, 332_241));
    assert_equal(&check(&text), &sums);
}

#[test]
fn sums_of_the_real_file_equal_the_oracles() {
    let Some(path) = std::env::var_os("ANNALS_ORDERS_FILE") else {
        println!("skipped: ANNALS_ORDERS_FILE names no file of orders");
        return;
    };
    let intake = Intake::check(&path).unwrap_or_else(|error| panic!("{error}"));
    let bytes = std::fs::read(&path).unwrap();
    let text = if path.to_string_lossy().ends_with(".zst") {
        zstd::decode_all(&bytes[..]).unwrap()
    } else {
        bytes
    };
    let sums = oracle::sums(std::str::from_utf8(&text).unwrap());
    assert_equal(&intake, &sums);
    if sums.lines == 209_029 {
        assert_eq!((sums.sale_lines, sums.orders.len()), (203_954, 8_126));
        assert_eq!((sums.return_lines, sums.returns.len()), (3_783, 1_677));
        assert_eq!((sums.correction_lines, sums.zero_price_lines), (651, 641));
        assert_eq!((sums.revenue, sums.credited), (4_064_726_591, 357_898_950));
        assert_eq!(
            intake.refused_by_reason(),
            BTreeMap::from([(Reason::ZeroPrice, 641)])
        );
    }
}

fn assert_equal(intake: &Intake, expected: &Sums) {
    assert_eq!(&sums_of(intake), expected);
    let totals = intake.totals;
    assert_eq!(totals.orders as usize, expected.orders.len());
    assert_eq!(totals.returns as usize, expected.returns.len());
    assert_eq!(totals.revenue, thousandths(expected.revenue));
    assert_eq!(totals.credited, thousandths(expected.credited));
}

/// The same sums from what was taken.
fn sums_of(intake: &Intake) -> Sums {
    let refused = intake.refused_by_reason();
    let mut sums = Sums {
        lines: intake.lines_read,
        sale_lines: intake.totals.sale_lines,
        return_lines: intake.totals.return_lines,
        correction_lines: intake.totals.correction_lines,
        zero_price_lines: refused.get(&Reason::ZeroPrice).copied().unwrap_or_default(),
        ..Sums::default()
    };
    for delivery in intake.deliveries() {
        for line in delivery.lines {
            let (article, pieces) = (line.article.to_string(), line.pieces as i64);
            sums.stock.entry(article.clone()).or_default().received += pieces;
            sums.needs.insert((delivery.day.to_string(), article), pieces);
        }
    }
    intake.invoices.iter().for_each(|invoice| add(&mut sums, invoice));
    sums
}

fn add(sums: &mut Sums, invoice: &Invoice) {
    let number = invoice.number.to_string();
    let amount = in_thousandths(invoice.amount().expect("a sum of a checked file"));
    let goods = || invoice.lines.iter().filter(|line| line.article_kind.is_goods());
    for line in goods() {
        let level = sums.stock.entry(line.article.to_string()).or_default();
        match invoice.kind {
            InvoiceKind::Order => level.sold += i64::from(line.quantity),
            InvoiceKind::Return => level.returned += i64::from(line.quantity),
            InvoiceKind::Correction => level.missing += i64::from(line.quantity),
            InvoiceKind::Adjustment => {}
        }
    }
    match invoice.kind {
        InvoiceKind::Correction => return,
        InvoiceKind::Adjustment => sums.adjustment_lines += invoice.lines.len() as u64,
        InvoiceKind::Order => {
            sums.revenue += amount;
            let placed = sums.orders.entry(number.clone()).or_default();
            placed.amount = amount;
            for line in goods() {
                *placed.pieces.entry(line.article.to_string()).or_default() += i64::from(line.quantity);
            }
        }
        InvoiceKind::Return => {
            sums.credited += amount;
            sums.returns.insert(number.clone());
        }
    }
    let sold = match invoice.kind {
        InvoiceKind::Order => true,
        InvoiceKind::Return => false,
        InvoiceKind::Correction | InvoiceKind::Adjustment => return,
    };
    let country = sums.countries.entry(invoice.country.to_string()).or_default();
    for sales in [country, sums.days.entry(invoice.day().to_string()).or_default()] {
        if sold {
            sales.orders += 1;
            sales.amount += amount;
            sales.pieces += invoice
                .lines
                .iter()
                .map(|line| i64::from(line.quantity))
                .sum::<i64>();
        } else {
            sales.returns += 1;
            sales.credited += amount;
        }
    }
    if let Some(customer) = &invoice.customer {
        let kind = if sold { "order" } else { "return" };
        let history = sums.customers.entry(customer.to_string()).or_default();
        history.insert((kind, number), amount);
    }
}

fn in_thousandths(money: Money) -> i128 {
    let whole = money
        .checked_mul(1_000)
        .expect("a sum of a checked file")
        .to_string();
    whole
        .parse()
        .expect("thousandths are enough for the amounts of these files")
}
