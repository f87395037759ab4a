//! Orders and returns one decision at a time, and the two processes one step at a time.

mod decisions;
mod fulfilment;
mod returning;
