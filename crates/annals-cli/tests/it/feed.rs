//! Files of invoices through the whole system: the report, the read models and the provider's ledger equal plain sums
//! over the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::oracle::{self, Sales, Sums};
use crate::outside::books::{self, Asked, Ended};
use crate::outside::http::Client;
use crate::outside::invoices::{HEADER, half_a_year, line};
use crate::outside::provider::{Ledger, Provider};
use crate::outside::{money, rest};
use crate::run::{Node, annals_on, command, file};

/// Half a year has to be done after so long.
const DEADLINE: Duration = Duration::from_secs(120);
/// And has to live with so much memory, in KiB.
const PEAK_KIB: u64 = 512 << 10;

/// Every kind of line there is.
fn fixture() -> String {
    let mut text = HEADER.to_owned();
    let mut add = |number: &str, article: &str, quantity, moment: &str, price, buyer: &str| {
        text.push_str(&line(number, article, quantity, moment, price, buyer));
    };
    let (one, two) = ("2010-12-01 08:26:00", "2010-12-02 09:30:00");
    // An order with repeats, one whose lines stand apart, a guest with a charge, a very small price.
    add("600001", "30001A", 6, one, 2_550, "18001.0,United Kingdom");
    add("600001", "30002", 8, one, 3_390, "18001.0,United Kingdom");
    add("600001", "30001A", 6, one, 2_550, "18001.0,United Kingdom");
    add("600002", "30003", 2, one, 4_250, ",France");
    add("600002", "POST", 1, one, 18_000, ",France");
    add("600003", "30004", 1, one, 1, "18003.0,Norway");
    // A return of an article that nobody bought, with a discount; a return of a discount alone.
    add("C600005", "30009", -2, one, 2_550, "18001.0,United Kingdom");
    add("C600005", "POST", -1, one, 4_950, "18001.0,United Kingdom");
    add("C600006", "D", -1, one, 27_500, ",United Kingdom");
    // A count, with an article of which nothing was ever sold; an adjustment each way; a free article; an odd number.
    add("600007", "30004", -10, one, 0, ",United Kingdom");
    add("600007", "30010", -3, one, 0, ",United Kingdom");
    add("A600012", "B", 1, one, 11_062_060, ",United Kingdom");
    add("A600013", "B", 1, one, -1_062_060, ",United Kingdom");
    add("600008", "30005", 56, one, 0, ",United Kingdom");
    add("X600015", "30005", 4, one, 1_250, "18001.0,United Kingdom");
    add(
        "600003",
        "30002",
        24,
        "2010-12-01 08:20:00",
        2_950,
        "18003.0,Norway",
    );
    // The next day: an order of nothing but charges, and one of 700 articles.
    add("600014", "M", 1, two, 7_500, "18003.0,Norway");
    for article in 0..700 {
        add(
            "600016",
            &format!("{}", 31_000 + article),
            1 + article % 3,
            two,
            10 + article,
            "18016.0,Spain",
        );
    }
    add("600017", "30001A", 1, two, 2_550, "18001.0,United Kingdom");
    text
}

/// A file that was fed, and what came of it.
struct Fed {
    report: Value,
    seconds: f64,
    /// The most memory the process ever had, where the system tells.
    peak_kib: Option<u64>,
}

/// Feeds a file to its end, within a deadline.
fn feed(data: &Path, orders: &Path, options: &[&str]) -> Fed {
    let began = Instant::now();
    let mut program = command(&["demo", "--port", "0", "-q", "-o", "json", "--orders"]);
    program
        .arg(orders)
        .args(options)
        .env("ANNALS_DATA", data)
        .stdout(Stdio::piped());
    let mut child = program.spawn().expect("the binary can be run");
    let status = format!("/proc/{}/status", child.id());
    let (ended, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    let deadline = || assert!(began.elapsed() < DEADLINE, "not settled after {DEADLINE:?}");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                peak.fetch_max(peak_of(&status), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        while child.try_wait().expect("it can be waited for").is_none() {
            if began.elapsed() >= DEADLINE {
                child.kill().expect("it can be killed");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        ended.store(true, Ordering::Relaxed);
    });
    deadline();
    let seconds = began.elapsed().as_secs_f64();
    let output = child.wait_with_output().expect("it has ended");
    assert!(output.status.success(), "{:?}", output.status);
    let report = serde_json::from_slice(&output.stdout).expect("one document");
    let peak_kib = Some(peak.into_inner()).filter(|peak| *peak > 0);
    Fed {
        report,
        seconds,
        peak_kib,
    }
}

fn peak_of(status: &str) -> u64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok())
        .unwrap_or(0)
}

