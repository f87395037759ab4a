use std::any::TypeId;
use std::sync::Arc;

use annals::boundary::{AnyState, States, Wanted};
use annals::{Boundary, Command, Context, Decide, Each, Event, Key, Model, Refusal, command};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::world::{Reservation, Reserve, Stock, StockReserved, line, order, sku};

#[derive(Debug, PartialEq, Error, Refusal)]
#[error("not enough of {sku}")]
pub(crate) struct OutOfStock {
    sku: String,
}

#[command]
fn reserve(
    Reserve { order, lines }: Reserve,
    reservation: &Reservation,
    _cx: &Context,
    stock: &Each<Stock>,
) -> Result<Vec<StockReserved>, OutOfStock> {
    if reservation.made {
        return Ok(Vec::new());
    }
    if let Some(line) = lines
        .iter()
        .find(|line| stock[&line.sku].left < i64::from(line.quantity))
    {
        return Err(OutOfStock {
            sku: line.sku.to_string(),
        });
    }
    let reserved = |line: crate::world::Line| StockReserved {
        sku: line.sku,
        order: order.clone(),
        quantity: line.quantity,
    };
    Ok(lines.into_iter().map(reserved).collect())
}

#[derive(Key)]
#[key("account")]
struct AccountId(u32);

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event("money.moved")]
struct MoneyMoved {
    #[tag]
    from: AccountId,
    #[tag]
    to: AccountId,
    amount: i64,
}

#[derive(Default, Serialize)]
struct Account {
    moved: i64,
}

impl Model for Account {
    type Key = AccountId;
    type Event = MoneyMoved;

    fn apply(&mut self, event: &MoneyMoved) {
        self.moved += event.amount;
    }
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("accounts.transfer")]
struct Transfer {
    #[key(named)]
    from: AccountId,
    #[key(named)]
    to: AccountId,
    amount: i64,
}

#[derive(Boundary)]
#[boundary(Transfer)]
struct Accounts {
    #[key(from)]
    giver: Arc<Account>,
    #[key(to)]
    taker: Arc<Account>,
}

#[command]
fn transfer(command: Transfer, accounts: &Accounts) -> Result<Option<MoneyMoved>, std::convert::Infallible> {
    let Transfer { from, to, amount } = command;
    Ok((accounts.giver.moved >= accounts.taker.moved).then_some(MoneyMoved { from, to, amount }))
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("accounts.ping")]
struct Ping(#[key] AccountId);

#[command]
fn ping(_: Ping) -> Result<(), std::convert::Infallible> {
    Ok(())
}

type BoundaryOf<C> = <C as Decide>::Boundary;

fn want<C: Decide>(command: &C) -> Vec<Wanted> {
    <BoundaryOf<C> as annals::boundary::Boundary<C>>::want(command).expect("its keys make tags")
}

fn decide<C: Decide>(command: C, states: Vec<AnyState>) -> Result<C::Output, C::Refusal> {
    let loaded = <BoundaryOf<C> as annals::boundary::Boundary<C>>::take(&command, States::new(states));
    command.decide(&loaded, &context())
}

fn context() -> Context {
    crate::handle::context()
}

#[test]
fn the_signature_is_the_boundary() {
    let wanted = want(&Reserve {
        order: order(1),
        lines: vec![line("b", 1), line("a", 1), line("b", 1)],
    });
    let tags: Vec<_> = wanted
        .iter()
        .map(|wanted| wanted.tag.as_str().to_owned())
        .collect();
    assert_eq!(tags, [order(1).tag().unwrap().as_str(), "sku:a", "sku:b"]);
    assert_eq!(wanted[0].fold.model, TypeId::of::<Reservation>());
    assert_eq!(wanted[1].fold.model, TypeId::of::<Stock>());
    assert!(want(&Ping(AccountId::from(1))).is_empty());
}

#[test]
fn the_models_arrive_at_their_parameters() {
    let command = Reserve {
        order: order(1),
        lines: vec![line("b", 2), line("a", 1)],
    };
    let states = |made, left_of_b| -> Vec<AnyState> {
        vec![
            Arc::new(Reservation { made }),
            Arc::new(Stock { left: 1 }),
            Arc::new(Stock { left: left_of_b }),
        ]
    };
    let reserved = decide(command.clone(), states(false, 2)).unwrap();
    assert_eq!(reserved.len(), 2);
    assert_eq!(
        reserved[0],
        StockReserved {
            sku: sku("b"),
            order: order(1),
            quantity: 2
        }
    );
    assert_eq!(
        decide(command.clone(), states(false, 1)),
        Err(OutOfStock { sku: "b".into() })
    );
    assert_eq!(decide(command, states(true, 1)), Ok(Vec::new()));
}

#[test]
fn the_function_stays_a_function() {
    let stock = Each::new([(sku("a"), Stock { left: 1 })]);
    let command = Reserve {
        order: order(1),
        lines: vec![line("a", 1)],
    };
    let events = reserve(command, &Reservation::default(), &context(), &stock).unwrap();
    assert_eq!(
        events,
        [StockReserved {
            sku: sku("a"),
            order: order(1),
            quantity: 1
        }]
    );
}

#[test]
fn named_models_are_those_of_the_named_keys() {
    let command = Transfer {
        from: AccountId::from(1),
        to: AccountId::from(2),
        amount: 5,
    };
    let wanted = want(&command);
    let tags: Vec<_> = wanted
        .iter()
        .map(|wanted| wanted.tag.as_str().to_owned())
        .collect();
    assert_eq!(tags, ["account:1", "account:2"]);
    let folds = <BoundaryOf<Transfer> as annals::boundary::Boundary<Transfer>>::folds();
    assert_eq!(folds.len(), 2);
    let states = |giver, taker| -> Vec<AnyState> {
        vec![
            Arc::new(Account { moved: giver }),
            Arc::new(Account { moved: taker }),
        ]
    };
    let moved = MoneyMoved {
        from: AccountId::from(1),
        to: AccountId::from(2),
        amount: 5,
    };
    assert_eq!(decide(command.clone(), states(2, 1)), Ok(Some(moved)));
    assert_eq!(decide(command, states(1, 2)), Ok(None));
}

#[test]
fn a_decision_may_read_nothing() {
    assert_eq!(decide(Ping(AccountId::from(1)), Vec::new()), Ok(()));
}
