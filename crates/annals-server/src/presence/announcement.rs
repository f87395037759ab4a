//! What is said: "here is a service", and "who is there?".
//!
//! In: words of a node. Out: JSON on a broadcast channel, and back. Whatever others say is checked against limits: a
//! table of services must not grow because somebody is rude.

use std::net::SocketAddr;
use std::time::Duration;

use annals_core::time::Timestamp;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use thiserror::Error;
use utoipa::ToSchema;
use uuid::Uuid;

/// The channel on which nodes speak.
pub const CHANNEL: &str = "nodes";
/// An announcement holds for so long after it was heard.
pub const LEASE: Duration = Duration::from_secs(15);
/// Of one announcement; the transports take 64 KiB.
const BYTES_MAX: usize = 60 << 10;
/// Of a name, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It has not been ready yet.
    Starting,
    /// Send it work.
    Ready,
    /// It was ready and is not just now.
    Troubled,
    /// It finishes what it has and takes nothing new.
    Draining,
    /// It has ended.
    Gone,
}

/// A service says that it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Announcement {
    /// Which service: `orders`.
    #[schema(value_type = String)]
    pub service: SmolStr,
    /// Which one of several of its kind; the address unless somebody chose a name.
    #[schema(value_type = String)]
    pub instance: SmolStr,
    /// One life of the instance: a UUIDv7 of its start. After a restart it is another and newer one.
    #[schema(value_type = String)]
    pub incarnation: Uuid,
    /// Counts the announcements of one life.
    pub seq: u64,
    /// The version of its program.
    #[schema(value_type = String)]
    pub version: SmolStr,
    /// How it is.
    pub state: State,
    /// Where its HTTP API is. It is what the node was told, never where the announcement came from.
    #[schema(value_type = String)]
    pub address: SocketAddr,
    /// When this life began.
    #[schema(value_type = String)]
    pub started: Timestamp,
    /// The commands it takes.
    pub takes: Vec<String>,
    /// The topics it hears.
    #[schema(value_type = Vec<String>)]
    pub hears: Vec<SmolStr>,
    /// The topics to which it publishes.
    #[schema(value_type = Vec<String>)]
    pub publishes: Vec<SmolStr>,
    /// How long this holds after it was heard, in milliseconds, 1,000 to 300,000.
    pub lease_ms: u64,
}

impl Announcement {
    /// How long it holds after it was heard.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms.clamp(1_000, 300_000))
    }
}

/// What is said on the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// A service is there.
    Here(Box<Announcement>),
    /// Somebody is new and asks; everybody answers within a second.
    WhoIsThere,
}

/// What was said makes no sense. It is passed over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BadAnnouncement {
    /// It is longer than any honest one.
    #[error("expected at most {BYTES_MAX} bytes, found {0}")]
    Long(usize),
    /// It is not what nodes say.
    #[error("expected what nodes say as JSON: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A service or an instance has no name, or one that is too long.
    #[error("expected a name of 1 to {NAME_BYTES_MAX} bytes, found {0}")]
    Name(usize),
}

impl Said {
    /// As bytes. What a service takes and hears is left out where it would be too long to be said.
    pub fn encode(&self) -> Bytes {
        let bytes = encoded(self);
        if bytes.len() <= BYTES_MAX {
            return bytes;
        }
        match self.clone() {
            Self::Here(announcement) => encoded(&Self::Here(Box::new(Announcement {
                takes: Vec::new(),
                hears: Vec::new(),
                publishes: Vec::new(),
                ..*announcement
            }))),
            other => encoded(&other),
        }
    }

    /// From bytes that anybody may have sent.
    ///
    /// # Errors
    /// [`BadAnnouncement`]: pass over it.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadAnnouncement> {
        if bytes.len() > BYTES_MAX {
            return Err(BadAnnouncement::Long(bytes.len()));
        }
        let said = serde_json::from_slice(bytes)?;
        if let Self::Here(announcement) = &said {
            for name in [&announcement.service, &announcement.instance] {
                if name.is_empty() || name.len() > NAME_BYTES_MAX {
                    return Err(BadAnnouncement::Name(name.len()));
                }
            }
        }
        Ok(said)
    }
}

fn encoded(said: &Said) -> Bytes {
    serde_json::to_vec(said)
        .expect("an announcement is made of words and numbers")
        .into()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn announcement(service: &str, incarnation: u128, seq: u64) -> Announcement {
        Announcement {
            service: service.into(),
            instance: "127.0.0.1:4000".into(),
            incarnation: Uuid::from_u128(incarnation),
            seq,
            version: "0.1.0".into(),
            state: State::Ready,
            address: "127.0.0.1:4000".parse().unwrap(),
            started: Timestamp::EPOCH,
            takes: vec!["orders.place".into()],
            hears: vec!["payments".into()],
            publishes: vec![service.into()],
            lease_ms: 15_000,
        }
    }

    #[test]
    fn what_is_said_is_understood() {
        for said in [Said::Here(announcement("orders", 1, 7).into()), Said::WhoIsThere] {
            assert_eq!(Said::decode(&said.encode()).unwrap(), said);
        }
        let mut talkative = announcement("orders", 1, 7);
        talkative.takes = (0..10_000).map(|n| format!("orders.command-{n}")).collect();
        let Said::Here(shorter) = Said::decode(&Said::Here(talkative.clone().into()).encode()).unwrap()
        else {
            panic!("it is an announcement");
        };
        assert!(shorter.takes.is_empty());
        assert_eq!((shorter.service, shorter.seq), (talkative.service, talkative.seq));
    }

    #[test]
    fn rubbish_is_passed_over() {
        let nameless = Said::Here(announcement("", 1, 1).into()).encode();
        for rubbish in [
            &b"\xff\x00"[..],
            b"{}",
            b"\"hello\"",
            &nameless,
            &vec![b' '; 70_000],
        ] {
            assert!(Said::decode(rubbish).is_err());
        }
    }

    #[test]
    fn a_lease_has_limits() {
        let mut greedy = announcement("orders", 1, 1);
        greedy.lease_ms = u64::MAX;
        assert_eq!(greedy.lease(), Duration::from_secs(300));
        greedy.lease_ms = 0;
        assert_eq!(greedy.lease(), Duration::from_secs(1));
    }
}
