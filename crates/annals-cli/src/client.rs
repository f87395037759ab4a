//! Talks to a node over HTTP/1.1.
//!
//! In: a path, perhaps a body. Out: the answer as a type, a live stream, or a [`Failure`] that says whether the node
//! could not be reached, took too long, or said no. One connection per request: a verb asks a few times and ends. No
//! TLS, because a node has none yet.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exit::Exit;
use crate::failure::{Failure, ProblemDocument};
use crate::identity;
use crate::sse::{Message, Parser};

/// The largest answer that is taken, in bytes.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// A connection is there by then or not at all.
const CONNECT: Duration = Duration::from_secs(5);
/// A live stream gives a sign of life every 15 seconds; three missed ones mean that it is dead.
const SILENCE_MAX: Duration = Duration::from_secs(50);

/// A node, as its clients see it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    authority: String,
    patience: Duration,
}

impl Client {
    /// A client of the node at an address, `http://host:port` or `host:port`.
    pub(crate) fn new(url: &str, patience: Duration) -> Result<Self, Failure> {
        let hint = "a node's address looks like http://127.0.0.1:4000";
        let authority = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some((scheme, _)) => {
                return Err(
                    Failure::usage(format!("expected a node at http://, found {scheme}://")).hint(hint),
                );
            }
            None => url,
        };
        let authority = authority.trim_end_matches('/');
        let port = authority
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse::<u16>().ok());
        if authority.contains(['/', '?', '#', ' ']) || port.is_none_or(|port| port == 0) {
            return Err(
                Failure::usage(format!("expected a node's address with a port, found {url:?}")).hint(hint),
            );
        }
        Ok(Self {
            authority: authority.to_owned(),
            patience,
        })
    }

    /// Its address, to be shown.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Asks for a JSON document.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(self.request(Method::GET, path, Bytes::new())).await
    }

    /// Asks for a JSON document that may not be there.
    pub(crate) async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Failure> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(failure) if failure.exit == Exit::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Sends JSON and takes a JSON answer.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        key: Option<&str>,
        body: Bytes,
    ) -> Result<T, Failure> {
        let mut request = self.request(Method::POST, path, body);
        let headers = request.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/json"),
        );
        if let Some(key) = key {
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
            let value = header::HeaderValue::try_from(quoted).map_err(|_| {
                Failure::usage(format!(
                    "expected an idempotency key of printable ASCII, found {key:?}"
                ))
            })?;
            headers.insert("idempotency-key", value);
        }
        self.json(request).await
    }

    /// Opens a live stream, behind what was seen before.
    pub(crate) async fn live(&self, path: &str, last: Option<&str>) -> Result<Live, Failure> {
        let mut request = self.request(Method::GET, path, Bytes::new());
        let headers = request.headers_mut();
        headers.insert(
            header::ACCEPT,
            header::HeaderValue::from_static("text/event-stream"),
        );
        if let Some(last) = last.and_then(|last| header::HeaderValue::try_from(last).ok()) {
            headers.insert("last-event-id", last);
        }
        let response = self.answer(request).await?;
        if response.status() != StatusCode::OK {
            let status = response.status();
            return Err(problem(status, &self.body(response).await?));
        }
        Ok(Live {
            body: response.into_body(),
            parser: Parser::default(),
            ready: VecDeque::new(),
            client: self.clone(),
        })
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Request<Full<Bytes>> {
        let builder = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.authority);
        builder
            .body(Full::new(body))
            .expect("paths are percent-encoded and the address was checked")
    }

    async fn json<T: DeserializeOwned>(&self, request: Request<Full<Bytes>>) -> Result<T, Failure> {
        let path = request.uri().path().to_owned();
        let response = self.answer(request).await?;
        let status = response.status();
        let body = self.body(response).await?;
        if !status.is_success() {
            return Err(problem(status, &body));
        }
        let body: &[u8] = if body.is_empty() { b"null" } else { &body };
        serde_json::from_slice(body).map_err(|error| {
            let what = format!(
                "{}{path} answered what this program cannot read: {error}",
                self.url()
            );
            Failure::new(Exit::Failed, what).hint("is it an annals node, and of this version?")
        })
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        let connected = timeout(CONNECT.min(self.patience), self.connect()).await;
        let mut sender = connected.map_err(|_| self.unreachable("no connection in time"))??;
        let answered = timeout(self.patience, sender.send_request(request)).await;
        answered
            .map_err(|_| self.late())?
            .map_err(|error| self.unreachable(error))
    }

    async fn connect(&self) -> Result<http1::SendRequest<Full<Bytes>>, Failure> {
        let stream = TcpStream::connect(&self.authority)
            .await
            .map_err(|error| self.unreachable(error))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unreachable(error))?;
        tokio::spawn(async move {
            // What breaks the connection is told to whoever waits for its answer.
            let _told = connection.await;
        });
        Ok(sender)
    }

    async fn body(&self, response: Response<Incoming>) -> Result<Bytes, Failure> {
        let limited = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let collected = timeout(self.patience, limited.collect())
            .await
            .map_err(|_| self.late())?;
        collected.map(|body| body.to_bytes()).map_err(|error| {
            if error.is::<LengthLimitError>() {
                return Failure::new(
                    Exit::Failed,
                    format!("the answer has more than {ANSWER_BYTES_MAX} bytes"),
                );
            }
            self.unreachable(error)
        })
    }

    fn unreachable(&self, why: impl std::fmt::Display) -> Failure {
        Failure::new(Exit::Unreachable, format!("no node answers at {}: {why}", self.url()))
            .hint(format!(
                "start one with `{}`, or say which with --node URL; without a node, event, tail, status and verify read \
                 the data folder",
                identity::start()
            ))
    }

    fn late(&self) -> Failure {
        let seconds = self.patience.as_secs_f64();
        Failure::new(
            Exit::Timeout,
            format!("{} did not answer within {seconds} s", self.url()),
        )
        .hint("wait longer with --timeout; if it was a command, send it again with the same --key")
    }
}

