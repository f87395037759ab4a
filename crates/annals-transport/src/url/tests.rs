use super::*;

fn refused(text: &str) -> String {
    text.parse::<BrokerUrl>().unwrap_err().to_string()
}

#[cfg(feature = "embedded")]
#[test]
fn the_embedded_broker_is_the_default_and_is_written_as_it_is_read() {
    for text in ["embedded:", "embedded://", " Embedded: "] {
        assert_eq!(text.parse::<BrokerUrl>(), Ok(BrokerUrl::default()), "{text:?}");
    }
    assert_eq!(BrokerUrl::default().to_string().parse(), Ok(BrokerUrl::Embedded));
    assert_eq!(
        "embedded:/data".parse::<BrokerUrl>(),
        Err(BrokerUrlError::EmbeddedHasNoAddress)
    );
}

#[test]
fn a_broker_that_is_not_built_in_is_named_with_its_feature() {
    let cases = [
        ("amqp://host", "RabbitMQ", "`rabbitmq`"),
        ("kafka://host:9092", "Apache Kafka", "`kafka`"),
        ("activemq://host", "ActiveMQ Classic", "`activemq`"),
        ("artemis://host", "ActiveMQ Artemis", "`activemq`"),
        ("nats://host", "NATS", "`nats`"),
    ];
    for (text, broker, feature) in cases {
        match text.parse::<BrokerUrl>() {
            Ok(url) => assert_eq!(url.to_string(), text),
            Err(error) => {
                let said = error.to_string();
                assert!(said.contains("not part of this build"), "{said}");
                assert!(said.contains(broker) && said.contains(feature), "{said}");
            }
        }
    }
}

#[cfg(feature = "nats")]
#[test]
fn credentials_are_for_the_client_and_not_for_people() {
    let url: BrokerUrl = "NATS://ann:secret@host:4222?x=secret".parse().unwrap();
    assert_eq!(url.to_string(), "nats://host:4222");
    assert!(!format!("{url:?}").contains("secret"));
    let BrokerUrl::Server {
        address, namespace, ..
    } = url
    else {
        panic!("expected a server");
    };
    assert_eq!(namespace, None);
    assert_eq!(address.secret(), "nats://ann:secret@host:4222?x=secret");
    assert!(matches!(
        "nats:".parse::<BrokerUrl>(),
        Err(BrokerUrlError::NoHost { scheme: "nats" })
    ));
}

#[cfg(feature = "nats")]
#[test]
fn a_namespace_is_taken_out_of_the_address() {
    for text in ["nats://host?a=1&namespace=blue", "nats://host?namespace=blue&a=1"] {
        let BrokerUrl::Server {
            address, namespace, ..
        } = text.parse().unwrap()
        else {
            panic!("expected a server");
        };
        assert_eq!(
            (address.secret(), namespace.as_deref()),
            ("nats://host?a=1", Some("blue"))
        );
    }
    assert!(matches!(
        "nats://host?namespace=a.b".parse::<BrokerUrl>(),
        Err(BrokerUrlError::Namespace { .. })
    ));
}

#[test]
fn an_unknown_scheme_lists_what_is_known() {
    let said = refused("redis://host");
    assert!(said.contains("\"redis\""), "{said}");
    for scheme in ["embedded:", "amqp:", "kafka:", "activemq:", "artemis:", "nats:"] {
        assert!(said.contains(scheme), "{said} lacks {scheme}");
    }
}

#[test]
fn a_text_without_a_scheme_is_told_to_have_one() {
    for text in ["", "localhost", ":9092"] {
        assert_eq!(
            text.parse::<BrokerUrl>(),
            Err(BrokerUrlError::NoScheme),
            "{text:?}"
        );
    }
}

#[test]
fn no_error_repeats_a_password() {
    for text in [
        "amqp://me:secret@host",
        "embedded:secret",
        "redis://me:secret@host",
    ] {
        let shown = match text.parse::<BrokerUrl>() {
            Ok(url) => format!("{url} {url:?}"),
            Err(error) => error.to_string(),
        };
        assert!(!shown.contains("secret"), "{text:?}: {shown}");
    }
}
