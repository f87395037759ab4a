//! The servers that tests may need: names, ports, addresses and pinned versions, all in one place.
//!
//! In: nothing. Out: what is fixed about each server.
//! Invariants: no port is given twice, and all lie below the range from which systems hand out ports by chance.
//! It knows neither how a server is had nor how it is run.

use std::fmt;

use clap::ValueEnum;

/// A server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "lower")]
pub(crate) enum Server {
    /// RabbitMQ, AMQP 0.9.1.
    RabbitMq,
    /// Apache Kafka, one node that is broker and controller.
    Kafka,
    /// ActiveMQ Classic, AMQP 1.0.
    ActiveMq,
    /// ActiveMQ Artemis, AMQP 1.0.
    Artemis,
    /// NATS with JetStream.
    Nats,
    /// Object storage: a gateway that speaks S3 over a folder.
    S3,
}

/// Apache Kafka.
pub(super) const KAFKA: &str = "4.1.0";
/// ActiveMQ Classic.
pub(super) const ACTIVEMQ: &str = "6.1.7";
/// ActiveMQ Artemis.
pub(super) const ARTEMIS: &str = "2.44.0";
/// NATS server.
pub(super) const NATS: &str = "2.15.2";
/// Versity S3 Gateway.
pub(super) const VERSITYGW: &str = "1.8.0";
/// RabbitMQ comes as the system's packages have it; 3.10 and later are known to run. The word names the recipe
/// by which they are unpacked and changes with it.
pub(super) const RABBITMQ: &str = "debian";
/// The logging of the Java servers.
pub(super) const LOG4J: &str = "2.24.3";
/// The part of Maven that copies what a pom names.
pub(super) const MAVEN_COPIER: &str = "3.8.1";
/// Oldest Java that the Java servers run on.
pub(super) const JAVA_MIN: u32 = 17;
/// Oldest Python that the packages run on which services in Python use.
pub(super) const PYTHON_MIN: (u32, u32) = (3, 10);

impl Server {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::RabbitMq,
        Self::Kafka,
        Self::ActiveMq,
        Self::Artemis,
        Self::Nats,
        Self::S3,
    ];

    /// Those that carry messages.
    pub(crate) fn brokers() -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|server| server.is_broker())
            .collect()
    }

    /// Whether it carries messages.
    pub(crate) fn is_broker(self) -> bool {
        self != Self::S3
    }

    /// Its name on the command line, in folders and in the marks of tests.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RabbitMq => "rabbitmq",
            Self::Kafka => "kafka",
            Self::ActiveMq => "activemq",
            Self::Artemis => "artemis",
            Self::Nats => "nats",
            Self::S3 => "s3",
        }
    }

    /// The server of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|server| server.name() == name)
    }

    /// The variable that tells tests where it is.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::RabbitMq => "ANNALS_RABBITMQ_URL",
            Self::Kafka => "ANNALS_KAFKA_URL",
            Self::ActiveMq => "ANNALS_ACTIVEMQ_URL",
            Self::Artemis => "ANNALS_ARTEMIS_URL",
            Self::Nats => "ANNALS_NATS_URL",
            Self::S3 => "ANNALS_S3_URL",
        }
    }

    /// Its ports: first the one for clients, then those that only the server itself needs.
    pub(super) fn ports(self) -> &'static [u16] {
        match self {
            // Nodes among themselves; the daemon that knows their ports.
            Self::RabbitMq => &[21672, 21673, 21674],
            // The controller; a second door, whose clients are told to come back by way of the port above it, where a
            // test may put a proxy. A client of the first door is told the first door, and passes by any proxy. The last is
            // a door for those who say who they are.
            Self::Kafka => &[21692, 21693, 21694, 21696],
            Self::ActiveMq => &[21561],
            // The broker's own protocol.
            Self::Artemis => &[21571, 21572],
            Self::Nats => &[21422],
            Self::S3 => &[21481],
        }
    }

    /// The first word of its address.
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::RabbitMq => "amqp",
            Self::S3 => "http",
            other => other.name(),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::Server;

    #[test]
    fn no_port_is_given_twice_or_by_chance() {
        let mut ports: Vec<u16> = Server::ALL.iter().flat_map(|s| s.ports()).copied().collect();
        let all = ports.len();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), all);
        assert!(ports.iter().all(|port| (1024..32768).contains(port)), "{ports:?}");
    }

    #[test]
    fn a_name_is_the_same_everywhere() {
        for server in Server::ALL {
            assert_eq!(Server::named(server.name()), Some(server));
            assert_eq!(Server::from_str(server.name(), false), Ok(server));
            let variable = format!("ANNALS_{}_URL", server.name().to_uppercase());
            assert_eq!(server.variable(), variable);
        }
        assert_eq!(Server::named("Kafka"), None);
        assert_eq!(Server::ALL.len(), Server::value_variants().len());
    }
}
