use jiff::Timestamp;

use super::super::invoice::InvoiceKind::{self, Adjustment, Correction, Order, Return};
use super::super::refused::Reason;
use super::{Row, judge};

fn judged(invoice: &str, article: &str, quantity: i32, price: &str) -> Result<InvoiceKind, Reason> {
    judge(&Row {
        line: 2,
        invoice,
        article,
        description: "",
        quantity,
        moment: Timestamp::UNIX_EPOCH,
        price: price.parse().unwrap(),
        customer: None,
        country: "Norway",
    })
}

#[test]
fn numeric_invoices() {
    assert_eq!(judged("536365", "85123A", 6, "2.55"), Ok(Order));
    assert_eq!(judged("536365", "POST", 1, "18"), Ok(Order));
    assert_eq!(judged("536365", "85123A", -6, "0"), Ok(Correction));
    assert_eq!(judged("536365", "POST", -6, "0"), Err(Reason::ChargeCorrection));
    assert_eq!(judged("536365", "85123A", 0, "2.55"), Err(Reason::ZeroQuantity));
    assert_eq!(judged("536365", "85123A", 0, "0"), Err(Reason::ZeroQuantity));
    assert_eq!(
        judged("536365", "85123A", -6, "2.55"),
        Err(Reason::NegativeQuantity)
    );
    assert_eq!(judged("536365", "85123A", 6, "0"), Err(Reason::ZeroPrice));
    assert_eq!(judged("536365", "85123A", 6, "-1"), Err(Reason::NegativePrice));
    assert_eq!(judged("536365", "85123A", -6, "-1"), Err(Reason::NegativePrice));
}

#[test]
fn returns_and_adjustments() {
    assert_eq!(judged("C536379", "D", -1, "27.5"), Ok(Return));
    assert_eq!(
        judged("C536379", "85123A", 0, "27.5"),
        Err(Reason::ReturnQuantity)
    );
    assert_eq!(
        judged("C536379", "85123A", 1, "27.5"),
        Err(Reason::ReturnQuantity)
    );
    assert_eq!(judged("C536379", "85123A", -1, "0"), Err(Reason::ReturnPrice));
    assert_eq!(judged("C536379", "85123A", -1, "-2"), Err(Reason::ReturnPrice));
    assert_eq!(judged("A563186", "B", 1, "-11062.06"), Ok(Adjustment));
    assert_eq!(judged("A563185", "B", 1, "11062.06"), Ok(Adjustment));
    assert_eq!(
        judged("A563186", "B", 0, "-11062.06"),
        Err(Reason::AdjustmentQuantity)
    );
    assert_eq!(
        judged("A563186", "B", -1, "-11062.06"),
        Err(Reason::AdjustmentQuantity)
    );
}

#[test]
fn other_forms_are_refused() {
    for invoice in [
        "X536365", "c536379", "a563185", "C", "A", "53636S", "536-365", "CC1", "é1", "٥",
    ] {
        assert_eq!(
            judged(invoice, "85123A", 6, "2.55"),
            Err(Reason::UnknownInvoiceForm),
            "{invoice}"
        );
    }
    assert_eq!(judged("536365", "", 6, "2.55"), Err(Reason::NoArticle));
}
