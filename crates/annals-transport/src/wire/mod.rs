//! The wire: messages as CloudEvents 1.0, in whatever way a protocol writes attributes.
//!
//! In: a message; or the headers and bytes of one that came. Out: attributes without prefix, in a fixed order, and the
//! content; or the message. The transports add and name the prefixes of their protocol's binding. Knows no broker.
//!
//! Invariant: a message that was encoded here is decoded to the same message. Anything else that comes in becomes a
//! message too: foreign events by their CloudEvents attributes, other bytes as [`UNDECODABLE`], kept verbatim.
//!
//! [`UNDECODABLE`]: annals_core::port::transport::UNDECODABLE

mod attributes;
mod encode;
mod structured;
mod decode;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;

pub use attributes::{Attributes, JSON, STRUCTURED};
pub use decode::{Incoming, Place, decode, read};
#[cfg(feature = "kafka")]
pub(crate) use encode::check;
pub use encode::{Encoded, encode};
pub use structured::structured;
