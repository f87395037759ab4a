use super::{CUSTOMER, INVOICE, MOMENT, PRICE, QUANTITY, customer, invoice, moment, price, quantity};

#[test]
fn quantities() {
    assert_eq!(quantity("6"), Ok(6));
    assert_eq!(quantity("-74215"), Ok(-74_215));
    assert_eq!(quantity("0"), Ok(0));
    for text in ["", "-", "+6", "6.0", "6 ", "1e3", "x", "1234567890", "٦"] {
        assert_eq!(quantity(text), Err(QUANTITY), "{text:?}");
    }
}

#[test]
fn prices() {
    assert_eq!(
        price("2.550").map(|price| price.to_string()).as_deref(),
        Ok("2.55")
    );
    assert_eq!(price("0.0").map(|price| price.to_string()).as_deref(), Ok("0"));
    assert_eq!(
        price("-11062.06").map(|price| price.to_string()).as_deref(),
        Ok("-11062.06")
    );
    for text in [
        "",
        "x",
        "2,55",
        "1e3",
        "£2",
        "NaN",
        "1234567890",
        "0.1234567",
        "1.",
    ] {
        assert_eq!(price(text), Err(PRICE), "{text:?}");
    }
}

#[test]
fn customers() {
    assert_eq!(customer("17850.0"), Ok(Some("17850")));
    assert_eq!(customer("17850"), Ok(Some("17850")));
    assert_eq!(customer(""), Ok(None), "a guest");
    for text in [".0", "17850.5", "17850.00", "C17850", "-1"] {
        assert_eq!(customer(text), Err(CUSTOMER), "{text:?}");
    }
}

#[test]
fn moments() {
    assert_eq!(
        moment("2010-12-01 08:26:00").map(|at| at.to_string()).as_deref(),
        Ok("2010-12-01T08:26:00Z")
    );
    assert_eq!(
        moment("2012-02-29 23:59:59").map(|at| at.to_string()).as_deref(),
        Ok("2012-02-29T23:59:59Z")
    );
    for text in [
        "",
        "2010-12-01",
        "2010-12-01 08:26",
        "2010-12-01T08:26:00",
        "2010-13-01 08:26:00",
        "2011-02-29 08:26:00",
        "2010-12-01 24:00:00",
        "2010-12-01 08:60:00",
        "1969-12-31 23:59:59",
        "01/12/2010 08:26:00",
        "2010-12-01 08:26:xx",
        "2010-12-01 08:26:0é",
    ] {
        assert_eq!(moment(text), Err(MOMENT), "{text:?}");
    }
}

#[test]
fn invoices() {
    assert_eq!(invoice("C536379"), Ok("C536379"));
    assert_eq!(invoice(""), Err(INVOICE));
}
