//! The provider's HTTP interface.
//!
//! | request | answer |
//! |---|---|
//! | `POST /charges {key, order, amount}` | 201 captured, 402 declined; 200 and 402 for a key seen before |
//! | `POST /refunds {key, charge}` | 201; 200 for a key seen before |
//! | `GET /ledger` | the whole ledger as it was when asked, streamed |
//! | `GET /ledger/{order}` | one order's charges and refunds |
//! | `GET /livez` | 200 as long as charges are taken |
//!
//! In come requests, out go answers that are on the disk. What was not carried out is a [`Problem`]: 400 and 413
//! for a request that cannot be, 409 for a key used for something else, 507 for a full ledger, 503 when the
//! ledger has stopped (then what was asked may or may not be on the disk).
//!
//! It does not know connections: a response with [`Silence`] in it is for the server to swallow.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::behaviour::{Behaviour, Manner};
use super::ledger::{Ledger, LedgerError};
use super::protocol::{ChargeRequest, ChargeStatus, NAME_BYTES_MAX, Problem, RefundRequest};

const BODY_BYTES_MAX: usize = 4_096;
const BODY_WAIT_MAX: Duration = Duration::from_secs(10);
const ACCOUNTS_PER_PART: usize = 256;

/// Marks a response that must never be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silence;

/// What all requests share.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) ledger: Ledger,
    pub(super) behaviour: Behaviour,
    /// How many charges may be held back at once; beyond that they are answered promptly.
    pub(super) held: Arc<Semaphore>,
}

/// All routes.
pub(super) fn router(desk: Desk) -> Router {
    Router::new()
        .route("/charges", post(charge))
        .route("/refunds", post(refund))
        .route("/ledger", get(ledger))
        .route("/ledger/{order}", get(account))
        .route("/livez", get(livez))
        .with_state(desk)
}

struct Refusal(StatusCode, Problem);

impl Refusal {
    fn new(status: StatusCode, error: &str, detail: impl ToString) -> Self {
        Self(
            status,
            Problem {
                error: error.to_owned(),
                detail: detail.to_string(),
            },
        )
    }
}

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Self {
        let (status, code) = match error {
            LedgerError::KeyReused => (StatusCode::CONFLICT, "key_reused"),
            LedgerError::TooMuch => (StatusCode::BAD_REQUEST, "too_much"),
            LedgerError::Full => (StatusCode::INSUFFICIENT_STORAGE, "ledger_full"),
            LedgerError::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "ledger_stopped"),
        };
        Self::new(status, code, error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json(self.0, &self.1)
    }
}

async fn charge(State(desk): State<Desk>, request: Request) -> Result<Response, Refusal> {
    let asked: ChargeRequest = read(request).await?;
    named("key", &asked.key)?;
    named("order", &asked.order)?;
    if !asked.amount.is_positive() {
        let detail = format!("expected an amount above zero, found {}", asked.amount);
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "not_positive", detail));
    }
    let behaviour = desk.behaviour;
    let manner = behaviour.manner(&asked.key);
    let held = match manner {
        Manner::Prompt => None,
        _ => Arc::clone(&desk.held).try_acquire_owned().ok(),
    };
    match (manner, held) {
        (Manner::Slow, Some(held)) => slowly(desk, asked, held).await,
        (Manner::Late, Some(_held)) => {
            let (response, first) = charged(&desk, asked).await?;
            wait_if(first, behaviour.late_by).await;
            Ok(response)
        }
        (Manner::Silent, Some(_held)) => {
            let (mut response, first) = charged(&desk, asked).await?;
            wait_if(first, behaviour.silent_for).await;
            if first {
                response.extensions_mut().insert(Silence);
            }
            Ok(response)
        }
        _ => Ok(charged(&desk, asked).await?.0),
    }
}

/// Charges after a while, also when the asker has gone by then.
async fn slowly(desk: Desk, asked: ChargeRequest, held: OwnedSemaphorePermit) -> Result<Response, Refusal> {
    let work = tokio::spawn(async move {
        tokio::time::sleep(desk.behaviour.slow_by).await;
        let charged = charged(&desk, asked).await;
        drop(held);
        charged
    });
    let (response, _) = work.await.map_err(|_| Refusal::from(LedgerError::Stopped))??;
    Ok(response)
}

