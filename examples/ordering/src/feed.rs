//! Feeding a checked file of invoices to the system, and the report when everything has settled.
//!
//! Invoices go in the order of the file, many at a time; what concerns one order, return or correction is idempotent by
//! its invoice number, so a file that was fed halfway, or before, can be fed again. The warehouse receives a day's goods
//! before the day's first order.

use std::collections::{BTreeMap, HashMap};

use annals::core::kind::ErrorKind;
use annals::core::time::Timestamp;
use annals::{Command, Decide, ExecuteError, Service};
use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::civil::Date;
use thiserror::Error;

use crate::contract::keys::{CorrectionId, CustomerId, DeliveryId, OrderId, ReturnId, Sku};
use crate::contract::orders::{Line, Pieces, PlaceOrder, TakeReturn};
use crate::contract::payments::AdjustBooks;
use crate::contract::stock::{CorrectStock, ReceiveGoods};
use crate::intake::{Delivery, Intake, Invoice, InvoiceKind};
use crate::system::System;

/// Invoices under way at once.
const AT_ONCE: usize = 256;
/// Articles of one delivery message.
const DELIVERY_ARTICLES_MAX: usize = 1_000;

/// What the warehouse brings while a file is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Supply {
    /// Before each day, what that day's orders take and its counts find missing.
    #[default]
    AsNeeded,
    /// This many pieces of every article at the beginning, and no more.
    Once(u32),
}

/// How far a feed has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedProgress {
    /// Invoices that were taken.
    pub done: u64,
    /// Invoices of the file.
    pub total: u64,
}

/// An invoice that the system refused, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedInvoice {
    /// Its number.
    pub number: String,
    /// The refusal's code.
    pub code: String,
    /// The refusal in words.
    pub detail: String,
}

/// The system failed while a file was fed. Feed the file again: what was taken is not taken twice.
#[derive(Debug, Error)]
#[error("invoice {number} could not be taken: {reason}")]
pub struct FeedError {
    /// Which invoice was under way.
    pub number: String,
    /// What happened.
    pub reason: String,
}

/// Feeds the invoices of a file; answers with those the domain refused.
///
/// # Errors
/// [`FeedError`] at the first failure that is no refusal.
pub async fn feed(
    system: &System,
    intake: &Intake,
    supply: Supply,
    progress: &(dyn Fn(FeedProgress) + Send + Sync),
) -> Result<Vec<RefusedInvoice>, FeedError> {
    let mut due: BTreeMap<Date, Delivery> = match supply {
        Supply::AsNeeded => intake
            .deliveries()
            .into_iter()
            .map(|delivery| (delivery.day, delivery))
            .collect(),
        Supply::Once(pieces) => {
            stock_up(system, intake, pieces).await?;
            BTreeMap::new()
        }
    };
    let total = intake.invoices.len() as u64;
    let mut under_way = FuturesUnordered::new();
    let mut refused = Vec::new();
    let mut done = 0;
    for invoice in &intake.invoices {
        if let Some(delivery) = due.remove(&invoice.day()) {
            receive(system, &delivery).await?;
        }
        if under_way.len() == AT_ONCE
            && let Some(taken) = under_way.next().await
        {
            refused.extend(taken?);
            done += 1;
            progress(FeedProgress { done, total });
        }
        under_way.push(take(system, invoice));
    }
    while let Some(taken) = under_way.next().await {
        refused.extend(taken?);
        done += 1;
        progress(FeedProgress { done, total });
    }
    Ok(refused)
}

async fn take(system: &System, invoice: &Invoice) -> Result<Option<RefusedInvoice>, FeedError> {
    match invoice.kind {
        InvoiceKind::Order => execute(&system.orders, invoice, order(invoice)).await,
        InvoiceKind::Return => execute(&system.orders, invoice, goods_back(invoice)).await,
        InvoiceKind::Correction => execute(&system.stock, invoice, correction(invoice)).await,
        InvoiceKind::Adjustment => execute(&system.payments, invoice, adjustment(invoice)).await,
    }
}

async fn execute<C: Decide>(
    service: &Service,
    invoice: &Invoice,
    command: C,
) -> Result<Option<RefusedInvoice>, FeedError> {
    let number = invoice.number.to_string();
    match service.execute(command).await {
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Refused => Ok(Some(RefusedInvoice {
            number,
            code: error.code(),
            detail: error.to_string(),
        })),
        Err(error) => Err(FeedError {
            number,
            reason: failure::<C>(&error),
        }),
    }
}

