//! Places: of an event in a store, and of an event among those of one tag.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! place {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The first place.
            pub const ZERO: Self = Self(0);
            /// Beyond every place; as the end of a range it means "no end".
            pub const MAX: Self = Self(u64::MAX);

            /// The place with this number.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The number of this place.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The place that follows.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// The place `count` further on.
            #[must_use]
            pub const fn plus(self, count: u64) -> Self {
                Self(self.0.saturating_add(count))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

place! {
    /// An event's place in a store: 0, 1, 2, … without holes, never reused.
    ///
    /// Ranges are half open, as everywhere in Rust: `from` is included, `to` is not. The *end* of a store is the
    /// position its next event will get.
    Position
}

place! {
    /// An event's place among the events of one tag in one store: 0, 1, 2, … without holes.
    Revision
}
