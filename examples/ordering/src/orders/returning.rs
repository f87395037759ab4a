//! A return of goods: the goods go back into stock and the customer is credited, in whichever order.

use std::collections::BTreeMap;

use annals::{Effects, Model, On, Process};
use serde::Serialize;

use super::order::ReturnFact;
use crate::contract::keys::{ReturnId, Sku};
use crate::contract::orders::Pieces;
use crate::contract::payments::CreditReturn;
use crate::contract::stock::TakeBack;

/// The handling of one return.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Returning {
    credited: bool,
    /// Nothing that stock is kept of is still to come back.
    back: bool,
}

impl Model for Returning {
    type Key = ReturnId;
    type Event = ReturnFact;

    fn apply(&mut self, event: &ReturnFact) {
        match event {
            ReturnFact::Taken(taken) => self.back = !taken.lines.iter().any(|line| line.goods),
            ReturnFact::Credited(_) => self.credited = true,
            ReturnFact::Back(_) => self.back = true,
        }
    }
}

impl Process for Returning {
    const NAME: &'static str = "returning";
    type Timer = ();

    fn react(&self, on: On<'_, ReturnFact, ()>, effects: &mut Effects<()>) {
        match on {
            On::Event(ReturnFact::Taken(taken)) => {
                if !self.back {
                    let mut pieces: BTreeMap<&Sku, u32> = BTreeMap::new();
                    for line in taken.lines.iter().filter(|line| line.goods) {
                        let sum = pieces.entry(&line.sku).or_default();
                        *sum = sum.saturating_add(line.quantity);
                    }
                    let pieces = pieces.into_iter().map(|(sku, quantity)| Pieces {
                        sku: sku.clone(),
                        quantity,
                    });
                    effects.send(TakeBack {
                        id: taken.id.clone(),
                        pieces: pieces.collect(),
                    });
                }
                let credit = CreditReturn {
                    id: taken.id.clone(),
                    customer: taken.customer.clone(),
                    amount: taken.amount,
                };
                effects.send(credit);
            }
            On::Event(_) if self.credited && self.back => effects.complete(),
            On::Event(_) | On::Timer(()) | On::Refused(_) => {}
        }
    }
}
