//! Messages that annals did not make: by the usual client of each broker, in ways that others write.

use std::sync::Arc;

use annals_core::port::transport::{Transport, UNDECODABLE};

use super::kit::{TOPIC, declare, done, fresh, inside, join, message, publish, take, url};

/// What another program sends: headers, a content type, bytes.
struct Raw {
    headers: Vec<(String, &'static str)>,
    content_type: Option<&'static str>,
    body: &'static [u8],
}

/// What CloudEvents calls attributes, named as this broker's binding names them.
fn attributes(server: &str) -> Vec<(String, &'static str)> {
    let prefix = match server {
        "activemq" | "artemis" => "cloudEvents_",
        "nats" => "ce-",
        _ => "ce_",
    };
    let attributes = [
        ("specversion", "1.0"),
        ("id", "A-1"),
        ("source", "/shop"),
        ("type", "com.example.sold"),
    ];
    let named = attributes.map(|(name, value)| (format!("{prefix}{name}"), value));
    named.into()
}

/// Foreign events are read in binary and in structured mode; other bytes are kept as they are, and disturb nobody.
pub(super) async fn foreign(server: &'static str) {
    let namespace = fresh("foreign");
    let transport: Arc<dyn Transport> = inside(server, &namespace);
    declare(&*transport, "one").await;
    // Where topics are made by whoever publishes first, that is us.
    publish(&*transport, vec![message(1, 1, b"1".to_vec())]).await;
    let structured =
        br#"{"specversion":"1.0","id":"A-2","source":"/shop","type":"com.example.paid","data":{"a":1}}"#;
    let raws = [
        Raw {
            headers: Vec::new(),
            content_type: None,
            body: &[0xff, 0x00, 0x01, 0xfe],
        },
        Raw {
            headers: attributes(server),
            content_type: Some("application/json"),
            body: br#"{"b":2}"#,
        },
        Raw {
            headers: Vec::new(),
            content_type: Some("application/cloudevents+json; charset=utf-8"),
            body: structured,
        },
    ];
    for raw in raws {
        match server {
            "rabbitmq" => rabbitmq(&namespace, raw).await,
            "kafka" => kafka(&namespace, raw).await,
            "nats" => nats(&namespace, raw).await,
            _ => activemq(server, &namespace, raw).await,
        }
    }
    let mut consumer = join(&*transport, "one").await;
    let taken = take(&mut *consumer, 4).await;
    let found = |event_type: &str| {
        let mut found = taken
            .iter()
            .filter(|one| one.message.event.event_type.as_str() == event_type);
        let one = found
            .next()
            .unwrap_or_else(|| panic!("no {event_type} in {taken:?}"));
        assert!(found.next().is_none(), "more than one {event_type}");
        one.message.event.data.clone()
    };
    assert_eq!(found("thing.happened"), &b"1"[..]);
    assert_eq!(found(UNDECODABLE.as_str()), &[0xff, 0x00, 0x01, 0xfe][..]);
    assert_eq!(found("com.example.sold"), &br#"{"b":2}"#[..]);
    assert_eq!(found("com.example.paid"), &br#"{"a":1}"#[..]);
    assert!(taken.iter().all(|one| one.message.topic == TOPIC));
    done(taken).await;
}

async fn rabbitmq(namespace: &str, raw: Raw) {
    use lapin::options::BasicPublishOptions;
    use lapin::types::{AMQPValue, FieldTable};
    let properties = lapin::ConnectionProperties::default();
    let connection = lapin::Connection::connect(&url("rabbitmq"), properties)
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(Default::default()).await.unwrap();
    let mut headers = FieldTable::default();
    for (name, value) in raw.headers {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    let mut properties = lapin::BasicProperties::default().with_headers(headers);
    if let Some(content_type) = raw.content_type {
        properties = properties.with_content_type(content_type.into());
    }
    let key = format!("{namespace}.{TOPIC}");
    let sent = channel.basic_publish(
        "annals".into(),
        key.into(),
        BasicPublishOptions::default(),
        raw.body,
        properties,
    );
    let confirmed = sent.await.unwrap().await.unwrap();
    assert!(confirmed.is_ack(), "{confirmed:?}");
}

async fn kafka(namespace: &str, raw: Raw) {
    use rdkafka::message::{Header, OwnedHeaders};
    use rdkafka::producer::{FutureProducer, FutureRecord};
    let mut headers = OwnedHeaders::new();
    let content_type = raw.content_type.map(|value| ("content-type".to_owned(), value));
    for (key, value) in raw.headers.iter().chain(&content_type) {
        headers = headers.insert(Header {
            key,
            value: Some(*value),
        });
    }
    let address = url("kafka");
    let mut client = rdkafka::ClientConfig::new();
    client.set("bootstrap.servers", address.trim_start_matches("kafka://"));
    let producer: FutureProducer = client.create().unwrap();
    let topic = format!("annals.{namespace}.{TOPIC}");
    let record = FutureRecord::<(), [u8]>::to(&topic)
        .headers(headers)
        .payload(raw.body);
    producer.send(record, super::kit::DEADLINE).await.unwrap();
}

async fn nats(namespace: &str, raw: Raw) {
    let client = async_nats::connect(url("nats")).await.unwrap();
    let mut headers = async_nats::HeaderMap::new();
    let content_type = raw.content_type.map(|value| ("content-type".to_owned(), value));
    for (name, value) in raw.headers.iter().chain(&content_type) {
        headers.insert(name.as_str(), *value);
    }
    let jetstream = async_nats::jetstream::new(client);
    let subject = format!("annals.{namespace}.{TOPIC}");
    let sent = jetstream
        .publish_with_headers(subject, headers, raw.body.into())
        .await;
    sent.unwrap().await.unwrap();
}

async fn activemq(server: &str, namespace: &str, raw: Raw) {
    use fe2o3_amqp::types::messaging::{ApplicationProperties, Message, Properties, Target};
    use fe2o3_amqp::types::primitives::{Binary, OrderedMap, SimpleValue, Symbol};
    use fe2o3_amqp::{Connection, Sender, Session};
    let address = url(server);
    let (_, host) = address.split_once("://").unwrap();
    let mut connection = Connection::builder()
        .container_id(fresh("foreign"))
        .sasl_profile(fe2o3_amqp::sasl_profile::SaslProfile::Anonymous)
        .open(&format!("amqp://{host}")[..])
        .await
        .unwrap();
    let mut session = Session::begin(&mut connection).await.unwrap();
    let target = match server {
        "artemis" => Target::builder()
            .address(format!("annals.{namespace}.{TOPIC}"))
            .capabilities(vec![Symbol::from("topic")]),
        _ => Target::builder().address(format!("topic://VirtualTopic.annals.{namespace}.{TOPIC}")),
    };
    let attaching = Sender::builder()
        .name(fresh("foreign"))
        .target(target.build())
        .attach(&mut session);
    let mut sender = attaching.await.unwrap();
    let mut attributes = OrderedMap::new();
    for (name, value) in raw.headers {
        attributes.insert(name, SimpleValue::String(value.to_owned()));
    }
    let mut properties = Properties::builder();
    if let Some(content_type) = raw.content_type {
        properties = properties.content_type(Symbol::from(content_type));
    }
    let message = Message::builder()
        .properties(properties.build())
        .application_properties(ApplicationProperties(attributes))
        .data(Binary::from(raw.body.to_vec()))
        .build();
    let outcome = sender.send(message).await.unwrap();
    assert!(outcome.is_accepted(), "{outcome:?}");
    sender.close().await.unwrap();
    session.end().await.unwrap();
    connection.close().await.unwrap();
}
