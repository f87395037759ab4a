//! A client for the provider.
//!
//! In come charges and refunds with a deadline, out go typed outcomes. A time-out or a lost connection is
//! *unknown*, never a failure: the money may have been taken. Ask again under the same key to find out.
//!
//! It does not retry, and knows no services.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::protocol::{
    Account, Charge, ChargeRequest, ChargeStatus, DeclineReason, Problem, Refund, RefundRequest, Report,
};

/// Idle connections are given up before the provider closes them.
const IDLE_MAX: Duration = Duration::from_secs(20);
const ANSWER_BYTES_MAX: usize = 64 << 10;
const REPORT_BYTES_MAX: usize = 1 << 30;

/// Asks one provider, over at most a given number of connections. Cloning is cheap and shares them.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    base: Arc<str>,
    places: Arc<Semaphore>,
}

/// What became of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeOutcome {
    /// The money was taken.
    Captured,
    /// No money was taken, and none will be under this key.
    Declined {
        /// Why.
        reason: DeclineReason,
    },
    /// Nobody knows: ask again under the same key.
    Unknown {
        /// What got in between.
        doubt: Doubt,
    },
}

/// What became of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundOutcome {
    /// It was carried out; the status says what was done.
    Done(Refund),
    /// Nobody knows: ask again under the same key.
    Unknown {
        /// What got in between.
        doubt: Doubt,
    },
}

/// Why an outcome is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// No answer within the deadline.
    #[error("no answer within {deadline:?}")]
    TimedOut {
        /// How long was waited.
        deadline: Duration,
    },
    /// The connection could not be made, or broke.
    #[error("the connection was lost: {detail}")]
    ConnectionLost {
        /// What the connection said.
        detail: String,
    },
    /// An answer that does not tell what happened.
    #[error("the answer {status} does not tell: {detail}")]
    Unclear {
        /// The HTTP status.
        status: u16,
        /// The answer's beginning.
        detail: String,
    },
}

/// A question that was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The provider refused the request and recorded nothing. Asking the same again is refused again.
    #[error("the provider refused with {status} {code}: {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The provider's stable code.
        code: String,
        /// What it said.
        detail: String,
    },
    /// A look into the ledger was not answered. Look again.
    #[error("the ledger could not be read: {0}")]
    Unknown(Doubt),
}

/// An address that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an address such as http://127.0.0.1:4000, found {found:?}")]
pub struct BadAddress {
    /// The address.
    pub found: String,
}

struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl Client {
    /// A client for the provider at `base`, such as `http://127.0.0.1:4000`, that asks up to `connections_max`
    /// questions at once; more wait, within their deadline.
    ///
    /// # Errors
    ///
    /// [`BadAddress`] if `base` is not the address of an HTTP server.
    pub fn new(base: &str, connections_max: usize) -> Result<Self, BadAddress> {
        let bad = || BadAddress {
            found: base.to_owned(),
        };
        let parsed: hyper::Uri = base.parse().map_err(|_| bad())?;
        if parsed.scheme_str() != Some("http") || parsed.authority().is_none() || parsed.path() != "/" {
            return Err(bad());
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = Http::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(connections_max)
            .build(connector);
        let base = Arc::from(base.trim_end_matches('/'));
        Ok(Self {
            http,
            base,
            places: Arc::new(Semaphore::new(connections_max)),
        })
    }

    /// Asks for a charge.
    ///
    /// # Errors
    ///
    /// [`AskError::Refused`] if nothing was charged because the request cannot be: an amount not above zero, a key
    /// used for something else, a full ledger. Do not ask the same again.
    ///
    /// # Cancel safety
    ///
    /// Cancelled, the outcome is unknown, as after a time-out.
    pub async fn charge(
        &self,
        request: &ChargeRequest,
        deadline: Duration,
    ) -> Result<ChargeOutcome, AskError> {
        let answer = match self.post("/charges", request, deadline).await {
            Ok(answer) => answer,
            Err(doubt) => return Ok(ChargeOutcome::Unknown { doubt }),
        };
        match answer.status {
            StatusCode::OK | StatusCode::CREATED | StatusCode::PAYMENT_REQUIRED => {
                match answer.read::<Charge>() {
                    Ok(Charge {
                        status: ChargeStatus::Captured,
                        ..
                    }) => Ok(ChargeOutcome::Captured),
                    Ok(Charge {
                        reason: Some(reason), ..
                    }) => Ok(ChargeOutcome::Declined { reason }),
                    Ok(_) => Ok(ChargeOutcome::Unknown {
                        doubt: answer.unclear(),
                    }),
                    Err(doubt) => Ok(ChargeOutcome::Unknown { doubt }),
                }
            }
            _ => answer
                .refused()
                .map_or_else(|doubt| Ok(ChargeOutcome::Unknown { doubt }), Err),
        }
    }

    /// Asks for a refund.
    ///
    /// # Errors
    ///
    /// [`AskError::Refused`] if nothing was done because the request cannot be. Do not ask the same again.
    ///
    /// # Cancel safety
    ///
    /// Cancelled, the outcome is unknown, as after a time-out.
    pub async fn refund(
        &self,
        request: &RefundRequest,
        deadline: Duration,
    ) -> Result<RefundOutcome, AskError> {
        let answer = match self.post("/refunds", request, deadline).await {
            Ok(answer) => answer,
            Err(doubt) => return Ok(RefundOutcome::Unknown { doubt }),
        };
        match answer.status {
            StatusCode::OK | StatusCode::CREATED => Ok(answer
                .read()
                .map_or_else(|doubt| RefundOutcome::Unknown { doubt }, RefundOutcome::Done)),
            _ => answer
                .refused()
                .map_or_else(|doubt| Ok(RefundOutcome::Unknown { doubt }), Err),
        }
    }

    /// Reads the whole ledger, up to 1 GiB of it, into memory.
    ///
    /// # Errors
    ///
    /// [`AskError::Unknown`] if no whole answer came within the deadline. Ask again.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is changed.
    pub async fn ledger(&self, deadline: Duration) -> Result<Report, AskError> {
        let answer = self.get("/ledger", deadline).await.map_err(AskError::Unknown)?;
        match answer.status {
            StatusCode::OK => answer.read().map_err(AskError::Unknown),
            _ => Err(answer.refused().unwrap_or_else(AskError::Unknown)),
        }
    }

    /// Reads one order's account; `None` if no charge was ever asked for it. The order's number is made of
    /// letters, digits, `-`, `_` and `.`.
    ///
    /// # Errors
    ///
    /// [`AskError::Unknown`] if no answer came within the deadline. Ask again.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is changed.
    pub async fn account(&self, order: &str, deadline: Duration) -> Result<Option<Account>, AskError> {
        let answer = self
            .get(&format!("/ledger/{order}"), deadline)
            .await
            .map_err(AskError::Unknown)?;
        match answer.status {
            StatusCode::OK => answer.read().map(Some).map_err(AskError::Unknown),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(answer.refused().unwrap_or_else(AskError::Unknown)),
        }
    }

    async fn post(&self, path: &str, value: &impl Serialize, deadline: Duration) -> Result<Answer, Doubt> {
        let body = serde_json::to_vec(value).expect("plain data is written to memory");
        self.ask(Method::POST, path, Bytes::from(body), ANSWER_BYTES_MAX, deadline)
            .await
    }

    async fn get(&self, path: &str, deadline: Duration) -> Result<Answer, Doubt> {
        self.ask(Method::GET, path, Bytes::new(), REPORT_BYTES_MAX, deadline)
            .await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        answer_bytes_max: usize,
        deadline: Duration,
    ) -> Result<Answer, Doubt> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(lost)?;
        let answer = async {
            let _place = self.places.acquire().await.map_err(lost)?;
            let response = self.http.request(request).await.map_err(lost)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), answer_bytes_max)
                .collect()
                .await;
            Ok(Answer {
                status,
                body: body.map_err(|error| lost(&*error))?.to_bytes(),
            })
        };
        tokio::time::timeout(deadline, answer)
            .await
            .unwrap_or(Err(Doubt::TimedOut { deadline }))
    }
}

impl Answer {
    fn read<T: DeserializeOwned>(&self) -> Result<T, Doubt> {
        serde_json::from_slice(&self.body).map_err(|_| self.unclear())
    }

    /// A refusal that says for sure that nothing was recorded.
    fn refused(&self) -> Result<AskError, Doubt> {
        let sure = self.status.is_client_error() || self.status == StatusCode::INSUFFICIENT_STORAGE;
        if !sure {
            return Err(self.unclear());
        }
        let Problem { error: code, detail } = self.read()?;
        Ok(AskError::Refused {
            status: self.status.as_u16(),
            code,
            detail,
        })
    }

    fn unclear(&self) -> Doubt {
        let text = String::from_utf8_lossy(&self.body);
        Doubt::Unclear {
            status: self.status.as_u16(),
            detail: text.trim().chars().take(200).collect(),
        }
    }
}

/// The whole chain of causes: the outermost says only that a request failed.
fn lost(error: impl Error) -> Doubt {
    let mut detail = error.to_string();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(error) = cause {
        fmt::Write::write_fmt(&mut detail, format_args!(": {error}"))
            .expect("a string takes all that is written");
        cause = error.source();
    }
    Doubt::ConnectionLost { detail }
}
