use super::{Money, ParseMoneyError};

fn money(text: &str) -> Money {
    text.parse().expect("an amount")
}

#[test]
fn is_written_without_trailing_zeros() {
    for (text, written) in [
        ("2.50", "2.5"),
        ("100", "100"),
        ("100.00", "100"),
        ("0.001", "0.001"),
        ("-0.0", "0"),
        ("-3.10", "-3.1"),
        ("007.5", "7.5"),
        ("4064726.591", "4064726.591"),
        ("79228162514264337593543950.33", "79228162514264337593543950.33"),
    ] {
        assert_eq!(money(text).to_string(), written, "{text}");
    }
    assert_eq!(
        format!("{:>8}|{:<6}|", money("2.50"), money("1")),
        "     2.5|1     |"
    );
}

#[test]
fn refuses_what_is_not_a_plain_decimal() {
    for text in [
        "", "-", ".", "1.", ".5", "1e5", "+1", " 1", "1 ", "1,5", "--1", "1.2.3", "٣", "NaN",
    ] {
        let found = text.parse::<Money>();
        assert_eq!(
            found,
            Err(ParseMoneyError::NotDecimal {
                found: text.to_owned()
            }),
            "{text:?}"
        );
    }
    let long = "1".repeat(29);
    assert_eq!(
        long.parse::<Money>(),
        Err(ParseMoneyError::TooLong { found: long.clone() })
    );
    let over = "9".repeat(28) + ".9";
    assert_eq!(
        over.parse::<Money>(),
        Err(ParseMoneyError::TooLong { found: over.clone() })
    );
}

#[test]
fn sums_and_products_are_exact() {
    assert_eq!(money("0.1").checked_add(money("0.2")), Some(money("0.3")));
    assert_eq!(money("1.005").checked_add(money("-0.005")), Some(Money::from(1)));
    assert_eq!(money("10").checked_sub(money("10.00")), Some(Money::ZERO));
    assert_eq!(money("0.001").checked_mul(-74_215), Some(money("-74.215")));
    assert_eq!(
        money("2.5").checked_mul(4).map(|sum| sum.to_string()).as_deref(),
        Some("10")
    );
    assert_eq!(-Money::ZERO, Money::ZERO);
    assert_eq!((-Money::ZERO).to_string(), "0");
}

#[test]
fn what_would_have_to_be_rounded_is_refused() {
    let large = money("9999999999999999999999999999");
    assert_eq!(large.checked_add(money("0.001")), None);
    assert_eq!(large.checked_mul(100), None);
    assert_eq!(large.checked_mul(i64::MAX), None);
    // 29 digits that the decimal type could hold, but nobody could read again.
    assert_eq!(large.checked_add(Money::from(1)), None);
    assert_eq!(large.checked_mul(2), None);
    assert_eq!((-large).checked_sub(Money::from(1)), None);
    assert_eq!(Money::power_of_ten(18), money("1000000000000000000"));
}

#[test]
fn travels_as_a_string() {
    assert_eq!(serde_json::to_string(&money("12.50")).unwrap(), "\"12.5\"");
    assert_eq!(serde_json::from_str::<Money>("\"12.50\"").unwrap(), money("12.5"));
    assert!(
        serde_json::from_str::<Money>("12.5")
            .unwrap_err()
            .to_string()
            .contains("as a string")
    );
}

#[test]
fn orders_by_amount() {
    assert!(money("-1").is_negative() && money("0.001").is_positive() && Money::ZERO.is_zero());
    assert!(money("9.5") < money("10"));
}
