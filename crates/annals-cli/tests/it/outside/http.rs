//! A small HTTP client over one kept connection, blocking, with a deadline on every read and write.
//!
//! In: a method, a path, headers, a body. Out: an answer, or that nobody knows what happened.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Its document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Asks one server.
pub(crate) struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// Of an address such as `http://127.0.0.1:4000`.
    #[track_caller]
    pub(crate) fn new(url: &str) -> Self {
        let address = url.strip_prefix("http://").and_then(|rest| rest.parse().ok());
        let address = address.unwrap_or_else(|| panic!("{url} is no address"));
        Self {
            address,
            connection: None,
        }
    }

    /// The document at a path.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Value {
        let answer = self
            .ask("GET", path, &[], "")
            .unwrap_or_else(|error| panic!("GET {path}: {error}"));
        assert_eq!(
            answer.status,
            200,
            "GET {path}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.json()
    }

    /// One question. An error means that it may or may not have had an effect.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Answer> {
        let outcome = self.try_ask(method, path, headers, body);
        if outcome.is_err() {
            self.connection = None;
        }
        outcome
    }

    fn try_ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(self.address)?,
        };
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!(
            "content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
        connection.get_mut().write_all(head.as_bytes())?;
        let (answer, keeps) = read(&mut connection)?;
        if keeps {
            self.connection = Some(connection);
        }
        Ok(answer)
    }
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

/// The answer, and whether the connection can be used again.
fn read(from: &mut impl BufRead) -> io::Result<(Answer, bool)> {
    let status = line(from)?;
    let status = status
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| wrong("no status"))?;
    let (mut length, mut chunked, mut keeps) = (0, false, true);
    loop {
        let header = line(from)?.to_ascii_lowercase();
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        match (name, value.trim()) {
            ("content-length", value) => length = value.parse().map_err(|_| wrong("no length"))?,
            ("transfer-encoding", value) => chunked = value == "chunked",
            ("connection", "close") => keeps = false,
            _ => {}
        }
    }
    let body = if chunked {
        chunks(from)?
    } else {
        bytes(from, length)?
    };
    Ok((Answer { status, body }, keeps))
}

fn chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = usize::from_str_radix(&line(from)?, 16).map_err(|_| wrong("no size of a chunk"))?;
        body.extend(bytes(from, size)?);
        line(from)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn bytes(from: &mut impl BufRead, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 || !line.ends_with('\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
