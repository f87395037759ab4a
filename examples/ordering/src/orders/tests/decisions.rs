use annals_testkit::scenario::given;

use crate::contract::keys::{CustomerId, OrderId, ReturnId, Sku};
use crate::contract::orders::{
    CancelOrder, Line, OrderCancelled, OrderPlaced, PlaceOrder, ReturnTaken, TakeReturn,
};
use crate::contract::payments::{PaymentRefunded, PaymentTaken};
use crate::contract::shipping::ParcelShipped;
use crate::contract::stock::StockAllotted;
use crate::money::Money;
use crate::orders::order::{LINES_MAX, place};

fn money(text: &str) -> Money {
    text.parse().expect("an amount")
}

fn order() -> OrderId {
    OrderId::from("7")
}

fn line(sku: &str, quantity: u32, price: &str) -> Line {
    Line {
        sku: Sku::from(sku),
        quantity,
        price: money(price),
        goods: true,
    }
}

fn place_of(lines: Vec<Line>) -> PlaceOrder {
    PlaceOrder {
        order: order(),
        customer: Some(CustomerId::from("17850")),
        country: "Norway".to_owned(),
        lines,
        placed: None,
    }
}

fn placed() -> OrderPlaced {
    OrderPlaced {
        order: order(),
        customer: Some(CustomerId::from("17850")),
        country: "Norway".to_owned(),
        lines: vec![line("cup", 3, "2.55"), line("cup", 1, "0.001")],
        amount: money("7.651"),
    }
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

#[test]
fn an_order_is_placed_once_with_the_exact_sum_of_its_lines() {
    let again = || place_of(placed().lines);
    given(())
        .when(again())
        .then(placed())
        .when(again())
        .then_nothing();
}

#[test]
fn another_order_of_the_same_id_is_refused() {
    let other_country = PlaceOrder {
        country: "Spain".to_owned(),
        ..place_of(placed().lines)
    };
    let guest = PlaceOrder {
        customer: None,
        ..place_of(placed().lines)
    };
    given(placed())
        .when(place_of(vec![line("cup", 4, "2.55")]))
        .then_refused("order_exists")
        .when(other_country)
        .then_refused("order_exists")
        .when(guest)
        .then_refused("order_exists");
}

#[test]
fn the_same_order_after_its_end_is_still_the_same_order() {
    given(placed())
        .and(cancelled("customer"))
        .when(place_of(placed().lines))
        .then_nothing();
}

#[test]
fn what_is_no_order_is_refused() {
    let dear = "999999999999999.999999";
    let long = "x".repeat(500);
    let many = |count: usize| (0..count).map(|n| line(&format!("{n:0>495}"), 1, "1"));
    for (lines, code) in [
        (vec![], "no_lines"),
        (vec![line("cup", 0, "1")], "invalid_line"),
        (vec![line("cup", 1, "0")], "invalid_line"),
        (vec![line("cup", 1, "1"), line("cup", 1, "-1")], "invalid_line"),
        (vec![line("cup", 1, "0.0000001")], "invalid_line"),
        // The warehouse would count 4,294,967,295 pieces instead.
        (
            vec![line("cup", u32::MAX, "1"), line("cup", 1, "1")],
            "invalid_line",
        ),
        // No tag can be made of it.
        (vec![line("", 1, "1")], "invalid_line"),
        (vec![line(&long.repeat(2), 1, "1")], "invalid_line"),
        (vec![line("cup", 1, "1"); LINES_MAX + 1], "too_many_lines"),
        // The codes would not fit into the tags of one message.
        (many(129).collect(), "too_many_articles"),
        (vec![line("cup", 2, dear)], "amount_too_large"),
        (
            vec![line("cup", 1, dear), line("cup", 1, "0.000001")],
            "amount_too_large",
        ),
        (
            vec![line("cup", u32::MAX, "9999999999999999999999999999")],
            "amount_too_large",
        ),
    ] {
        given(()).when(place_of(lines)).then_refused(code);
    }
}

#[test]
fn as_many_lines_as_there_may_be_are_an_order() {
    let same = vec![line("cup", 1, "0.25"); LINES_MAX];
    let others = (0..LINES_MAX).map(|n| line(&format!("{n:0>12}"), 1, "0.25"));
    let dear = vec![line("cup", 1, "999999999999999.999999")];
    for lines in [same, others.collect(), dear] {
        let outcome = given(()).when(place_of(lines)).outcome();
        assert_eq!(outcome.expect("an order").len(), 1);
    }
}

#[test]
fn the_refusal_of_a_line_says_which() {
    let refused = place(
        place_of(vec![line("cup", 1, "1"), line("cup", 0, "1")]),
        &crate::orders::order::Order::default(),
    );
    let refusal = refused.expect_err("no piece is no line");
    assert_eq!(refusal.to_string(), "line 2: the quantity is zero");
}

#[test]
fn an_order_is_cancelled_once_at_every_stage_before_it_left() {
    let paid = PaymentTaken {
        order: order(),
        amount: money("7.651"),
    };
    let allotted = StockAllotted {
        order: order(),
        pieces: 4,
    };
    let stages = [
        given(placed()),
        given(placed()).and(paid.clone()),
        given(placed()).and(paid).and(allotted),
    ];
    for stage in stages {
        stage
            .when(cancel("customer"))
            .then(cancelled("customer"))
            .when(cancel("payment_late"))
            .then_nothing();
    }
}

#[test]
fn an_order_that_left_or_never_was_is_not_cancelled() {
    let shipped = ParcelShipped {
        order: order(),
        country: "Norway".to_owned(),
    };
    given(placed())
        .and(shipped)
        .when(cancel("customer"))
        .then_refused("already_shipped");
    given(()).when(cancel("customer")).then_refused("no_such_order");
}

#[test]
fn news_after_a_cancellation_do_not_undo_it() {
    let paid = PaymentTaken {
        order: order(),
        amount: money("7.651"),
    };
    let shipped = ParcelShipped {
        order: order(),
        country: "Norway".to_owned(),
    };
    let refunded = PaymentRefunded {
        order: order(),
        amount: money("7.651"),
    };
    given(placed())
        .and(cancelled("customer"))
        .and(paid)
        .and(shipped)
        .and(refunded)
        .when(cancel("customer"))
        .then_nothing();
}

#[test]
fn goods_are_taken_back_once() {
    let take = || TakeReturn {
        id: ReturnId::from("C1"),
        customer: None,
        country: "Norway".to_owned(),
        lines: vec![line("cup", 2, "2.55")],
        returned: None,
    };
    let taken = ReturnTaken {
        id: ReturnId::from("C1"),
        customer: None,
        country: "Norway".to_owned(),
        lines: vec![line("cup", 2, "2.55")],
        amount: money("5.1"),
    };
    given(())
        .when(take())
        .then(taken)
        .when(take())
        .then_nothing()
        .when(TakeReturn {
            id: ReturnId::from("C2"),
            lines: vec![],
            ..take()
        })
        .then_refused("no_lines");
}
