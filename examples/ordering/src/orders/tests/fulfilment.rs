use std::time::Duration;

use annals_testkit::probe::{Probe, process};

use crate::contract::keys::{CustomerId, OrderId, Sku};
use crate::contract::orders::{CancelOrder, Line, OrderCancelled, OrderPlaced, Pieces};
use crate::contract::payments::{PaymentDeclined, PaymentTaken, RefundPayment, TakePayment};
use crate::contract::shipping::{ParcelShipped, RecallOrder, ShipOrder};
use crate::contract::stock::{ReleaseStock, ReserveStock, StockAllotted};
use crate::money::Money;
use crate::orders::fulfilment::{Fulfilment, PAYMENT_PATIENCE, PaymentLate};

fn order() -> OrderId {
    OrderId::from("7")
}

fn amount() -> Money {
    "20.5".parse().expect("an amount")
}

fn line(sku: &str, quantity: u32, goods: bool) -> Line {
    Line {
        sku: Sku::from(sku),
        quantity,
        price: "1".parse().expect("an amount"),
        goods,
    }
}

fn placed() -> OrderPlaced {
    OrderPlaced {
        order: order(),
        customer: Some(CustomerId::from("17850")),
        country: "Norway".to_owned(),
        lines: vec![
            line("pot", 1, true),
            line("cup", 2, true),
            line("POST", 1, false),
            line("cup", 1, true),
        ],
        amount: amount(),
    }
}

fn take() -> TakePayment {
    TakePayment {
        order: order(),
        amount: amount(),
    }
}

fn refund() -> RefundPayment {
    RefundPayment { order: order() }
}

fn paid() -> PaymentTaken {
    PaymentTaken {
        order: order(),
        amount: amount(),
    }
}

fn declined() -> PaymentDeclined {
    PaymentDeclined {
        order: order(),
        reason: "card_declined".to_owned(),
    }
}

/// Each article once, whatever the lines were.
fn reserve() -> ReserveStock {
    let pieces = |sku, quantity| Pieces {
        sku: Sku::from(sku),
        quantity,
    };
    ReserveStock {
        order: order(),
        pieces: vec![pieces("cup", 3), pieces("pot", 1)],
    }
}

fn release() -> ReleaseStock {
    ReleaseStock { order: order() }
}

fn allotted() -> StockAllotted {
    StockAllotted {
        order: order(),
        pieces: 4,
    }
}

fn ship() -> ShipOrder {
    ShipOrder {
        order: order(),
        country: "Norway".to_owned(),
    }
}

fn shipped() -> ParcelShipped {
    ParcelShipped {
        order: order(),
        country: "Norway".to_owned(),
    }
}

fn recall() -> RecallOrder {
    RecallOrder { order: order() }
}

fn cancel(reason: &str) -> CancelOrder {
    CancelOrder {
        order: order(),
        reason: reason.to_owned(),
    }
}

fn cancelled(reason: &str) -> OrderCancelled {
    OrderCancelled {
        order: order(),
        customer: Some(CustomerId::from("17850")),
        reason: reason.to_owned(),
    }
}

fn paying() -> Probe<Fulfilment> {
    process::<Fulfilment>().on(placed()).sends(take())
}

fn reserving() -> Probe<Fulfilment> {
    paying().on(paid()).sends(reserve())
}

fn shipping() -> Probe<Fulfilment> {
    reserving().on(allotted()).sends(ship())
}

#[test]
fn an_order_is_paid_set_aside_and_shipped_and_nothing_is_left() {
    paying()
        .waits(PAYMENT_PATIENCE, &PaymentLate)
        .on(paid())
        .sends(reserve())
        .on(allotted())
        .sends(ship())
        .on(shipped())
        .sends_nothing()
        .done();
}

#[test]
fn a_paid_order_has_all_the_time_in_the_world() {
    reserving().pass(PAYMENT_PATIENCE * 1_000).sends_nothing().done();
}

