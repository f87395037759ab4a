//! Codes are words for programs.

use annals::Refusal;
use thiserror::Error;

#[derive(Debug, Error, Refusal)]
enum Stop {
    #[error("sold out")]
    #[code("SoldOut")]
    SoldOut,
}

#[derive(Refusal)]
enum NoError {
    SoldOut,
}

fn main() {}
