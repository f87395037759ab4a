//! The intake: files of invoices, checked whole, then handed out as orders, returns, stock corrections and
//! adjustments.
//!
//! In comes a file of the columns `InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice,
//! CustomerID, Country`, as `.csv` or `.csv.zst`; out goes an [`Intake`]. The promises:
//!
//! 1. A file with a fault is not taken at all, and the fault says where it is and what to do.
//! 2. Every line of a good file is taken once or refused with a reason; the counts add up.
//! 3. Amounts are exact.
//! 4. Memory and file size are bounded by [`Limits`].
//!
//! One thing cannot be seen: a file cut within the very last field, or exactly between two lines, reads like
//! a whole one. Compressed files do not have this weakness.
//!
//! It does not know services, messages or stores: what becomes of an invoice is decided elsewhere.
//!
//! | invoice | quantity | price | taken as |
//! |---|---|---|---|
//! | digits | > 0 | > 0 | order |
//! | digits | < 0 | 0 | stock correction (goods only) |
//! | `C` and digits | < 0 | > 0 | return |
//! | `A` and digits | > 0 | any | adjustment |
//!
//! Everything else is refused, see [`Reason`]. One invoice number is one order: its lines may stand apart,
//! carry several moments (the earliest counts) and repeat (repeats count).

mod limits;
mod error;
mod source;
mod records;
mod columns;
mod values;
mod article;
mod refused;
mod invoice;
mod judge;
mod gather;
mod taking;
mod delivery;
mod check;

pub use article::ArticleKind;
pub use check::Intake;
pub use delivery::{Delivery, DeliveryLine};
pub use error::{Fault, IntakeError};
pub use invoice::{Invoice, InvoiceKind, Line};
pub use limits::Limits;
pub use refused::{Reason, Refused};
pub use taking::Totals;
