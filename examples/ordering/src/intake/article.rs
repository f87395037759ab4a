//! Goods and charges.
//!
//! In comes a stock code, out goes whether a warehouse keeps pieces of it. The rule, in one place:
//!
//! - These codes are **charges**, in upper or lower case: `POST` and `DOT` (postage), `C2` (carriage),
//!   `M` (manual entry), `D` (discount), `S` (samples), `B` (bad debt), `CRUK` (a commission),
//!   `BANK CHARGES`, `AMAZONFEE`, and every code that begins with `gift_0001_` (gift vouchers).
//! - Every other code is **goods**: the five digits with or without letters, `DCGS…`, and `PADS` (cushion
//!   pads, which are things although their code has no digits).
//!
//! A charge is a sale line like any other and counts as revenue; only no stock is kept for it. A code is
//! kept as it is written: `85123A` and `85123a` are two articles.

#[cfg(test)]
mod tests;

/// Whether pieces of an article are kept in stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArticleKind {
    /// A thing in a warehouse.
    Goods,
    /// Postage, a fee, a voucher: charged, but never in stock.
    Charge,
}

const CHARGES: [&str; 10] = [
    "POST",
    "DOT",
    "C2",
    "M",
    "D",
    "S",
    "B",
    "CRUK",
    "BANK CHARGES",
    "AMAZONFEE",
];
const VOUCHERS: &str = "gift_0001_";

impl ArticleKind {
    /// The kind of the article with this stock code.
    #[must_use]
    pub fn of(code: &str) -> Self {
        let voucher = code
            .get(..VOUCHERS.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(VOUCHERS));
        if voucher || CHARGES.iter().any(|charge| charge.eq_ignore_ascii_case(code)) {
            Self::Charge
        } else {
            Self::Goods
        }
    }

    /// Whether stock is kept.
    #[must_use]
    pub fn is_goods(self) -> bool {
        self == Self::Goods
    }
}
