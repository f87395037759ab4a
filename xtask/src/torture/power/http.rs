//! A small HTTP client over one connection, blocking, with a deadline on every read and write.
//!
//! In: a method, a path, a key, a body. Out: status and document. An error means that it may or may not have had an effect.

use std::{
    io::{self, BufRead, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

/// Asks one server.
pub(crate) struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// Of this address.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: None,
        }
    }

    /// The document at a path; `None` is any answer but 200.
    ///
    /// # Errors
    /// There was no answer, or no document in it.
    pub(crate) fn get(&mut self, path: &str) -> Result<Option<Value>> {
        let (status, value) = self.ask("GET", path, "", "")?;
        Ok((status == 200).then_some(value))
    }

    /// One question.
    ///
    /// # Errors
    /// There was no answer, or no document in it: it is not known what happened.
    pub(crate) fn ask(&mut self, method: &str, path: &str, key: &str, body: &str) -> Result<(u16, Value)> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(self.address)?,
        };
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        if !key.is_empty() {
            request += &format!("idempotency-key: {key}\r\n");
        }
        request += &format!(
            "content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.get_mut().write_all(request.as_bytes())?;
        let (status, length) = head(&mut connection)?;
        let mut bytes = vec![0; length];
        connection.read_exact(&mut bytes)?;
        self.connection = Some(connection);
        Ok((
            status,
            serde_json::from_slice(&bytes).context("the answer is no JSON")?,
        ))
    }
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

/// Status and length of an answer. A node tells the length of whatever is asked here.
fn head(from: &mut impl BufRead) -> Result<(u16, usize)> {
    let status = line(from)?;
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut length = None;
    loop {
        let header = line(from)?.to_ascii_lowercase();
        match header.split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().ok(),
            Some(_) => {}
            None => break,
        }
    }
    status.zip(length).context("an answer without status or length")
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 || !line.ends_with('\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::head;

    #[test]
    fn a_head_gives_status_and_length() {
        let text = "HTTP/1.1 201 Created\r\nDate: now: then\r\nContent-Length: 12\r\n\r\n";
        assert_eq!(head(&mut text.as_bytes()).unwrap(), (201, 12));
        assert!(head(&mut "HTTP/1.1 201 Created\r\n\r\n".as_bytes()).is_err());
        assert!(head(&mut "HTTP/1.1 201".as_bytes()).is_err());
    }
}
