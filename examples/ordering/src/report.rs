//! The report on a file that was fed and has settled.

use std::collections::BTreeMap;

use annals::LoadError;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use crate::contract::keys::{OrderId, ReturnId};
use crate::feed::RefusedInvoice;
use crate::intake::{Intake, InvoiceKind};
use crate::money::Money;
use crate::orders::order::{Order, Return, Stage};
use crate::system::System;

/// One document: what became of every line and every order of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Of the input.
    pub lines: Lines,
    /// Of the file's orders.
    pub orders: Orders,
    /// Returns taken.
    pub returns: u64,
    /// Sums as decimal strings.
    pub money: Sums,
    /// By service: how many events its store holds.
    pub stores: BTreeMap<String, StoreSize>,
    /// Of the broker.
    pub broker: Messages,
    /// Races lost while deciding.
    pub conflicts: u64,
    /// Decisions made again after a lost race.
    pub redecisions: u64,
    /// From the first line read to the last effect.
    pub seconds: f64,
    /// Events of all services' stores over those seconds.
    pub events_per_second: f64,
}

/// Of the input: `read = taken + refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lines {
    /// Below the header.
    pub read: u64,
    /// Sold, returned, corrections and adjustments.
    pub taken: u64,
    /// Refused.
    pub refused: u64,
    /// Refused, by reason.
    pub refused_by_reason: BTreeMap<String, u64>,
}

/// Of the file's orders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Orders {
    /// Orders that exist.
    pub placed: u64,
    /// Paid and on their way.
    pub paid: u64,
    /// Ended unfulfilled.
    pub cancelled: u64,
    /// Cancelled, by reason.
    pub cancelled_by_reason: BTreeMap<String, u64>,
    /// Neither: still under way, or parked.
    pub open: u64,
    /// Never placed: the domain refused them.
    pub refused: u64,
}

/// Sums as decimal strings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Quantity times price over the taken sale lines.
    pub revenue: Money,
    /// Of that, what was captured.
    pub captured: Money,
    /// Of that, what was given back because the order was cancelled.
    pub compensated: Money,
    /// Credited for returns.
    pub credited: Money,
    /// Given back in all: compensated and credited.
    pub refunded: Money,
}

/// How many events a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreSize {
    /// Events.
    pub events: u64,
}

/// Of the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Messages {
    /// Messages it holds.
    pub messages: u64,
}

/// Looks at every order and return of a file that was fed.
///
/// # Errors
/// A store did not answer.
pub async fn report(
    system: &System,
    intake: &Intake,
    refused: &[RefusedInvoice],
    seconds: f64,
) -> Result<Report, LoadError> {
    let (orders, mut money) = look_at_orders(system, intake).await?;
    let (returns, credited) = look_at_returns(system, intake).await?;
    money.credited = credited;
    money.refunded = money
        .compensated
        .checked_add(credited)
        .unwrap_or(money.compensated);
    let status = system.status().await;
    let stores: BTreeMap<String, StoreSize> = status
        .iter()
        .map(|status| {
            (
                status.service.to_string(),
                StoreSize {
                    events: status.end.get(),
                },
            )
        })
        .collect();
    let events: u64 = stores.values().map(|store| store.events).sum();
    let by_reason = intake.refused_by_reason();
    Ok(Report {
        lines: Lines {
            read: intake.lines_read,
            taken: intake.totals.lines(),
            refused: intake.refused.len() as u64,
            refused_by_reason: by_reason
                .into_iter()
                .map(|(reason, n)| (reason.code().to_owned(), n))
                .collect(),
        },
        orders: Orders {
            refused: refused.len() as u64,
            ..orders
        },
        returns,
        money,
        stores,
        broker: Messages {
            messages: system.broker_store.end().get(),
        },
        conflicts: status.iter().map(|status| status.conflicts).sum(),
        redecisions: status.iter().map(|status| status.redecisions).sum(),
        seconds,
        events_per_second: if seconds > 0.0 {
            events as f64 / seconds
        } else {
            0.0
        },
    })
}

fn numbers(intake: &Intake, kind: InvoiceKind) -> impl Iterator<Item = String> {
    let ours = intake.invoices.iter().filter(move |invoice| invoice.kind == kind);
    ours.map(|invoice| invoice.number.to_string())
}

async fn look_at_orders(system: &System, intake: &Intake) -> Result<(Orders, Sums), LoadError> {
    let ids = numbers(intake, InvoiceKind::Order).map(OrderId::from);
    let loads = ids.map(|id| async move { system.orders.load::<Order>(&id).await });
    let mut loads = stream::iter(loads).buffered(32);
    let mut orders = Orders::default();
    let mut money = Sums::default();
    while let Some(order) = loads.try_next().await? {
        orders.count(&order.state);
        money.count(&order.state);
    }
    Ok((orders, money))
}

async fn look_at_returns(system: &System, intake: &Intake) -> Result<(u64, Money), LoadError> {
    let ids = numbers(intake, InvoiceKind::Return).map(ReturnId::from);
    let loads = ids.map(|id| async move { system.orders.load::<Return>(&id).await });
    let mut loads = stream::iter(loads).buffered(32);
    let mut returns = 0;
    let mut credited = Money::ZERO;
    while let Some(taken) = loads.try_next().await? {
        returns += u64::from(taken.taken);
        if taken.credited {
            credited = credited.checked_add(taken.amount).unwrap_or(credited);
        }
    }
    Ok((returns, credited))
}

impl Orders {
    fn count(&mut self, order: &Order) {
        match order.stage {
            Stage::Unknown => return,
            Stage::Shipped => self.paid += 1,
            Stage::Cancelled => {
                self.cancelled += 1;
                let reason = order.reason.clone().unwrap_or_default();
                *self.cancelled_by_reason.entry(reason).or_default() += 1;
            }
            Stage::Placed | Stage::Paid | Stage::Allotted => self.open += 1,
        }
        self.placed += 1;
    }
}

impl Sums {
    /// Sums that a file within the intake's limits makes have fewer than 28 digits.
    fn count(&mut self, order: &Order) {
        let add = |sum: Money, amount| sum.checked_add(amount).unwrap_or(sum);
        self.revenue = add(self.revenue, order.amount);
        self.captured = add(self.captured, order.captured);
        self.compensated = add(self.compensated, order.refunded);
    }
}
