//! The events: each follows from its number, so that nothing has to be kept to know what must be read.
//!
//! 256 bytes of JSON that does not compress well, one of ten types, two tags: an order that has 10 events, scattered,
//! and a customer that has 1,000. All encode to the same length.

/// The ten types; every tenth event is of each.
pub const KINDS: [&str; 10] = [
    "order.placed1",
    "order.changed",
    "order.paidfor",
    "order.shipped",
    "order.reached",
    "goods.counted",
    "goods.removed",
    "goods.ordered",
    "money.claimed",
    "money.settled",
];
const DATA_BYTES: usize = 256;
const DATA_HEAD: &[u8] = b"{\"number\":\"";
const DATA_NOISE: &[u8] = b"\",\"noise\":\"";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// One event.
#[derive(Debug, Clone)]
pub struct Fact {
    /// What it follows from.
    pub number: u64,
    /// Its type.
    pub kind: &'static str,
    /// Its order and its customer.
    pub tags: [String; 2],
    /// Its content.
    pub data: Vec<u8>,
}

/// One event as it was read.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Its type.
    pub kind: &'a str,
    /// Its tags, in any order.
    pub tags: [&'a str; 2],
    /// Its content.
    pub data: &'a [u8],
}

/// How many events a full store has; from it follow the numbers of tags.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Events of a full store.
    pub events: u64,
}

impl Shape {
    /// A tenth of the events: each order has ten.
    pub fn orders(self) -> u64 {
        self.events / 10
    }

    /// A thousandth of the events: each customer has a thousand.
    pub fn customers(self) -> u64 {
        self.events / 1_000
    }

    /// Which order an event is of: in every run of as many events as there are orders, each order once.
    pub fn order(self, number: u64) -> u64 {
        let orders = self.orders();
        (number % orders * 7_919 + number / orders * 4_447) % orders
    }

    /// Which customer an event is of: in every run of as many events as there are customers, each customer once.
    pub fn customer(self, number: u64) -> u64 {
        let customers = self.customers();
        (number % customers * 613 + number / customers * 211) % customers
    }

    /// Which of [`KINDS`] an event is of: in every run of ten, each once.
    pub fn kind(self, number: u64) -> usize {
        ((number % 10 * 7 + number / 10 * 3) % 10) as usize
    }

    /// The event of a number.
    pub fn fact(self, number: u64) -> Fact {
        Fact {
            number,
            kind: KINDS[self.kind(number)],
            tags: [order_tag(self.order(number)), customer_tag(self.customer(number))],
            data: data(number),
        }
    }

    /// Calls with every event of a full store, in order.
    pub fn facts_of_full(self, mut visit: impl FnMut(&Fact)) {
        (0..self.events).for_each(|number| visit(&self.fact(number)));
    }

    /// The events of a run of numbers.
    pub fn facts(self, from: u64, count: u64) -> Vec<Fact> {
        (from..from + count).map(|number| self.fact(number)).collect()
    }
}

/// The tag of an order.
pub fn order_tag(order: u64) -> String {
    format!("order:{order:07}")
}

/// The tag of a customer.
pub fn customer_tag(customer: u64) -> String {
    format!("customer:{customer:05}")
}

fn data(number: u64) -> Vec<u8> {
    let mut data = Vec::with_capacity(DATA_BYTES + 16);
    data.extend_from_slice(DATA_HEAD);
    push_hex(number, &mut data);
    data.extend_from_slice(DATA_NOISE);
    let mut salt = number;
    while data.len() < DATA_BYTES - 2 {
        salt = salt.wrapping_add(0x9E37_79B9_7F4A_7C15);
        push_hex(mixed(salt), &mut data);
    }
    data.truncate(DATA_BYTES - 2);
    data.extend_from_slice(b"\"}");
    data
}

fn push_hex(value: u64, data: &mut Vec<u8>) {
    let mut digits = [0; 16];
    for (at, byte) in value.to_be_bytes().into_iter().enumerate() {
        digits[at * 2] = HEX[usize::from(byte >> 4)];
        digits[at * 2 + 1] = HEX[usize::from(byte & 15)];
    }
    data.extend_from_slice(&digits);
}

/// Spreads numbers (splitmix64).
pub(crate) fn mixed(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::{KINDS, Shape};
    use std::collections::HashMap;

    #[test]
    fn every_tag_and_type_has_its_share() {
        let shape = Shape { events: 20_000 };
        let mut uses: HashMap<String, u64> = HashMap::new();
        let mut lengths = HashMap::new();
        for fact in shape.facts(0, shape.events) {
            assert_eq!(fact.data.len(), 256);
            let bytes = fact.kind.len() + fact.tags.iter().map(String::len).sum::<usize>();
            *lengths.entry(bytes).or_insert(0) += 1;
            for name in fact.tags.into_iter().chain([fact.kind.to_owned()]) {
                *uses.entry(name).or_default() += 1;
            }
        }
        let with = |prefix: &str, share: u64| {
            let names = uses.iter().filter(|(name, _)| name.starts_with(prefix));
            let shares: Vec<_> = names.map(|(_, uses)| *uses).collect();
            assert!(shares.iter().all(|uses| *uses == share), "{prefix}");
            shares.len() as u64
        };
        assert_eq!(with("order:", 10), shape.orders());
        assert_eq!(with("customer:", 1_000), shape.customers());
        assert!(KINDS.iter().all(|kind| uses[*kind] == 2_000));
        assert_eq!(lengths.len(), 1);
    }
}
