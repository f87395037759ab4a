//! Nodes that hear of each other over a broker.

use std::sync::Arc;
use std::time::Duration;

use annals::{Place, Service, World};
use annals_server::presence::State;
use annals_server::{Claim, Node};
use annals_store::MemoryStore;
use annals_transport::embedded::EmbeddedBroker;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// Longer than a newcomer has to wait for answers.
const SOON: Duration = Duration::from_secs(10);

async fn node(name: &'static str, broker: &EmbeddedBroker, folder: &std::path::Path) -> Node {
    let claim = Claim::take(folder.join(name)).unwrap();
    let world = World::default();
    let place = Place {
        store: Arc::new(MemoryStore::new()),
        transport: Arc::new(broker.clone()),
        world: world.clone(),
        journal: None,
    };
    let service = Service::builder(name)
        .listens_to("orders")
        .start(place)
        .await
        .unwrap();
    let services = vec![service];
    let api = claim.api(world, &services);
    let at = "127.0.0.1:0".parse().unwrap();
    claim.serve(api, services, at, "1.2.3").await.unwrap()
}

/// What a node says of all services.
async fn nodes(node: &Node) -> Vec<Value> {
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    let ask = format!(
        "GET /nodes HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        node.address()
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

/// Waits until a node knows of these services and no other, and says what it knows.
async fn knows(node: &Node, expected: &[&str]) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let found = nodes(node).await;
        if found
            .iter()
            .map(|one| one["service"].as_str().unwrap())
            .eq(expected.iter().copied())
        {
            return found;
        }
        assert!(began.elapsed() < SOON, "expected {expected:?}, found {found:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn nodes_hear_of_each_other_and_of_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::default();
    let broker = EmbeddedBroker::new(Arc::new(MemoryStore::new()), world.clock);
    let first = node("billing", &broker, folder.path()).await;
    let alone = knows(&first, &["billing"]).await;
    assert_eq!(alone[0]["version"], "1.2.3");
    assert_eq!(alone[0]["address"], first.address().to_string());
    assert_eq!(
        alone[0]["hears"],
        serde_json::json!(["billing.commands", "orders"])
    );
    assert_eq!(alone[0]["stale"], false);

    let second = node("parcels", &broker, folder.path()).await;
    knows(&second, &["billing", "parcels"]).await;
    let both = knows(&first, &["billing", "parcels"]).await;
    let states: Vec<State> = both
        .iter()
        .map(|one| serde_json::from_value(one["state"].clone()).unwrap())
        .collect();
    assert_eq!(states, [State::Ready, State::Ready]);

    second.stop().await;
    knows(&first, &["billing"]).await;
    first.stop().await;
}
