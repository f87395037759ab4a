//! Amounts of money as whole thousandths: sums are plain additions.

use serde_json::Value;

/// Of decimal text in a document.
#[track_caller]
pub(crate) fn of(value: &Value) -> i128 {
    let text = value
        .as_str()
        .unwrap_or_else(|| panic!("an amount is text, not {value}"));
    parse(text).unwrap_or_else(|| panic!("{text:?} is no amount of at most three digits behind the point"))
}

fn parse(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction:0<3}");
    (fraction.len() <= 3).then(|| digits.parse().ok()).flatten()
}

/// As decimal text.
pub(crate) fn text(thousandths: i128) -> String {
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}
