//! The shipping service: parcels leave, or are held back.

use annals::{Events, Model, Refusal, Service, ServiceBuilder, command};
use serde::Serialize;
use thiserror::Error;

use crate::contract::keys::OrderId;
use crate::contract::shipping::{ParcelRecalled, ParcelShipped, RecallOrder, ShipOrder};

/// What happens to a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Events)]
pub enum ParcelFact {
    /// It left.
    Shipped(ParcelShipped),
    /// It was held or fetched back.
    Recalled(ParcelRecalled),
}

/// The parcel of one order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Parcel {
    /// Nobody asked for it yet.
    #[default]
    Unknown,
    /// On its way.
    Shipped,
    /// Never to leave, or fetched back.
    Recalled,
}

impl Model for Parcel {
    type Key = OrderId;
    type Event = ParcelFact;

    fn apply(&mut self, event: &ParcelFact) {
        *self = match event {
            ParcelFact::Shipped(_) => Self::Shipped,
            ParcelFact::Recalled(_) => Self::Recalled,
        };
    }
}

/// Why a parcel does not leave.
#[derive(Debug, Clone, PartialEq, Eq, Error, Refusal)]
pub enum ShippingRefusal {
    /// Its order was called off before.
    #[error("the parcel of this order was recalled")]
    Recalled,
}

/// A parcel leaves once.
///
/// # Errors
/// [`ShippingRefusal::Recalled`]
#[command]
pub fn ship(command: ShipOrder, parcel: &Parcel) -> Result<Option<ParcelShipped>, ShippingRefusal> {
    match parcel {
        Parcel::Unknown => Ok(Some(ParcelShipped {
            order: command.order,
            country: command.country,
        })),
        Parcel::Shipped => Ok(None),
        Parcel::Recalled => Err(ShippingRefusal::Recalled),
    }
}

/// A recall works at any time: before the parcel is known, it will never leave.
///
/// # Errors
/// None: it is always done.
#[command]
pub fn recall(command: RecallOrder, parcel: &Parcel) -> Result<Option<ParcelRecalled>, ShippingRefusal> {
    let had_left = matches!(parcel, Parcel::Shipped);
    Ok((*parcel != Parcel::Recalled).then_some(ParcelRecalled {
        order: command.order,
        had_left,
    }))
}

/// The service.
pub fn service() -> ServiceBuilder {
    Service::builder("shipping")
        .command::<ShipOrder>()
        .command::<RecallOrder>()
}

#[cfg(test)]
mod tests;
