//! Names for single things: events, requests; and the port through which new names are made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::Timestamp;

macro_rules! uuid_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID made elsewhere.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The UUID inside.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_name! {
    /// The name of one event or message, unique for ever: a UUIDv7, so that its first bits tell the time.
    ///
    /// Two appends of the same id have one effect.
    EventId
}

uuid_name! {
    /// What everything that follows from one request has in common, across all services.
    CorrelationId
}

/// Where new UUIDs come from. Random in production, seeded in tests.
pub trait IdSource: Send + Sync + 'static {
    /// A new UUIDv7 whose time part is `at`.
    fn next(&self, at: Timestamp) -> Uuid;
}

/// Builds a UUIDv7 from a moment and 80 bits of the caller's randomness (74 are used).
pub fn uuid_v7(at: Timestamp, randomness: [u8; 10]) -> Uuid {
    let millis = u64::try_from(at.as_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &randomness).into_uuid()
}
