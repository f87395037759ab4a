//! A handler is async, owns its message, and reaches the world outside through `Dep`.

use annals::{Command, Context, Key, handler};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

#[derive(Key)]
#[key("order")]
struct OrderId(u64);

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("payments.take")]
struct TakePayment {
    #[key]
    order: OrderId,
}

struct Provider;

#[handler]
fn not_async(_: TakePayment) -> Result<(), Infallible> {
    Ok(())
}

#[handler]
async fn by_reference(_: &TakePayment) -> Result<(), Infallible> {
    Ok(())
}

#[handler]
async fn without_dep(_: TakePayment, _: Provider) -> Result<(), Infallible> {
    Ok(())
}

#[handler]
async fn lent(_: TakePayment, _: &Context) -> Result<(), Infallible> {
    Ok(())
}

#[handler]
async fn without_result(_: TakePayment) {}

#[handler(retries = 5)]
async fn misspelt(_: TakePayment) -> Result<(), Infallible> {
    Ok(())
}

#[handler(retry = 100000)]
async fn stubborn(_: TakePayment) -> Result<(), Infallible> {
    Ok(())
}

fn main() {}
