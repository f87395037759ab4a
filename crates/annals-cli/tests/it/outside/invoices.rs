//! A file of invoices of the shape of half a year of a real shop: as many lines, orders, returns and corrections.
//!
//! The same file every time. Nothing in it contradicts itself, so that plain sums over its lines are what is sold.

use std::fmt::Write;

use annals_testkit::seed::Seed;

pub(crate) const HEADER: &str =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";
const DAYS: u64 = 150;
const ORDERS: u64 = 8_126;
const RETURNS_PER_MILLE: u64 = 206;
const CORRECTIONS_PER_MILLE: u64 = 80;
const FREE_PER_MILLE: u64 = 79;
const ARTICLES: u64 = 3_000;
const CUSTOMERS: u64 = 2_800;
const COUNTRIES: [&str; 8] = [
    "France", "Germany", "EIRE", "Norway", "Spain", "Portugal", "Japan", "Iceland",
];

/// About 209,000 lines in the order of their moments.
pub(crate) fn half_a_year() -> String {
    let seed = Seed::new(2_010);
    let mut file = File {
        text: HEADER.to_owned(),
        held: None,
    };
    for number in 0..ORDERS {
        let day = number * DAYS / ORDERS;
        let minute = number * DAYS % ORDERS * 600 / ORDERS + 480;
        let moment = moment(day, minute);
        file.order(&seed, 500_000 + number, &moment);
        if seed.per_mille(RETURNS_PER_MILLE) {
            file.goods_back(&seed, number, &moment);
        }
        if seed.per_mille(CORRECTIONS_PER_MILLE) {
            let missing = -1 - seed.below(30) as i64;
            file.line(
                &format!("{}", 600_000 + number),
                &article(&seed),
                missing,
                &moment,
                0,
                ",United Kingdom",
            );
        }
        if seed.per_mille(FREE_PER_MILLE) {
            let free = 1 + seed.below(9) as i64;
            file.line(
                &format!("{}", 700_000 + number),
                &article(&seed),
                free,
                &moment,
                0,
                ",United Kingdom",
            );
        }
    }
    for (number, price) in [
        (563_185, 11_062_060),
        (563_186, -11_062_060),
        (563_187, -11_062_060),
    ] {
        file.line(
            &format!("A{number}"),
            "B",
            1,
            &moment(DAYS - 1, 1_200),
            price,
            ",United Kingdom",
        );
    }
    file.release();
    file.text
}

struct File {
    text: String,
    /// A line of the last order that stands apart from the others.
    held: Option<String>,
}

impl File {
    fn order(&mut self, seed: &Seed, number: u64, moment: &str) {
        let buyer = buyer(seed);
        let number = number.to_string();
        // A few orders are very large.
        let lines = match seed.below(1_000) {
            0..4 => 300 + seed.below(400),
            4..30 => 80 + seed.below(150),
            _ => 1 + seed.below(2 + seed.below(76)),
        };
        for _ in 0..lines {
            let quantity = [1, 2, 3, 6, 12, 24, 48, 144][seed.below(8).min(seed.below(8)) as usize];
            self.line(&number, &article(seed), quantity, moment, price(seed), &buyer);
        }
        if seed.per_mille(40) {
            self.line(&number, "POST", 1 + seed.below(3) as i64, moment, 18_000, &buyer);
        }
        self.release();
        if seed.per_mille(10) {
            self.held = Some(line(&number, &article(seed), 2, moment, price(seed), &buyer));
        }
    }

    fn goods_back(&mut self, seed: &Seed, number: u64, moment: &str) {
        let (number, buyer) = (format!("C{}", 800_000 + number), buyer(seed));
        for _ in 0..=seed.below(3).min(seed.below(4)) {
            let quantity = -1 - seed.below(12) as i64;
            self.line(&number, &article(seed), quantity, moment, price(seed), &buyer);
        }
        if seed.per_mille(30) {
            self.line(&number, "D", -1, moment, 27_500, &buyer);
        }
    }

    fn line(&mut self, number: &str, article: &str, quantity: i64, moment: &str, price: i64, buyer: &str) {
        self.text
            .push_str(&line(number, article, quantity, moment, price, buyer));
    }

    fn release(&mut self) {
        self.text.extend(self.held.take());
    }
}

/// One line; the price is in thousandths, the buyer the last two fields.
pub(crate) fn line(
    number: &str,
    article: &str,
    quantity: i64,
    moment: &str,
    price: i64,
    buyer: &str,
) -> String {
    let mut line = String::new();
    let sign = if price < 0 { "-" } else { "" };
    let (whole, fraction) = (price.abs() / 1_000, price.abs() % 1_000);
    writeln!(
        line,
        "{number},{article},\"THING \"\"{article}\"\", RED \",{quantity},{moment},{sign}{whole}.{fraction:03},{buyer}"
    )
    .expect("a string takes every line");
    line
}

/// Counted from 2010-12-01 in months of thirty days, so that no calendar is needed.
fn moment(day: u64, minute: u64) -> String {
    let (month, day) = (day / 30, day % 30 % 28 + 1);
    let (year, month) = if month == 0 { (2010, 12) } else { (2011, month) };
    format!(
        "{year}-{month:02}-{day:02} {:02}:{:02}:00",
        minute / 60,
        minute % 60
    )
}

fn buyer(seed: &Seed) -> String {
    let customer = match seed.below(4) {
        0 => String::new(),
        _ => format!("{}.0", 12_000 + seed.below(CUSTOMERS)),
    };
    let country = match seed.below(10) {
        0 => COUNTRIES[seed.below(COUNTRIES.len() as u64) as usize],
        _ => "United Kingdom",
    };
    format!("{customer},{country}")
}

fn article(seed: &Seed) -> String {
    // Some are wanted by everybody.
    let number = seed.below(ARTICLES).min(seed.below(ARTICLES));
    let form = ["", "", "A", "B"][(number % 4) as usize];
    format!("{}{form}", 20_000 + number)
}

fn price(seed: &Seed) -> i64 {
    match seed.below(200) {
        0 => 1 + seed.below(999) as i64,
        _ => 10 * (19 + seed.below(1_600)) as i64,
    }
}
