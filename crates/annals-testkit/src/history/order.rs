//! The one order that positions give, held against the clock.
//!
//! In: points, each an operation with its place in the order and the moments of its call and return. Out: a pair that the
//! clock contradicts, if there is one; and for any operation without a place, between which ends it may have happened.

/// A place in the order: the append at position p is `2 p + 1`, a read that saw everything before p is `2 p`.
pub(super) type Key = u64;

/// An operation that has a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) key: Key,
    /// Where the log ends once it has happened.
    pub(super) end: u64,
    pub(super) called: u64,
    pub(super) returned: u64,
    /// Which operation.
    pub(super) operation: usize,
}

pub(super) fn append_at(position: u64) -> Key {
    position * 2 + 1
}

pub(super) fn read_to(end: u64) -> Key {
    end * 2
}

/// Points in their order.
pub(super) struct Order {
    points: Vec<Point>,
    /// The latest call among the points up to and with this one: it cannot have happened before.
    called: Vec<u64>,
    /// The earliest return among the points from this one on: it cannot have happened after.
    returned: Vec<u64>,
}

impl Order {
    pub(super) fn of(mut points: Vec<Point>) -> Self {
        points.sort_unstable_by_key(|point| (point.key, point.called));
        let mut called: Vec<u64> = points.iter().map(|point| point.called).collect();
        for at in 1..called.len() {
            called[at] = called[at].max(called[at - 1]);
        }
        let mut returned: Vec<u64> = points.iter().map(|point| point.returned).collect();
        for at in (1..returned.len()).rev() {
            returned[at - 1] = returned[at - 1].min(returned[at]);
        }
        Self {
            points,
            called,
            returned,
        }
    }

    /// Two operations of which the one that is later in the order had returned before the earlier one was called.
    pub(super) fn contradiction(&self) -> Option<(Point, Point)> {
        for earlier in &self.points {
            let later = self.points.partition_point(|point| point.key <= earlier.key);
            let Some(returned) = self.returned.get(later) else {
                break;
            };
            if *returned < earlier.called {
                let later = self.points[later..]
                    .iter()
                    .find(|point| point.returned == *returned)?;
                return Some((*earlier, *later));
            }
        }
        None
    }

    /// The ends of the log that an operation may have met that was called and returned then: nothing before the first had
    /// not happened yet, nothing behind the last had happened already.
    pub(super) fn ends(&self, called: u64, returned: u64, end: u64) -> (u64, u64) {
        // Everything up to the last point that had returned before the call had happened.
        let happened = self.returned.partition_point(|earliest| *earliest < called);
        let low = match happened.checked_sub(1) {
            Some(last) => self.points[last].end,
            None => 0,
        };
        // The first point that was called after the return had not happened, nor had anything behind it.
        let open = self.called.partition_point(|latest| *latest <= returned);
        let high = match self.points.get(open) {
            Some(first) => first.key / 2,
            None => end,
        };
        (low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::{Order, Point, append_at, read_to};

    fn point(key: u64, called: u64, returned: u64) -> Point {
        Point {
            key,
            end: key.div_ceil(2),
            called,
            returned,
            operation: 0,
        }
    }

    #[test]
    fn who_returned_before_another_was_called_comes_first() {
        let good = vec![
            point(append_at(0), 0, 10),
            point(append_at(1), 11, 20),
            point(read_to(1), 5, 12),
        ];
        assert!(Order::of(good).contradiction().is_none());
        let overlapping = vec![point(append_at(1), 0, 10), point(append_at(0), 10, 20)];
        assert!(Order::of(overlapping).contradiction().is_none());
        let turned = vec![point(append_at(1), 0, 9), point(append_at(0), 10, 20)];
        let (earlier, later) = Order::of(turned).contradiction().unwrap();
        assert_eq!((earlier.key, later.key), (append_at(0), append_at(1)));
        // A read that does not see what was acknowledged before it began.
        let stale = vec![point(append_at(0), 0, 9), point(read_to(0), 10, 12)];
        assert!(Order::of(stale).contradiction().is_some());
        // A read that sees what nobody has asked for yet.
        let early = vec![point(read_to(1), 0, 9), point(append_at(0), 10, 12)];
        assert!(Order::of(early).contradiction().is_some());
        // Far apart, with others between them.
        let mut far: Vec<Point> = (1..100)
            .map(|at| point(append_at(at), at * 10, at * 10 + 5))
            .collect();
        far.push(point(append_at(0), 988, 1_000));
        assert!(Order::of(far).contradiction().is_some());
    }

    #[test]
    fn reads_of_one_end_are_in_any_order() {
        let reads = vec![point(read_to(3), 0, 1), point(read_to(3), 10, 11)];
        assert!(Order::of(reads).contradiction().is_none());
    }

    #[test]
    fn what_has_no_place_happened_between_two_ends() {
        let points = (0..10).map(|at| point(append_at(at), at * 10, at * 10 + 15));
        let order = Order::of(points.collect());
        // Called at 36: the appends at 0, 1 and 2 had returned, at 15, 25 and 35. Returned at 44: the one at 4 was called.
        assert_eq!(order.ends(36, 44, 10), (3, 5));
        assert_eq!(order.ends(0, 0, 10), (0, 1));
        assert_eq!(order.ends(1_000, 1_001, 10), (10, 10));
    }
}
