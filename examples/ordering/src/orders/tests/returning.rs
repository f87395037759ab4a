use annals_testkit::probe::process;

use crate::contract::keys::{CustomerId, ReturnId, Sku};
use crate::contract::orders::{Line, Pieces, ReturnTaken};
use crate::contract::payments::{CreditReturn, ReturnCredited};
use crate::contract::stock::{StockTakenBack, TakeBack};
use crate::money::Money;
use crate::orders::returning::Returning;

fn id() -> ReturnId {
    ReturnId::from("C1")
}

fn amount() -> Money {
    "5.1".parse().expect("an amount")
}

fn line(sku: &str, quantity: u32, goods: bool) -> Line {
    Line {
        sku: Sku::from(sku),
        quantity,
        price: "2.55".parse().expect("an amount"),
        goods,
    }
}

fn taken(lines: Vec<Line>) -> ReturnTaken {
    ReturnTaken {
        id: id(),
        customer: Some(CustomerId::from("17850")),
        country: "Norway".to_owned(),
        lines,
        amount: amount(),
    }
}

fn credit() -> CreditReturn {
    CreditReturn {
        id: id(),
        customer: Some(CustomerId::from("17850")),
        amount: amount(),
    }
}

fn credited() -> ReturnCredited {
    ReturnCredited {
        id: id(),
        customer: Some(CustomerId::from("17850")),
        amount: amount(),
    }
}

fn back() -> StockTakenBack {
    StockTakenBack { id: id(), pieces: 6 }
}

#[test]
fn goods_go_back_into_stock_each_article_once_and_the_customer_is_credited() {
    let lines = vec![
        line("pot", 1, true),
        line("cup", 2, true),
        line("POST", 1, false),
        line("cup", 3, true),
    ];
    let pieces = |sku, quantity| Pieces {
        sku: Sku::from(sku),
        quantity,
    };
    let take_back = TakeBack {
        id: id(),
        pieces: vec![pieces("cup", 5), pieces("pot", 1)],
    };
    for news in [[true, false], [false, true]] {
        let mut probe = process::<Returning>()
            .on(taken(lines.clone()))
            .sends((take_back.clone(), credit()));
        for money_first in news {
            probe = if money_first {
                probe.on(credited())
            } else {
                probe.on(back())
            };
            probe = probe.sends_nothing();
        }
        probe.done();
    }
}

#[test]
fn what_is_no_goods_is_only_credited() {
    process::<Returning>()
        .on(taken(vec![line("D", 1, false)]))
        .sends(credit())
        .on(credited())
        .sends_nothing()
        .done();
}
