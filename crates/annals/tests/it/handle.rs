use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use annals::context::Request;
use annals::core::id::{EventId, IdSource, uuid_v7};
use annals::core::time::Timestamp;
use annals::handler::{Dependencies, Needs};
use annals::{Command, Context, Dep, Event, Handle, handler};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::world::{OrderId, order};

struct Ids;

impl IdSource for Ids {
    fn next(&self, at: Timestamp) -> Uuid {
        uuid_v7(at, [7; 10])
    }
}

/// The third attempt at a message that has an id.
pub(crate) fn context() -> Context {
    let request = Request {
        causation: Some(EventId::from_uuid(Uuid::from_u128(9))),
        ..Request::default()
    };
    annals::Context::new(Timestamp::default(), 3, Arc::new(Ids), request)
}

#[derive(Default)]
struct Provider {
    charged: AtomicU32,
}

impl Provider {
    async fn charge(&self, amount: u32) -> Result<(), PaymentError> {
        if amount == 0 {
            return Err(PaymentError::Nothing);
        }
        self.charged.fetch_add(amount, Ordering::Relaxed);
        Ok(())
    }
}

struct Mail(&'static str);

#[derive(Debug, PartialEq, Error)]
enum PaymentError {
    #[error("nothing to pay")]
    Nothing,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("payments.take")]
struct TakePayment {
    #[key]
    order: OrderId,
    amount: u32,
}

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event("payment.taken")]
struct PaymentTaken {
    #[tag]
    order: OrderId,
    by: String,
}

#[handler(retry = 2)]
async fn take_payment(
    message: TakePayment,
    Dep(provider): Dep<Provider>,
    cx: Context,
    mail: Dep<Mail>,
) -> Result<PaymentTaken, PaymentError> {
    provider.charge(message.amount).await?;
    let by = format!(
        "{} at attempt {} of {}",
        mail.0.0,
        cx.attempt(),
        cx.idempotency_key()
    );
    Ok(PaymentTaken {
        order: message.order,
        by,
    })
}

/// Handlers take events as well, and need nothing.
#[handler]
async fn note(_: PaymentTaken) -> Result<(), PaymentError> {
    Ok(())
}

fn provided() -> (Dependencies, Arc<Provider>) {
    let provider = Arc::new(Provider::default());
    let mut dependencies = Dependencies::default();
    dependencies.provide(Arc::clone(&provider));
    dependencies.provide(Arc::new(Mail("post")));
    (dependencies, provider)
}

fn sendable<F: Future + Send + 'static>(future: F) -> F {
    future
}

#[test]
fn a_handler_is_tried_once_more_than_it_is_retried() {
    assert_eq!(TakePayment::ATTEMPTS_MAX, 3);
    assert_eq!(
        PaymentTaken::ATTEMPTS_MAX,
        6,
        "five retries unless it says otherwise"
    );
}

#[test]
fn a_handler_says_what_it_needs() {
    assert_eq!(
        TakePayment::needs(),
        [Needs::of::<Provider>(), Needs::of::<Mail>()]
    );
    assert_eq!(PaymentTaken::needs(), []);
    assert!(Dependencies::default().check(&TakePayment::needs()).is_err());
    assert!(provided().0.check(&TakePayment::needs()).is_ok());
}

#[tokio::test]
async fn a_handler_is_given_its_context_and_dependencies() {
    let (dependencies, provider) = provided();
    let message = TakePayment {
        order: order(1),
        amount: 12,
    };
    let answer = sendable(message.clone().handle(context(), dependencies))
        .await
        .unwrap();
    let key = Uuid::from_u128(9);
    assert_eq!(
        answer,
        PaymentTaken {
            order: order(1),
            by: format!("post at attempt 3 of {key}")
        }
    );
    assert_eq!(provider.charged.load(Ordering::Relaxed), 12);
    let direct = take_payment(message, Dep(provider), context(), Dep(Arc::new(Mail("post")))).await;
    assert_eq!(direct.unwrap().order, order(1), "the function stays a function");
}

#[tokio::test]
async fn a_handlers_failure_is_its_own() {
    let (dependencies, provider) = provided();
    let message = TakePayment {
        order: order(1),
        amount: 0,
    };
    assert_eq!(
        message.handle(context(), dependencies.clone()).await,
        Err(PaymentError::Nothing)
    );
    assert_eq!(provider.charged.load(Ordering::Relaxed), 0);
    let taken = PaymentTaken {
        order: order(1),
        by: "post".into(),
    };
    assert_eq!(taken.handle(context(), dependencies).await, Ok(()));
}
