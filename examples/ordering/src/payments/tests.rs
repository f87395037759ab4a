use std::sync::Arc;
use std::sync::Mutex;

use annals::core::port::store::BoxFuture;
use annals::{Dep, Model};
use annals_testkit::scenario::{NOW, given};

use super::books::{Payment, PaymentFact};
use super::charge::{Charged, NoAnswer, Payer, Provider, refund_payment, take_payment};
use crate::contract::keys::{CorrectionId, CustomerId, OrderId, ReturnId};
use crate::contract::payments::{
    AdjustBooks, BooksAdjusted, CreditReturn, PaymentDeclined, PaymentRefunded, PaymentTaken, RefundPayment,
    ReturnCredited, TakePayment,
};
use crate::money::Money;

fn money(text: &str) -> Money {
    text.parse().expect("an amount")
}

fn order() -> OrderId {
    OrderId::from("7")
}

#[test]
fn a_return_is_credited_once_whatever_is_asked_again() {
    let credit = |amount| CreditReturn {
        id: ReturnId::from("C1"),
        customer: Some(CustomerId::from("12583")),
        amount: money(amount),
    };
    let credited = ReturnCredited {
        id: ReturnId::from("C1"),
        customer: Some(CustomerId::from("12583")),
        amount: money("12.5"),
    };
    given(())
        .when(credit("12.5"))
        .then(credited)
        .when(credit("12.5"))
        .then_nothing()
        .when(credit("99"))
        .then_nothing();
}

#[test]
fn an_adjustment_is_made_once_and_may_be_negative() {
    let adjust = || AdjustBooks {
        id: CorrectionId::from("A1"),
        amount: money("-1062.06"),
        reason: "Adjust bad debt".to_owned(),
        adjusted: Some(NOW),
    };
    let adjusted = BooksAdjusted {
        id: CorrectionId::from("A1"),
        amount: money("-1062.06"),
        reason: "Adjust bad debt".to_owned(),
    };
    given(())
        .when(adjust())
        .then(adjusted)
        .when(adjust())
        .then_nothing();
}

#[test]
fn the_books_of_an_order_say_what_was_taken_and_given_back() {
    let mut payment = Payment::default();
    payment.apply(&PaymentFact::Taken(PaymentTaken {
        order: order(),
        amount: money("20"),
    }));
    assert_eq!((payment.captured, payment.refunded), (money("20"), Money::ZERO));
    payment.apply(&PaymentFact::Refunded(PaymentRefunded {
        order: order(),
        amount: money("20"),
    }));
    assert_eq!((payment.captured, payment.refunded), (money("20"), money("20")));
}

/// What the provider is asked, and what it says to everything.
struct Scripted {
    charged: Result<Charged, NoAnswer>,
    refunded: Result<Money, NoAnswer>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Provider for Scripted {
    fn charge(&self, key: String, order: OrderId, amount: Money) -> BoxFuture<'_, Result<Charged, NoAnswer>> {
        self.asked
            .lock()
            .unwrap()
            .push(format!("charge {key} {order} {amount}"));
        let answer = self.charged.clone();
        Box::pin(async { answer })
    }

    fn refund(&self, key: String, charge: String) -> BoxFuture<'_, Result<Money, NoAnswer>> {
        self.asked.lock().unwrap().push(format!("refund {key} {charge}"));
        let answer = self.refunded.clone();
        Box::pin(async { answer })
    }
}

fn payer(
    charged: Result<Charged, NoAnswer>,
    refunded: Result<Money, NoAnswer>,
) -> (Dep<Payer>, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let scripted = Scripted {
        charged,
        refunded,
        asked: Arc::clone(&asked),
    };
    (Dep(Arc::new(Payer(Box::new(scripted)))), asked)
}

fn context() -> annals::Context {
    let ids = Arc::new(annals_testkit::seed::SeededIds::new(1));
    annals::Context::new(NOW, 1, ids, annals::Request::default())
}

async fn take(charged: Result<Charged, NoAnswer>) -> (Result<PaymentFact, NoAnswer>, Vec<String>) {
    let (payer, asked) = payer(charged, Ok(Money::ZERO));
    let message = TakePayment {
        order: order(),
        amount: money("20"),
    };
    let outcome = take_payment(message, context(), payer).await;
    let asked = asked.lock().unwrap().clone();
    (outcome, asked)
}

#[tokio::test]
async fn an_order_is_charged_under_its_own_key_whatever_the_message() {
    let (outcome, asked) = take(Ok(Charged::Captured)).await;
    let taken = PaymentTaken {
        order: order(),
        amount: money("20"),
    };
    assert_eq!(outcome, Ok(PaymentFact::Taken(taken)));
    assert_eq!(asked, ["charge charge:7 7 20"]);
}

#[tokio::test]
async fn a_declined_charge_is_news_and_no_failure() {
    let (outcome, _) = take(Ok(Charged::Declined("card_declined".to_owned()))).await;
    let declined = PaymentDeclined {
        order: order(),
        reason: "card_declined".to_owned(),
    };
    assert_eq!(outcome, Ok(PaymentFact::Declined(declined)));
}

#[tokio::test]
async fn no_answer_is_a_failure_that_is_tried_again() {
    let (outcome, _) = take(Err(NoAnswer("timed out".to_owned()))).await;
    assert_eq!(outcome, Err(NoAnswer("timed out".to_owned())));
}

#[tokio::test]
async fn a_refund_names_the_charge_and_says_how_much_came_back() {
    for (given_back, amount) in [(Ok(money("20")), "20"), (Ok(Money::ZERO), "0")] {
        let (payer, asked) = payer(Ok(Charged::Captured), given_back);
        let refunded = refund_payment(RefundPayment { order: order() }, context(), payer).await;
        let expected = PaymentRefunded {
            order: order(),
            amount: money(amount),
        };
        assert_eq!(refunded, Ok(expected));
        assert_eq!(*asked.lock().unwrap(), ["refund refund:7 charge:7"]);
    }
    let (payer, _) = payer(Ok(Charged::Captured), Err(NoAnswer("gone".to_owned())));
    let failed = refund_payment(RefundPayment { order: order() }, context(), payer).await;
    assert_eq!(failed, Err(NoAnswer("gone".to_owned())));
}
