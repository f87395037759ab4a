use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    thread,
};

use super::{KAFKA_METADATA, S3_QUESTION, Server, ask, taken};

/// What is thought of a server that reads `bytes` bytes and answers `answer`.
fn asked(server: Server, bytes: usize, answer: &'static [u8]) -> Result<(), String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut vec![0; bytes]).unwrap();
        stream.write_all(answer).unwrap();
    });
    let result = ask(server, port);
    served.join().unwrap();
    result
}

#[test]
fn a_server_is_ready_when_it_answers_in_its_own_protocol() {
    let one = &[0, 0, 0, 50, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
    asked(Server::Kafka, KAFKA_METADATA.len(), one).unwrap();
    asked(Server::RabbitMq, 8, &[1, 0, 0]).unwrap();
    asked(Server::Artemis, 8, b"AMQP\x03\x01\x00\x00").unwrap();
    asked(Server::ActiveMq, 8, b"AMQP\x00\x01\x00\x00").unwrap();
    asked(Server::Nats, 0, b"INFO {\"jetstream\":true,\"port\":1}\r\n").unwrap();
    asked(Server::S3, S3_QUESTION.len(), b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
}

#[test]
fn another_answer_or_none_is_not_ready() {
    let none = &[0, 0, 0, 50, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    asked(Server::Kafka, KAFKA_METADATA.len(), none).unwrap_err();
    asked(Server::RabbitMq, 8, b"AMQP\x00\x00\x09\x01").unwrap_err();
    asked(Server::Artemis, 8, b"HTTP/1.1 400").unwrap_err();
    asked(Server::Artemis, 8, b"AM").unwrap_err();
    asked(Server::Nats, 0, b"INFO {\"port\":1}\r\n").unwrap_err();
    asked(
        Server::S3,
        S3_QUESTION.len(),
        b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
    )
    .unwrap_err();
    asked(Server::Nats, 0, b"INFO {\"jetstream\":true").unwrap_err();
}

#[test]
fn the_length_of_the_question_is_right() {
    assert_eq!(usize::from(KAFKA_METADATA[3]), KAFKA_METADATA.len() - 4);
}

#[test]
fn a_taken_port_is_named() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(taken(&[port]), Some(port));
    drop(listener);
    assert_eq!(taken(&[port]), None);
    assert_eq!(taken(&[]), None);
}
