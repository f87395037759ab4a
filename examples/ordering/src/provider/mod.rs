//! The payment provider: a stranger to whom charges are sent over HTTP.
//!
//! It is a program of its own (`payment-provider`) with a ledger of its own, and can also be started
//! within a program by [`serve`]. It knows nothing of services, messages or stores. In come charges and
//! refunds, out go answers that are on the disk. The promises:
//!
//! 1. What was answered is in the ledger, also after the power failed.
//! 2. The same key has the same answer for ever and is charged at most once. Another key is another charge.
//! 3. A refund of a key that was never seen voids the key.
//! 4. It misbehaves as told by [`Behaviour`], the same way for the same keys.
//!
//! [`Client`] asks it, and says *unknown* where nobody can know.

mod protocol;
mod behaviour;
mod ledger;
mod routes;
mod server;
mod client;
mod options;

pub use behaviour::{Behaviour, BehaviourError};
pub use client::{AskError, BadAddress, ChargeOutcome, Client, Doubt, RefundOutcome};
pub use ledger::{OpenError, Replayed};
pub use options::Options;
pub use protocol::{
    Account, Charge, ChargeRequest, ChargeStatus, DeclineReason, NAME_BYTES_MAX, Problem, Refund,
    RefundRequest, RefundStatus, Report, Totals,
};
pub use server::{Config, Provider, ServeError, serve};