/// What a running node shows of its read models.
#[derive(Debug, PartialEq)]
struct Shown {
    countries: Value,
    days: Value,
    stock: Value,
    customers: BTreeMap<String, Value>,
}

impl Shown {
    fn of(node: &mut Client, sums: &Sums) -> Self {
        let customer = |node: &mut Client, customer: &String| node.get(&format!("/customers/{customer}"));
        Self {
            countries: node.get("/sales/countries"),
            days: node.get("/sales/days"),
            stock: node.get("/stock"),
            customers: sums
                .customers
                .keys()
                .map(|name| (name.clone(), customer(node, name)))
                .collect(),
        }
    }

    /// Equals the sums over what was not cancelled.
    fn check_sales(&self, sums: &Sums) {
        assert_eq!(sales(&self.countries, "country"), something(&sums.countries));
        assert_eq!(sales(&self.days, "day"), something(&sums.days));
    }

    /// Every order and return of every customer is there with its amount; the stages say how it ended.
    fn check_customers(&self, all: &Sums, cancelled: &BTreeSet<String>) {
        for (customer, expected) in &all.customers {
            let rows = self.customers[customer].as_array().expect("a list of rows");
            assert_eq!(rows.len(), expected.len(), "{customer}");
            for row in rows {
                let (kind, id) = (text(row, "kind"), text(row, "id"));
                let amount = expected
                    .iter()
                    .find(|(of, _)| (of.0, of.1.as_str()) == (kind, id));
                let (_, amount) = amount.unwrap_or_else(|| panic!("{customer} never asked for {row}"));
                assert_eq!(money::of(&row["amount"]), *amount, "{row}");
                let stage = match kind {
                    "return" => "returned",
                    _ if cancelled.contains(id) => "cancelled",
                    _ => "shipped",
                };
                assert_eq!(row["stage"], stage, "{row}");
            }
        }
    }

    /// Row by row what the file says; `received` says what was brought of an article.
    fn check_stock(&self, sums: &Sums, ended: &Ended, received: impl Fn(&str) -> i64) {
        let rows = self.stock.as_array().expect("a list of rows");
        let codes: BTreeSet<&str> = rows.iter().map(|row| text(row, "sku")).collect();
        let expected: BTreeSet<&str> = sums.stock.keys().map(String::as_str).collect();
        assert!(
            codes.is_superset(&expected),
            "missing: {:?}",
            expected.difference(&codes)
        );
        for row in rows {
            let code = text(row, "sku");
            let level = sums.stock.get(code).copied().unwrap_or_default();
            let (received, shipped) = (
                received(code),
                ended.pieces.get(code).copied().unwrap_or_default(),
            );
            assert_eq!(row["received"], received, "{row}");
            assert_eq!(row["reserved"], shipped, "{row}");
            assert_eq!(row["returned"], level.returned, "{row}");
            assert_eq!(row["missing"], level.missing, "{row}");
            let left = received + level.returned - shipped - level.missing;
            assert_eq!(row["available"], left, "{row}");
            // A count is a fact, whatever was promised; only without one nothing can be promised twice.
            assert!(left >= 0 || level.missing > 0, "promised twice: {row}");
        }
    }
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_else(|| panic!("no {name} in {row}"))
}

/// Rows of sales by country or day, those without any sale left out.
fn sales(rows: &Value, key: &str) -> BTreeMap<String, Sales> {
    let rows = rows.as_array().expect("a list of rows").iter();
    let sales = rows.map(|row| {
        let count = |name: &str| row[name].as_i64().expect("a count");
        let sales = Sales {
            orders: count("orders"),
            pieces: count("pieces"),
            amount: money::of(&row["amount"]),
            returns: count("returns"),
            credited: money::of(&row["credited"]),
        };
        (row[key].as_str().expect("a name").to_owned(), sales)
    });
    something(&sales.collect())
}

fn something(sales: &BTreeMap<String, Sales>) -> BTreeMap<String, Sales> {
    let some = sales.iter().filter(|(_, sales)| **sales != Sales::default());
    some.map(|(key, sales)| (key.clone(), sales.clone())).collect()
}

