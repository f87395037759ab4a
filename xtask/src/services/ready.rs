//! Whether a server answers: one question in its own protocol.
//!
//! In: a port on loopback. Out: yes, or why not yet. A connection is opened for each question and closed after it.
//! Invariant: no question takes longer than [`ANSWER_WITHIN`]. It knows no process.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use super::table::Server;

/// Longest wait for a connection, and for each part of an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Asks for the header of AMQP 0.9.1; the answer is a frame that begins the negotiation.
const AMQP_0_9_1: &[u8] = b"AMQP\x00\x00\x09\x01";
/// Asks for authentication in AMQP 1.0; the answer is a header too.
const AMQP_1_0: &[u8] = b"AMQP\x03\x01\x00\x00";
/// Kafka's `Metadata`, version 8, for no topic: which brokers are there. A broker that has not joined yet names
/// none.
const KAFKA_METADATA: &[u8] = &[
    0, 0, 0, 17, // bytes that follow
    0, 3, 0, 8, // what is asked, in which version
    0, 0, 0, 1, // number of the question
    255, 255, // no client's name
    0, 0, 0, 0, // no topics
    0, 0, 0, // create none, tell no permissions
];
/// The path at which an S3 gateway is to say that it is well.
pub(super) const S3_HEALTH: &str = "/health";
/// Asks there, without a signature.
const S3_QUESTION: &[u8] = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
/// How the answer begins.
const S3_WELL: &[u8] = b"HTTP/1.1 200";
/// Bytes of the answer up to the number of brokers.
const KAFKA_ANSWER: usize = 16;

/// Asks the server at `port`.
pub(super) fn ask(server: Server, port: u16) -> Result<(), String> {
    let answer = match server {
        Server::RabbitMq => exchange(port, AMQP_0_9_1, 1).map(|answer| answer == [1]),
        Server::ActiveMq | Server::Artemis => exchange(port, AMQP_1_0, 4).map(|answer| answer == b"AMQP"),
        Server::Kafka => exchange(port, KAFKA_METADATA, KAFKA_ANSWER).map(|answer| brokers(&answer) > 0),
        Server::Nats => greeting(port).map(|line| line.contains("\"jetstream\":true")),
        Server::S3 => exchange(port, S3_QUESTION, S3_WELL.len()).map(|answer| answer == S3_WELL),
    };
    match answer {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!(
            "port {port} answers, but not as {server} does when it is ready"
        )),
        Err(error) => Err(format!("port {port} does not answer: {error}")),
    }
}

/// The first of these ports that somebody listens on.
pub(super) fn taken(ports: &[u16]) -> Option<u16> {
    let taken = |port: u16| {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
    };
    ports.iter().copied().find(|port| taken(*port))
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    Ok(stream)
}

fn exchange(port: u16, question: &[u8], answer_bytes: usize) -> io::Result<Vec<u8>> {
    let mut stream = connect(port)?;
    stream.write_all(question)?;
    let mut answer = vec![0; answer_bytes];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// The line with which a NATS server greets.
fn greeting(port: u16) -> io::Result<String> {
    let mut stream = connect(port)?;
    let mut line = Vec::new();
    let mut part = [0; 512];
    while !line.contains(&b'\n') && line.len() < 8192 {
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(&part[..read]);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// The number of brokers in an answer of Kafka.
fn brokers(answer: &[u8]) -> i32 {
    answer.last_chunk().map_or(0, |count| i32::from_be_bytes(*count))
}

#[cfg(test)]
mod tests;
