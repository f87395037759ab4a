use std::time::{Duration, Instant};

use annals_server::server::BindError;
use annals_server::{Server, ServerOptions};
use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Node, loopback};

#[tokio::test]
async fn an_address_others_can_reach_is_refused_unless_said_to_be_insecure() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let refused = Server::bind(everywhere, Router::new(), ServerOptions::default())
        .await
        .map(drop)
        .unwrap_err();
    assert!(matches!(refused, BindError::Remote { .. }), "{refused}");
    assert!(
        refused
            .to_string()
            .contains("insecure_allow_remote_without_authentication"),
        "{refused}"
    );
    let insecure = ServerOptions {
        insecure_allow_remote_without_authentication: true,
        ..ServerOptions::default()
    };
    Server::bind(everywhere, Router::new(), insecure)
        .await
        .unwrap()
        .shutdown()
        .await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let node = Node::start().await;
    let taken = Server::bind(node.address(), Router::new(), ServerOptions::default())
        .await
        .map(drop)
        .unwrap_err();
    assert!(taken.to_string().contains(&node.address().to_string()), "{taken}");
}

#[tokio::test]
async fn slow_heads_and_idle_connections_are_closed_and_do_not_lock_others_out() {
    let options = ServerOptions {
        connections_max: 8,
        header_deadline: Duration::from_millis(300),
        ..ServerOptions::default()
    };
    let node = Node::with(|api| api, options).await;
    let mut slow = Vec::new();
    for number in 0..40 {
        let mut socket = TcpStream::connect(node.address()).await.unwrap();
        if number % 2 == 0 {
            socket.write_all(b"GET /livez HT").await.unwrap();
        }
        slow.push(socket);
    }
    // Forty slow sockets over eight places: five deadlines, then this one's turn.
    let got = tokio::time::timeout(Duration::from_secs(10), node.get("/livez"))
        .await
        .unwrap();
    assert_eq!(got.status, 200);
    for mut socket in slow {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the server closes it");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let node = Node::start().await;
    let fits = "x".repeat(8_000);
    assert_eq!(node.get_with("/livez", &[("x-long", &fits)]).await.status, 200);
    let long = "x".repeat(20_000);
    assert_eq!(node.get_with("/livez", &[("x-long", &long)]).await.status, 431);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    let big = Router::new().route("/big", get(|| async { vec![b'x'; 64 << 20] }));
    let options = ServerOptions {
        write_deadline: Duration::from_millis(300),
        ..ServerOptions::default()
    };
    let server = Server::bind(loopback(), big, options).await.unwrap();
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket
        .write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut taken = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut taken)).await;
    assert!(ended.is_ok(), "the server closes it");
    assert!(taken.len() < 64 << 20, "{}", taken.len());
}

#[tokio::test]
async fn a_stop_answers_what_is_under_way_and_takes_nothing_new() {
    let (entered, mut inside) = tokio::sync::mpsc::channel(1);
    let work = move || async move {
        entered.send(()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        "done"
    };
    let node = Node::with(
        |api| {
            api.merge(
                Router::new().route("/work", get(work)),
                utoipa::openapi::OpenApiBuilder::new().build(),
            )
        },
        ServerOptions::default(),
    )
    .await;
    let address = node.address();
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(b"GET /work HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    inside.recv().await.unwrap();
    let stopped = node.server.shutdown().await;
    assert_eq!(stopped.cut, 0);
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"),
        "{answer}"
    );
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let options = ServerOptions {
        stop_deadline: Duration::from_millis(200),
        ..ServerOptions::default()
    };
    let hang = || async { std::future::pending::<&'static str>().await };
    let node = Node::with(
        |api| {
            api.merge(
                Router::new().route("/hang", get(hang)),
                utoipa::openapi::OpenApiBuilder::new().build(),
            )
        },
        options,
    )
    .await;
    let mut socket = TcpStream::connect(node.address()).await.unwrap();
    socket
        .write_all(b"GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    assert_eq!(node.server.shutdown().await.cut, 1);
    assert!(begun.elapsed() < Duration::from_secs(5));
}