fn asked(sums: &Sums) -> BTreeMap<String, Asked> {
    let orders = sums.orders.iter();
    let asked = orders.map(|(id, placed)| {
        let asked = Asked {
            amount: placed.amount,
            pieces: placed.pieces.clone(),
        };
        (id.clone(), asked)
    });
    asked.collect()
}

/// The ledger that the demo's own provider left in the data folder.
fn ledger(data: &Path) -> Ledger {
    Provider::start(&data.join("provider"), &[]).ledger()
}

/// The sums over the file without the orders that were cancelled.
fn without(text: &str, cancelled: &BTreeSet<String>) -> Sums {
    let kept = text.split_inclusive('\n').filter(|line| {
        let number = line.split(',').next().unwrap_or_default();
        // Counts have numbers of their own in these files.
        !cancelled.contains(number)
    });
    oracle::sums(&kept.collect::<String>())
}

/// The report's numbers about the file itself.
fn check_lines(report: &Value, sums: &Sums) {
    let taken = sums.sale_lines + sums.return_lines + sums.correction_lines + sums.adjustment_lines;
    assert_eq!(report["lines"]["read"], sums.lines);
    assert_eq!(report["lines"]["taken"], taken);
    assert_eq!(report["lines"]["refused"], sums.lines - taken);
    let free = &report["lines"]["refused_by_reason"]["zero_price"];
    assert_eq!(free.as_u64().unwrap_or_default(), sums.zero_price_lines);
    assert_eq!(report["orders"]["placed"], sums.orders.len());
    assert_eq!(report["orders"]["open"], 0);
    assert_eq!(report["orders"]["refused"], 0);
    assert_eq!(report["returns"], sums.returns.len());
    assert_eq!(money::of(&report["money"]["revenue"]), sums.revenue);
    assert_eq!(money::of(&report["money"]["credited"]), sums.credited);
}

/// The report's numbers about money, against the orders one by one and the provider's ledger.
fn check_money(report: &Value, ended: &Ended, ledger: &Ledger, sums: &Sums) {
    let money_of = |name: &str| money::of(&report["money"][name]);
    assert_eq!(report["orders"]["paid"], ended.shipped);
    assert_eq!(report["orders"]["cancelled"], ended.cancelled());
    assert_eq!(report["orders"]["cancelled_by_reason"], json!(ended.cancelled));
    assert_eq!(
        money_of("captured"),
        ledger.captured,
        "the report and the provider"
    );
    assert_eq!(
        money_of("compensated"),
        ledger.refunded,
        "the report and the provider"
    );
    assert_eq!(ledger.captured - ledger.refunded, ended.kept);
    assert_eq!(money_of("refunded"), ledger.refunded + sums.credited);
    let declined = ended.cancelled.get("payment_card_declined").copied();
    assert_eq!(declined.unwrap_or_default(), ledger.declined);
}

/// A whole run: fed, looked at through a node that is started on what it left, everything compared.
fn run(text: &str, path: &Path, options: &[&str], received: Option<i64>) -> (TempDir, Fed, Ended, Shown) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let fed = feed(data.path(), path, options);
    let sums = oracle::sums(text);
    check_lines(&fed.report, &sums);
    let ledger = ledger(data.path());
    let node = Node::start(data.path(), &["--rate", "0"]);
    let mut client = Client::new(&node.url);
    rest::of(&mut client, Duration::from_secs(30));
    let ended = books::check_orders(&mut client, &ledger, &asked(&sums));
    check_money(&fed.report, &ended, &ledger, &sums);
    let cancelled = cancelled(&mut client, &sums);
    let shown = Shown::of(&mut client, &sums);
    shown.check_sales(&without(text, &cancelled));
    shown.check_customers(&sums, &cancelled);
    shown.check_stock(&sums, &ended, |code| match received {
        // Only what the file mentions anywhere is brought.
        Some(pieces) => sums.stock.get(code).map_or(0, |_| pieces),
        None => sums.stock.get(code).map_or(0, |level| level.received),
    });
    assert_eq!(node.interrupt(), 0);
    annals_on(data.path(), &["verify"]).ended(0);
    (data, fed, ended, shown)
}