fn problem(status: StatusCode, body: &[u8]) -> Failure {
    match serde_json::from_slice::<ProblemDocument>(body) {
        Ok(problem) => Failure::of_problem(problem, status.as_u16()),
        Err(_) => {
            let text = String::from_utf8_lossy(body);
            let first = text.lines().next().unwrap_or_default();
            Failure::new(
                Exit::Failed,
                format!("expected an answer of an annals node, found {status}: {first}"),
            )
        }
    }
}

/// A stream of server-sent events.
#[derive(Debug)]
pub(crate) struct Live {
    body: Incoming,
    parser: Parser,
    ready: VecDeque<Message>,
    client: Client,
}

impl Live {
    /// The next message; `None` when the node ended the stream.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Message>, Failure> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(message));
            }
            let frame = match timeout(SILENCE_MAX, self.body.frame()).await {
                Err(_) => return Err(self.client.unreachable("it has gone silent")),
                Ok(None) => return Ok(None),
                Ok(Some(frame)) => frame.map_err(|error| self.client.unreachable(error))?,
            };
            if let Some(piece) = frame.data_ref() {
                let whole = self.parser.take(piece);
                self.ready
                    .extend(whole.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?);
            }
        }
    }
}

/// A text as one part of a path or query.
pub(crate) fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Client;
    use crate::exit::Exit;

    #[test]
    fn addresses_are_taken_with_and_without_scheme() {
        for url in [
            "http://127.0.0.1:4000",
            "http://127.0.0.1:4000/",
            "127.0.0.1:4000",
        ] {
            assert_eq!(
                Client::new(url, Duration::from_secs(1)).unwrap().url(),
                "http://127.0.0.1:4000"
            );
        }
        for url in [
            "https://a:1",
            "http://a",
            "http://a:0",
            "http://a:1/path",
            "",
            "a b:1",
        ] {
            let failure = Client::new(url, Duration::from_secs(1)).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{url}");
            assert!(failure.hint.is_some());
        }
    }
}