async fn charged(desk: &Desk, asked: ChargeRequest) -> Result<(Response, bool), Refusal> {
    let declined = desk.behaviour.declines(&asked.key);
    let kept = desk.ledger.charge(asked, declined).await?;
    let status = match kept.answer.status {
        ChargeStatus::Declined => StatusCode::PAYMENT_REQUIRED,
        ChargeStatus::Captured if kept.first => StatusCode::CREATED,
        ChargeStatus::Captured => StatusCode::OK,
    };
    Ok((json(status, &kept.answer), kept.first))
}

/// Only the first answer is held back: who asks again is told.
async fn wait_if(first: bool, time: Duration) {
    if first {
        tokio::time::sleep(time).await;
    }
}

async fn refund(State(desk): State<Desk>, request: Request) -> Result<Response, Refusal> {
    let asked: RefundRequest = read(request).await?;
    named("key", &asked.key)?;
    named("charge", &asked.charge)?;
    let kept = desk.ledger.refund(asked).await?;
    Ok(json(
        if kept.first {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        },
        &kept.answer,
    ))
}

async fn account(State(desk): State<Desk>, Path(order): Path<String>) -> Result<Response, Refusal> {
    match desk.ledger.account(&order) {
        Some(account) => Ok(json(StatusCode::OK, &account)),
        None => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "unknown_order",
            "no charge was ever asked for this order",
        )),
    }
}

async fn livez(State(desk): State<Desk>) -> Result<Response, Refusal> {
    if desk.ledger.is_open() {
        Ok("ok\n".into_response())
    } else {
        Err(LedgerError::Stopped.into())
    }
}

/// Where the streamed ledger goes on.
enum Part {
    Head,
    Orders { from: usize, any: bool },
    Voids { from: usize },
    End,
}

async fn ledger(State(desk): State<Desk>) -> Response {
    let totals = desk.ledger.totals();
    let parts = stream::unfold((desk.ledger, Part::Head), move |(ledger, part)| async move {
        let mut text = Vec::new();
        let next = match part {
            Part::Head => {
                text.extend_from_slice(b"{\"totals\":");
                append(&mut text, &totals);
                text.extend_from_slice(b",\"orders\":[");
                Part::Orders { from: 0, any: false }
            }
            Part::Orders { from, any } => match ledger.accounts(from, ACCOUNTS_PER_PART, totals.entries) {
                Some((accounts, next)) => {
                    listed(&mut text, &accounts, any);
                    Part::Orders {
                        from: next,
                        any: any || !accounts.is_empty(),
                    }
                }
                None => {
                    text.extend_from_slice(b"],\"voids\":[");
                    Part::Voids { from: 0 }
                }
            },
            Part::Voids { from } => {
                let voids = ledger.voids(from, ACCOUNTS_PER_PART, totals.entries);
                listed(&mut text, &voids, from > 0);
                if voids.is_empty() {
                    text.extend_from_slice(b"]}\n");
                    Part::End
                } else {
                    Part::Voids {
                        from: from + voids.len(),
                    }
                }
            }
            Part::End => return None,
        };
        Some((
            Ok::<_, std::convert::Infallible>(Bytes::from(text)),
            (ledger, next),
        ))
    });
    (
        [(header::CONTENT_TYPE, "application/json")],
        Body::from_stream(parts),
    )
        .into_response()
}

fn listed<T: Serialize>(text: &mut Vec<u8>, items: &[T], any: bool) {
    for (place, item) in items.iter().enumerate() {
        if any || place > 0 {
            text.push(b',');
        }
        append(text, item);
    }
}

fn append(text: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(text, value).expect("plain data is written to memory");
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut text = Vec::with_capacity(160);
    append(&mut text, value);
    text.push(b'\n');
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect();
    let body = match tokio::time::timeout(BODY_WAIT_MAX, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("expected at most {BODY_BYTES_MAX} bytes, found more");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail));
        }
        Ok(Err(error)) => return Err(Refusal::new(StatusCode::BAD_REQUEST, "unreadable", error)),
        Err(_) => {
            let detail = format!("expected the whole request within {BODY_WAIT_MAX:?}, found a part");
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "incomplete", detail));
        }
    };
    serde_json::from_slice(&body).map_err(|error| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "not_understood",
            format!("expected the fields as JSON: {error}"),
        )
    })
}

fn named(field: &str, name: &str) -> Result<(), Refusal> {
    if (1..=NAME_BYTES_MAX).contains(&name.len()) {
        return Ok(());
    }
    let detail = format!(
        "expected 1 to {NAME_BYTES_MAX} bytes for {field}, found {}",
        name.len()
    );
    Err(Refusal::new(StatusCode::BAD_REQUEST, "bad_name", detail))
}
