//! How much the broker holds in memory, whatever waits in its store.

/// Bounds of memory. A group's messages beyond them stay in the store until there is room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Deliveries one consumer may have in hand, handed out and not settled. At least 1.
    pub in_flight_max: usize,
    /// Messages of one group looked at beyond its watermark: waiting, in hand, and settled out of turn. When one key is
    /// held up so long that this many others were settled behind it, the group waits for that key. At least 1.
    pub window_max: usize,
    /// Content of one group held in memory, in bytes; one message more than that is always taken.
    pub held_bytes_max: usize,
}

impl Limits {
    /// The largest window: all its marks must fit into one append.
    pub const WINDOW_MAX: usize = 32_768;

    /// These limits, each inside what is possible.
    pub(super) fn checked(self) -> Self {
        Self {
            in_flight_max: self.in_flight_max.max(1),
            window_max: self.window_max.clamp(1, Self::WINDOW_MAX),
            held_bytes_max: self.held_bytes_max,
        }
    }
}

impl Default for Limits {
    /// 1,024 deliveries in hand per consumer; per group a window of 32,768 messages and 32 MiB.
    fn default() -> Self {
        Self {
            in_flight_max: 1_024,
            window_max: Self::WINDOW_MAX,
            held_bytes_max: 32 << 20,
        }
    }
}
