//! The ids of the order system; each is also a tag.

use annals::Key;

/// One order: an invoice number, or a UUID.
#[derive(Key)]
#[key("order")]
pub struct OrderId(String);

/// One return of goods.
#[derive(Key)]
#[key("return")]
pub struct ReturnId(String);

/// A customer who is known by name.
#[derive(Key)]
#[key("customer")]
pub struct CustomerId(String);

/// An article of which stock is kept.
#[derive(Key)]
#[key("sku")]
pub struct Sku(String);

/// One delivery of goods to the warehouse.
#[derive(Key)]
#[key("delivery")]
pub struct DeliveryId(String);

/// One correction of the books, of stock or of money.
#[derive(Key)]
#[key("correction")]
pub struct CorrectionId(String);