fn failure<C: Decide>(error: &ExecuteError<C::Refusal>) -> String {
    format!("{}: {error}", <C as Command>::NAME)
}

fn occurred(invoice: &Invoice) -> Option<Timestamp> {
    Some(Timestamp::from_micros(invoice.occurred.as_microsecond()))
}

fn customer(invoice: &Invoice) -> Option<CustomerId> {
    invoice
        .customer
        .as_deref()
        .map(|customer| CustomerId::from(customer.to_owned()))
}

fn lines(invoice: &Invoice) -> Vec<Line> {
    let line = |line: &crate::intake::Line| Line {
        sku: Sku::from(line.article.to_string()),
        quantity: line.quantity,
        price: line.price,
        goods: line.article_kind.is_goods(),
    };
    invoice.lines.iter().map(line).collect()
}

fn order(invoice: &Invoice) -> PlaceOrder {
    PlaceOrder {
        order: OrderId::from(invoice.number.to_string()),
        customer: customer(invoice),
        country: invoice.country.to_string(),
        lines: lines(invoice),
        placed: occurred(invoice),
    }
}

fn goods_back(invoice: &Invoice) -> TakeReturn {
    TakeReturn {
        id: ReturnId::from(invoice.number.to_string()),
        customer: customer(invoice),
        country: invoice.country.to_string(),
        lines: lines(invoice),
        returned: occurred(invoice),
    }
}

fn correction(invoice: &Invoice) -> CorrectStock {
    let mut missing: BTreeMap<&str, u32> = BTreeMap::new();
    for line in invoice.lines.iter().filter(|line| line.article_kind.is_goods()) {
        let sum = missing.entry(&*line.article).or_default();
        *sum = sum.saturating_add(line.quantity);
    }
    CorrectStock {
        id: CorrectionId::from(invoice.number.to_string()),
        missing: missing
            .into_iter()
            .map(|(sku, quantity)| pieces(sku, quantity))
            .collect(),
        counted: occurred(invoice),
    }
}

fn adjustment(invoice: &Invoice) -> AdjustBooks {
    let reason = invoice
        .lines
        .first()
        .map_or_else(String::new, |line| line.description.to_string());
    AdjustBooks {
        id: CorrectionId::from(invoice.number.to_string()),
        amount: invoice.amount().unwrap_or_default(),
        reason,
        adjusted: occurred(invoice),
    }
}

fn pieces(sku: &str, quantity: u32) -> Pieces {
    Pieces {
        sku: Sku::from(sku.to_owned()),
        quantity,
    }
}

async fn receive(system: &System, delivery: &Delivery) -> Result<(), FeedError> {
    let lines = delivery
        .lines
        .iter()
        .map(|line| (&*line.article, u32::try_from(line.pieces).unwrap_or(u32::MAX)));
    let midnight = delivery.day.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok();
    let received = midnight.map(|midnight| Timestamp::from_micros(midnight.timestamp().as_microsecond()));
    deliver(system, &delivery.id, lines.collect(), received).await
}

async fn stock_up(system: &System, intake: &Intake, pieces: u32) -> Result<(), FeedError> {
    let goods = intake.invoices.iter().flat_map(|invoice| &invoice.lines);
    let goods = goods
        .filter(|line| line.article_kind.is_goods())
        .map(|line| (&*line.article, pieces));
    let articles: HashMap<&str, u32> = goods.filter(|_| pieces > 0).collect();
    let mut articles: Vec<(&str, u32)> = articles.into_iter().collect();
    articles.sort_unstable();
    deliver(system, &format!("initial-{pieces}"), articles, None).await
}

async fn deliver(
    system: &System,
    id: &str,
    lines: Vec<(&str, u32)>,
    received: Option<Timestamp>,
) -> Result<(), FeedError> {
    for (part, lines) in lines.chunks(DELIVERY_ARTICLES_MAX).enumerate() {
        let command = ReceiveGoods {
            delivery: DeliveryId::from(format!("{id}.{part}")),
            pieces: lines
                .iter()
                .map(|(sku, quantity)| pieces(sku, *quantity))
                .collect(),
            received,
        };
        let failed = |error: ExecuteError<_>| FeedError {
            number: format!("delivery {id}"),
            reason: failure::<ReceiveGoods>(&error),
        };
        system.stock.execute(command).await.map_err(failed)?;
    }
    Ok(())
}
