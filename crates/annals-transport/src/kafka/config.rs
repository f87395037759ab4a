//! The address, the names on the broker, and what the client is told.

use rdkafka::ClientConfig;
use thiserror::Error;

/// What the names of our topics and groups begin with.
pub(super) const PREFIX: &str = "annals.";
/// The largest record, above the largest message with all it carries.
pub(super) const RECORD_BYTES_MAX: &str = "8388608";

/// An address that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An option that is none, or no number where there has to be one.
    #[error("expected partitions=NUMBER or replication=NUMBER behind the question mark, found {0:?}")]
    Option(String),
    /// There is somebody before the `@` who has no password. The text is not repeated: it may be one.
    #[error("expected kafka://USER:PASSWORD@HOST:PORT,HOST:PORT, found no colon before the `@`")]
    Login,
}

/// Where the brokers are, who we are, and how topics are made. Never printed: it may hold a password.
#[derive(Clone)]
pub(super) struct Config {
    servers: String,
    /// User and password, if any.
    login: Option<(String, String)>,
    pub(super) partitions: i32,
    /// The broker's own default where nothing is said.
    pub(super) replication: i32,
}

impl Config {
    pub(super) fn read(url: &str) -> Result<Self, ConfigError> {
        let rest = url.strip_prefix("kafka://").unwrap_or(url);
        let (login, rest) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((login, rest)) => {
                let (user, password) = login.split_once(':').ok_or(ConfigError::Login)?;
                (Some((user.to_owned(), password.to_owned())), rest)
            }
        };
        let (servers, options) = rest.split_once('?').unwrap_or((rest, ""));
        let mut config = Self {
            servers: servers.to_owned(),
            login,
            partitions: 6,
            replication: -1,
        };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let bad = || ConfigError::Option(option.to_owned());
            let (name, value) = option.split_once('=').ok_or_else(bad)?;
            let number: i32 = value.parse().ok().filter(|number| *number > 0).ok_or_else(bad)?;
            match name {
                "partitions" => config.partitions = number,
                "replication" => config.replication = number,
                _ => return Err(bad()),
            }
        }
        Ok(config)
    }

    /// Whether the address says who we are.
    pub(super) fn has_login(&self) -> bool {
        self.login.is_some()
    }

    pub(super) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.servers)
            .set("client.id", "annals")
            .set("reconnect.backoff.ms", "250")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.timeout.ms", "10000");
        if let Some((user, password)) = &self.login {
            client
                .set("security.protocol", "sasl_plaintext")
                .set("sasl.mechanisms", "PLAIN")
                .set("sasl.username", user)
                .set("sasl.password", password);
        }
        client
    }

    /// Idempotent, acknowledged by all replicas, keys where Java clients put them.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut client = self.client();
        client
            .set("enable.idempotence", "true")
            // A message that fails is not overtaken: the producer stops instead, and is made anew.
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            .set("linger.ms", "2")
            .set("message.timeout.ms", "15000")
            .set("message.max.bytes", RECORD_BYTES_MAX)
            .set("partitioner", "murmur2_random");
        client
    }

    /// Commits what we say is finished, and nothing else.
    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut client = self.client();
        client
            .set("group.id", format!("{PREFIX}{group}"))
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "500")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("isolation.level", "read_committed")
            .set("session.timeout.ms", "10000")
            .set("max.poll.interval.ms", "1800000")
            .set("topic.metadata.refresh.interval.ms", "5000")
            .set("allow.auto.create.topics", "false")
            // Of one partition at once; a longer record comes all the same. With more, one partition runs far ahead of the
            // others, and ids that are as old as files of the index have to be looked for there.
            .set("fetch.message.max.bytes", "1048576")
            // Bytes bound what waits here, not messages; and when some of it was taken, more is fetched at once and not
            // after a second.
            .set("queued.max.messages.kbytes", "16384")
            .set("fetch.queue.backoff.ms", "5");
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_say_how_topics_are_made() {
        let config = Config::read("kafka://a:1,b:2?partitions=12&replication=3").unwrap();
        assert_eq!(
            (config.servers.as_str(), config.partitions, config.replication),
            ("a:1,b:2", 12, 3)
        );
        let config = Config::read("kafka://ann:p@ss:word@a:1,b:2?partitions=3").unwrap();
        assert_eq!(
            (config.servers.as_str(), config.partitions, config.login),
            ("a:1,b:2", 3, Some(("ann".into(), "p@ss:word".into())))
        );
        let error = Config::read("kafka://secret@a").err().unwrap();
        assert!(!error.to_string().contains("secret"), "{error}");
        for bad in [
            "kafka://a?partitions=0",
            "kafka://a?colour=red",
            "kafka://a?partitions",
        ] {
            assert!(Config::read(bad).is_err(), "{bad}");
        }
    }
}