#[test]
fn a_declined_payment_ends_the_order_and_there_is_nothing_to_take_back() {
    paying()
        .on(declined())
        .sends(cancel("payment_card_declined"))
        .on(cancelled("payment_card_declined"))
        .sends_nothing()
        .done();
}

#[test]
fn a_payment_that_does_not_come_ends_the_order_and_is_taken_back_in_case_it_happened() {
    paying()
        .pass(PAYMENT_PATIENCE - Duration::from_micros(1))
        .sends_nothing()
        .pass(Duration::from_micros(1))
        .sends(cancel("payment_late"))
        .on(cancelled("payment_late"))
        .sends(refund())
        .done();
}

#[test]
fn a_payment_that_comes_while_the_order_is_given_up_does_not_revive_it() {
    paying()
        .pass(PAYMENT_PATIENCE)
        .sends(cancel("payment_late"))
        .on(paid())
        .sends_nothing()
        .on(cancelled("payment_late"))
        .sends(refund())
        .done();
}

#[test]
fn a_payment_that_comes_after_the_end_is_not_answered_again() {
    paying()
        .pass(PAYMENT_PATIENCE)
        .sends(cancel("payment_late"))
        .on(cancelled("payment_late"))
        .sends(refund())
        .on(paid())
        .sends_nothing()
        .done();
}

#[test]
fn a_payment_declined_while_the_order_is_given_up_ends_it_all_the_same() {
    paying()
        .pass(PAYMENT_PATIENCE)
        .sends(cancel("payment_late"))
        .on(declined())
        // A second cancellation is none: the order was cancelled, or will be.
        .sends(cancel("payment_card_declined"))
        .on(cancelled("payment_late"))
        .sends_nothing()
        .done();
}

#[test]
fn what_is_out_of_stock_is_taken_back_newest_first() {
    reserving()
        .refused::<ReserveStock>("out_of_stock")
        .sends(cancel("out_of_stock"))
        .on(cancelled("out_of_stock"))
        .sends((release(), refund()))
        .done();
}

#[test]
fn a_customer_may_cancel_while_the_payment_is_under_way() {
    paying()
        .on(cancelled("customer"))
        .sends(refund())
        .on(paid())
        .sends_nothing()
        .done();
}

#[test]
fn a_customer_may_cancel_while_the_goods_are_set_aside() {
    reserving()
        .on(cancelled("customer"))
        .sends((release(), refund()))
        .on(allotted())
        .sends_nothing()
        .done();
}

#[test]
fn a_customer_may_cancel_while_the_parcel_is_made() {
    shipping()
        .on(cancelled("customer"))
        .sends((recall(), release(), refund()))
        .on(shipped())
        .sends_nothing()
        .done();
}

#[test]
fn a_refused_parcel_is_the_end_of_an_order_that_was_cancelled_meanwhile() {
    shipping()
        .on(cancelled("customer"))
        .sends((recall(), release(), refund()))
        .refused::<ShipOrder>("recalled")
        .sends_nothing()
        .done();
}

#[test]
fn a_cancellation_that_came_too_late_changes_nothing() {
    // The order refuses to be cancelled once its parcel has left; the process hears of it and goes on.
    paying()
        .pass(PAYMENT_PATIENCE)
        .sends(cancel("payment_late"))
        .refused::<CancelOrder>("already_shipped")
        .sends_nothing()
        .done();
}

#[test]
fn an_order_of_charges_alone_needs_no_goods_and_leaves_all_the_same() {
    let charges = OrderPlaced {
        lines: vec![line("POST", 1, false)],
        ..placed()
    };
    let nothing = ReserveStock {
        order: order(),
        pieces: vec![],
    };
    process::<Fulfilment>()
        .on(charges)
        .sends(take())
        .on(paid())
        .sends(nothing)
        .on(StockAllotted {
            order: order(),
            pieces: 0,
        })
        .sends(ship())
        .on(shipped())
        .done();
}