fn cancelled(node: &mut Client, sums: &Sums) -> BTreeSet<String> {
    let ids = sums.orders.keys();
    let ended = ids.filter(|id| node.get(&format!("/orders/{id}"))["stage"] == "cancelled");
    ended.cloned().collect()
}

#[test]
fn every_kind_of_line_ends_where_it_belongs_and_a_second_feeding_changes_nothing() {
    let text = fixture();
    let (_folder, path) = file("orders.csv", &text);
    let (data, fed, ended, shown) = run(&text, &path, &[], None);
    assert_eq!((ended.shipped, ended.cancelled()), (6, 0));
    assert_eq!(
        fed.report["lines"]["refused_by_reason"]["unknown_invoice_form"],
        1
    );
    let again = feed(data.path(), &path, &[]);
    for what in ["lines", "orders", "returns", "money", "stores", "broker"] {
        assert_eq!(again.report[what], fed.report[what], "{what}");
    }
    let node = Node::start(data.path(), &["--rate", "0"]);
    assert_eq!(
        Shown::of(&mut Client::new(&node.url), &oracle::sums(&text)),
        shown
    );
}

#[test]
fn what_is_out_of_stock_is_cancelled_and_paid_back_to_the_last_penny() {
    let text = fixture();
    let (_folder, path) = file("orders.csv", &text);
    let (_data, _fed, ended, _) = run(&text, &path, &["--stock", "12"], Some(12));
    assert!(
        ended.cancelled["out_of_stock"] > 0 && ended.shipped > 0,
        "{ended:?}"
    );
}

#[test]
fn what_is_declined_is_cancelled_and_never_charged() {
    // Enough orders for the dice.
    let mut text = fixture();
    for number in 610_000..610_100 {
        let buyer = format!("{},Germany", 18_100 + number % 7);
        text.push_str(&line(
            &number.to_string(),
            "30002",
            1,
            "2010-12-03 08:00:00",
            1_250,
            &buyer,
        ));
    }
    let (_folder, path) = file("orders.csv", &text);
    let (_data, _fed, ended, _) = run(&text, &path, &["--decline", "0.3"], None);
    assert!(
        (10..60).contains(&ended.cancelled["payment_card_declined"]),
        "{ended:?}"
    );
}

/// A file through a server, in a namespace of its own, and through the embedded broker: the same books.
fn same_over(variable: &str) {
    let text = fixture();
    let (_folder, path) = file("orders.csv", &text);
    let server = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} names no server"));
    let namespace = format!("feed-{}", uuid::Uuid::now_v7().simple());
    let broker = format!("{server}?namespace={namespace}");
    let (_data, fed, ended, shown) = run(&text, &path, &["--broker", &broker], None);
    let (_embedded, _, expected, embedded) = run(&text, &path, &[], None);
    println!("{variable}: {:.1} s", fed.seconds);
    assert_eq!(
        (ended.shipped, ended.cancelled()),
        (expected.shipped, expected.cancelled())
    );
    assert_eq!(shown, embedded);
}

#[test]
#[ignore = "broker: rabbitmq: feeds a file through it"]
fn rabbitmq_gives_the_read_models_of_the_embedded_broker() {
    same_over("ANNALS_RABBITMQ_URL");
}

#[test]
#[ignore = "broker: kafka: feeds a file through it"]
fn kafka_gives_the_read_models_of_the_embedded_broker() {
    same_over("ANNALS_KAFKA_URL");
}

#[test]
#[ignore = "broker: activemq: feeds a file through it"]
fn activemq_gives_the_read_models_of_the_embedded_broker() {
    same_over("ANNALS_ACTIVEMQ_URL");
}

#[test]
#[ignore = "broker: artemis: feeds a file through it"]
fn artemis_gives_the_read_models_of_the_embedded_broker() {
    same_over("ANNALS_ARTEMIS_URL");
}

#[test]
#[ignore = "broker: nats: feeds a file through it"]
fn nats_gives_the_read_models_of_the_embedded_broker() {
    same_over("ANNALS_NATS_URL");
}

