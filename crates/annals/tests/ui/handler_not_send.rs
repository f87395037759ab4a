//! A handler may be moved between threads while it waits.

use annals::{Command, Key, handler};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::rc::Rc;

#[derive(Key)]
#[key("order")]
struct OrderId(u64);

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("payments.take")]
struct TakePayment {
    #[key]
    order: OrderId,
}

#[handler]
async fn take_payment(_: TakePayment) -> Result<(), Infallible> {
    let kept = Rc::new(1);
    std::future::ready(()).await;
    drop(kept);
    Ok(())
}

fn main() {}
