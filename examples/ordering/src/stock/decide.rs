//! The decisions of the warehouse.

use annals::{Each, Refusal, command};
use thiserror::Error;

use super::article::{
    Count, Delivery, GoodsBack, Reservation, Stock, StockCorrected, StockReceived, StockReleased,
    StockReserved, StockReturned,
};
use crate::contract::keys::Sku;
use crate::contract::stock::{
    CorrectStock, ReceiveGoods, ReleaseStock, ReserveStock, StockAllotted, StockFreed, StockTakenBack,
    TakeBack,
};

/// Why goods are not set aside.
#[derive(Debug, Clone, PartialEq, Eq, Error, Refusal)]
pub enum StockRefusal {
    /// There is not enough of one article.
    #[error("{wanted} pieces of {sku} are wanted, {left} are left")]
    OutOfStock {
        /// The first article that is short, in the order of their codes.
        sku: Sku,
        /// How many pieces the order wants.
        wanted: u32,
        /// How many there are.
        left: i64,
    },
    /// The order was released before.
    #[error("what was set aside for this order was released before")]
    Released,
}

/// All or none: the order and every one of its articles are one decision.
///
/// # Errors
/// [`StockRefusal`]: nothing is set aside.
#[command]
pub fn reserve(
    command: ReserveStock,
    reservation: &Reservation,
    stock: &Each<Stock>,
) -> Result<Option<(Vec<StockReserved>, StockAllotted)>, StockRefusal> {
    if reservation.freed {
        return Err(StockRefusal::Released);
    }
    if reservation.allotted {
        return Ok(None);
    }
    for piece in &command.pieces {
        let left = stock[&piece.sku].left;
        if left < i64::from(piece.quantity) {
            return Err(StockRefusal::OutOfStock {
                sku: piece.sku.clone(),
                wanted: piece.quantity,
                left,
            });
        }
    }
    let pieces = command.pieces.iter().map(|piece| u64::from(piece.quantity)).sum();
    let order = command.order;
    let reserved = command
        .pieces
        .into_iter()
        .map(|piece| StockReserved {
            order: order.clone(),
            sku: piece.sku,
            quantity: piece.quantity,
        })
        .collect();
    Ok(Some((reserved, StockAllotted { order, pieces })))
}

/// Works at any time: before anything was set aside, nothing will be.
///
/// # Errors
/// None: it is always done.
#[command]
pub fn release(
    command: ReleaseStock,
    reservation: &Reservation,
) -> Result<Option<(Vec<StockReleased>, StockFreed)>, StockRefusal> {
    if reservation.freed {
        return Ok(None);
    }
    let order = command.order;
    let released = reservation
        .pieces
        .iter()
        .map(|(sku, quantity)| StockReleased {
            order: order.clone(),
            sku: sku.clone(),
            quantity: *quantity,
        })
        .collect();
    let pieces = reservation
        .pieces
        .iter()
        .map(|(_, quantity)| u64::from(*quantity))
        .sum();
    Ok(Some((released, StockFreed { order, pieces })))
}

/// A delivery is received once.
///
/// # Errors
/// None: it is always done.
#[command]
pub fn receive(command: ReceiveGoods, delivery: &Delivery) -> Result<Vec<StockReceived>, StockRefusal> {
    if delivery.articles > 0 {
        return Ok(Vec::new());
    }
    let id = command.delivery;
    let received = command.pieces.into_iter();
    Ok(received
        .map(|p| StockReceived {
            delivery: id.clone(),
            sku: p.sku,
            quantity: p.quantity,
        })
        .collect())
}

/// A return is taken back once.
///
/// # Errors
/// None: it is always done.
#[command]
pub fn take_back(
    command: TakeBack,
    back: &GoodsBack,
) -> Result<Option<(Vec<StockReturned>, StockTakenBack)>, StockRefusal> {
    if back.taken {
        return Ok(None);
    }
    let pieces = command.pieces.iter().map(|piece| u64::from(piece.quantity)).sum();
    let id = command.id;
    let returned = command.pieces.into_iter();
    let returned = returned
        .map(|p| StockReturned {
            id: id.clone(),
            sku: p.sku,
            quantity: p.quantity,
        })
        .collect();
    Ok(Some((returned, StockTakenBack { id, pieces })))
}

/// A count is a fact, whatever was promised before.
///
/// # Errors
/// None: it is always done.
#[command]
pub fn correct(command: CorrectStock, count: &Count) -> Result<Vec<StockCorrected>, StockRefusal> {
    if count.articles > 0 {
        return Ok(Vec::new());
    }
    let id = command.id;
    let missing = command.missing.into_iter();
    Ok(missing
        .map(|p| StockCorrected {
            id: id.clone(),
            sku: p.sku,
            missing: p.quantity,
        })
        .collect())
}
