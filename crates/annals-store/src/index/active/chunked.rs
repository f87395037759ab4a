//! A list that grows without moving what it holds.
//!
//! In: values, one by one. Out: the same by their place. A plain vector would copy millions of entries each time it
//! doubles and leave up to half of its memory unused; this one adds a chunk.

/// Values of one chunk.
const CHUNK: usize = 1_024;

#[derive(Debug)]
pub(crate) struct Chunked<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Chunked<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, value: T) {
        if self.len == self.chunks.len() * CHUNK {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[self.len / CHUNK].push(value);
        self.len += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        let value = self.chunks[self.len / CHUNK].pop();
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.pop();
        }
        value
    }

    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        self.chunks.get(place / CHUNK)?.get(place % CHUNK)
    }

    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.chunks.get_mut(place / CHUNK)?.get_mut(place % CHUNK)
    }

    pub(crate) fn last(&self) -> Option<&T> {
        self.get(self.len.checked_sub(1)?)
    }

    /// The first place whose value is not `before`; all that are must come first.
    pub(crate) fn partition_point(&self, before: impl Fn(&T) -> bool) -> usize {
        let full = self
            .chunks
            .partition_point(|chunk| chunk.last().is_some_and(&before));
        let inside = self
            .chunks
            .get(full)
            .map_or(0, |chunk| chunk.partition_point(before));
        (full * CHUNK + inside).min(self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_a_vector_holds() {
        let mut list = Chunked::default();
        for value in 0..3_000_u32 {
            list.push(value * 2);
        }
        assert_eq!(
            (list.len(), list.get(2_999), list.get(3_000)),
            (3_000, Some(&5_998), None)
        );
        for wanted in [0, 1, 2_046, 2_047, 2_048, 2_049, 5_998, 9_999] {
            let expected = (0..3_000).filter(|value| value * 2 < wanted).count();
            assert_eq!(
                list.partition_point(|value| *value < wanted),
                expected,
                "{wanted}"
            );
        }
        while list.len() > 1_024 {
            list.pop();
        }
        assert_eq!((list.last(), list.chunks.len()), (Some(&2_046), 1));
        list.push(7);
        assert_eq!((list.last(), list.get(1_024)), (Some(&7), Some(&7)));
        assert_eq!(Chunked::<u8>::default().pop(), None);
    }
}
