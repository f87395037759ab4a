use annals_testkit::scenario::given;

use super::article::{StockCorrected, StockReceived, StockReleased, StockReserved, StockReturned};
use crate::contract::keys::{CorrectionId, DeliveryId, OrderId, ReturnId, Sku};
use crate::contract::orders::Pieces;
use crate::contract::stock::{
    CorrectStock, ReceiveGoods, ReleaseStock, ReserveStock, StockAllotted, StockFreed, StockTakenBack,
    TakeBack,
};

fn order(id: &str) -> OrderId {
    OrderId::from(id)
}

fn sku(code: &str) -> Sku {
    Sku::from(code)
}

fn pieces(of: &[(&str, u32)]) -> Vec<Pieces> {
    let one = |(code, quantity): &(&str, u32)| Pieces {
        sku: sku(code),
        quantity: *quantity,
    };
    of.iter().map(one).collect()
}

fn received(code: &str, quantity: u32) -> StockReceived {
    StockReceived {
        delivery: DeliveryId::from("d1"),
        sku: sku(code),
        quantity,
    }
}

fn reserved(id: &str, code: &str, quantity: u32) -> StockReserved {
    StockReserved {
        order: order(id),
        sku: sku(code),
        quantity,
    }
}

fn released(id: &str, code: &str, quantity: u32) -> StockReleased {
    StockReleased {
        order: order(id),
        sku: sku(code),
        quantity,
    }
}

fn corrected(code: &str, missing: u32) -> StockCorrected {
    StockCorrected {
        id: CorrectionId::from("c1"),
        sku: sku(code),
        missing,
    }
}

fn allotted(id: &str, pieces: u64) -> StockAllotted {
    StockAllotted {
        order: order(id),
        pieces,
    }
}

fn freed(id: &str, pieces: u64) -> StockFreed {
    StockFreed {
        order: order(id),
        pieces,
    }
}

fn reserve(id: &str, of: &[(&str, u32)]) -> ReserveStock {
    ReserveStock {
        order: order(id),
        pieces: pieces(of),
    }
}

fn release(id: &str) -> ReleaseStock {
    ReleaseStock { order: order(id) }
}

#[test]
fn every_article_of_an_order_is_set_aside_at_once_and_once() {
    given([received("cup", 5), received("pot", 1)])
        .when(reserve("1", &[("cup", 3), ("pot", 1)]))
        .then((
            vec![reserved("1", "cup", 3), reserved("1", "pot", 1)],
            allotted("1", 4),
        ))
        .when(reserve("1", &[("cup", 3), ("pot", 1)]))
        .then_nothing()
        .when(reserve("2", &[("cup", 2)]))
        .then((vec![reserved("2", "cup", 2)], allotted("2", 2)));
}

#[test]
fn one_article_that_is_short_refuses_all_of_them() {
    given([received("cup", 5), received("pot", 1)])
        .when(reserve("1", &[("cup", 3), ("pot", 2)]))
        .then_refused("out_of_stock")
        // Nothing was set aside by the refusal.
        .when(reserve("2", &[("cup", 5)]))
        .then((vec![reserved("2", "cup", 5)], allotted("2", 5)));
}

#[test]
fn the_last_piece_can_be_had_and_an_unknown_article_cannot() {
    given(received("cup", 5))
        .when(reserve("1", &[("cup", 6)]))
        .then_refused("out_of_stock")
        .when(reserve("1", &[("cup", 5)]))
        .then((vec![reserved("1", "cup", 5)], allotted("1", 5)))
        .when(reserve("2", &[("cup", 1)]))
        .then_refused("out_of_stock")
        .when(reserve("2", &[("scale", 1)]))
        .then_refused("out_of_stock");
}

#[test]
fn an_order_of_nothing_but_charges_needs_nothing() {
    given(())
        .when(reserve("1", &[]))
        .then((Vec::<StockReserved>::new(), allotted("1", 0)));
}

#[test]
fn what_is_released_is_free_for_others_and_not_for_the_same_order() {
    given(received("cup", 5))
        .and(reserved("1", "cup", 4))
        .and(allotted("1", 4))
        .when(release("1"))
        .then((vec![released("1", "cup", 4)], freed("1", 4)))
        .when(release("1"))
        .then_nothing()
        .when(reserve("1", &[("cup", 1)]))
        .then_refused("released")
        .when(reserve("2", &[("cup", 5)]))
        .then((vec![reserved("2", "cup", 5)], allotted("2", 5)));
}

#[test]
fn a_release_before_the_reservation_keeps_it_from_happening() {
    given(received("cup", 5))
        .when(release("1"))
        .then((Vec::<StockReleased>::new(), freed("1", 0)))
        .when(reserve("1", &[("cup", 1)]))
        .then_refused("released");
}

#[test]
fn a_delivery_is_received_once() {
    let receive = || ReceiveGoods {
        delivery: DeliveryId::from("d1"),
        pieces: pieces(&[("cup", 5), ("pot", 1)]),
        received: None,
    };
    given(())
        .when(receive())
        .then([received("cup", 5), received("pot", 1)])
        .when(receive())
        .then_nothing();
}

#[test]
fn goods_are_taken_back_once_and_can_be_sold_again() {
    let take_back = || TakeBack {
        id: ReturnId::from("C1"),
        pieces: pieces(&[("cup", 2)]),
    };
    let returned = StockReturned {
        id: ReturnId::from("C1"),
        sku: sku("cup"),
        quantity: 2,
    };
    let back = StockTakenBack {
        id: ReturnId::from("C1"),
        pieces: 2,
    };
    given(())
        .when(take_back())
        .then((vec![returned], back))
        .when(take_back())
        .then_nothing()
        .when(reserve("1", &[("cup", 2)]))
        .then((vec![reserved("1", "cup", 2)], allotted("1", 2)));
}

#[test]
fn a_count_is_a_fact_once_even_below_zero() {
    let correct = || CorrectStock {
        id: CorrectionId::from("c1"),
        missing: pieces(&[("cup", 4)]),
        counted: None,
    };
    given(received("cup", 5))
        .and(reserved("1", "cup", 3))
        .when(correct())
        .then([corrected("cup", 4)])
        .when(correct())
        .then_nothing()
        // Two are missing now; two more that arrive make none free.
        .and(StockReceived {
            delivery: DeliveryId::from("d2"),
            sku: sku("cup"),
            quantity: 2,
        })
        .when(reserve("2", &[("cup", 1)]))
        .then_refused("out_of_stock");
}