#[test]
fn a_malformed_file_names_the_place_and_nothing_of_it_is_taken() {
    let good = fixture();
    let broken = |from: &str, to: &str| {
        assert!(good.contains(from));
        good.replacen(from, to, 1)
    };
    let cases = [
        (
            broken(",8,2010-12-01", ",eight,2010-12-01"),
            "line 3, column Quantity",
        ),
        (
            broken("2010-12-01 08:26:00,18.000", "2010-13-01 08:26:00,18.000"),
            "line 6, column InvoiceDate",
        ),
        (broken(",4.250,", ",4.2.50,"), "line 5, column UnitPrice"),
        (
            broken("18003.0,Norway", "A18003,Norway"),
            "line 7, column CustomerID",
        ),
        (
            broken("\"THING \"\"30003\"\"", "\"THING \"30003\"\""),
            "line 5, column Description",
        ),
        (broken("18003.0,Norway", "18003.0,Norway,1"), "line 7"),
        (good.replacen("Country\n", "Land\n", 1), "line 1, column 8"),
    ];
    for (text, place) in cases {
        let (_folder, path) = file("broken.csv", &text);
        let data = tempfile::tempdir().unwrap();
        let orders = path.to_str().unwrap();
        let ran = annals_on(data.path(), &["demo", "--port", "0", "--orders", orders]).ended(1);
        assert!(ran.err.contains(place), "expected {place} in {}", ran.err);
        assert_eq!(ran.out, "");
        let left = std::fs::read_dir(data.path()).unwrap().count();
        assert_eq!(left, 0, "no store, and no event, was written");
    }
}

/// The real file if there is one, else one of the same shape; its path and its text.
pub(crate) fn half_a_year_of_orders() -> (Option<TempDir>, PathBuf, String) {
    let Some(path) = std::env::var_os("ANNALS_ORDERS_FILE").map(PathBuf::from) else {
        println!("ANNALS_ORDERS_FILE is not set: a file of the same shape is made");
        let text = half_a_year();
        let (folder, path) = file("orders.csv", &text);
        return (Some(folder), path, text);
    };
    let bytes = std::fs::read(&path).expect("ANNALS_ORDERS_FILE names a file");
    let bytes = match path.extension().is_some_and(|ending| ending == "zst") {
        true => zstd::decode_all(&bytes[..]).expect("it is compressed with zstd"),
        false => bytes,
    };
    (None, path, String::from_utf8(bytes).expect("it is UTF-8"))
}

fn told(what: &str, fed: &Fed, ended: &Ended) {
    let peak = fed.peak_kib.map_or("unknown".to_owned(), |kib| {
        format!("{:.1} MiB", kib as f64 / 1_024.0)
    });
    println!(
        "{what}: {:.2} s in all, {} s and {} events/s by the report, peak memory {peak}, {} shipped, {} cancelled, {} conflicts",
        fed.seconds,
        fed.report["seconds"],
        fed.report["events_per_second"],
        ended.shipped,
        ended.cancelled(),
        fed.report["conflicts"]
    );
}

fn within_memory(fed: &Fed) {
    if cfg!(target_os = "linux") {
        let peak = fed.peak_kib.expect("this system tells how much memory is used");
        assert!(peak <= PEAK_KIB, "{peak} KiB of memory");
    }
}

#[test]
#[ignore = "long: feeds half a year of orders"]
fn half_a_year_of_orders_settles_and_adds_up() {
    let (_folder, path, text) = half_a_year_of_orders();
    let (_data, fed, ended, _) = run(&text, &path, &[], None);
    told("half a year", &fed, &ended);
    within_memory(&fed);
    assert_eq!(ended.cancelled(), 0, "everything needed was brought: {ended:?}");
    if ended.shipped == 8_126 && std::env::var_os("ANNALS_ORDERS_FILE").is_some() {
        assert_eq!(fed.report["money"]["revenue"], "4064726.591");
        assert_eq!(fed.report["money"]["credited"], "357898.95");
    }
}

#[test]
#[ignore = "long: feeds half a year of orders to a warehouse that is too small"]
fn half_a_year_of_orders_with_too_little_stock_and_poor_cards_adds_up() {
    let (_folder, path, text) = half_a_year_of_orders();
    let options = ["--stock", "200", "--decline", "0.1", "--late", "0.002"];
    let (_data, fed, ended, _) = run(&text, &path, &options, Some(200));
    told("half a year, 200 pieces of each", &fed, &ended);
    within_memory(&fed);
    assert!(
        ended.cancelled["out_of_stock"] > 0 && ended.cancelled["payment_card_declined"] > 0,
        "{ended:?}"
    );
}
