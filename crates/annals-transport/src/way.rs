//! What is on its way: batches that were handed over to a connection, and their outcomes.
//!
//! In: what a client gives for each message it sent. Out: one outcome per message, in the order given.
//!
//! Invariant: nothing leaves over a new connection while a batch that left over the one before has outcomes nobody has
//! seen: it might overtake what has to be sent again.

use std::collections::VecDeque;
use std::sync::Arc;

use annals_core::port::transport::Published;

/// Waits for what became of one message.
pub(crate) trait Confirm: Send + 'static {
    /// Whether it is waited for also behind one that failed: some clients go on sending.
    const ALWAYS: bool = false;

    /// What became of it; or what broke, and then it is unknown, and so is everything behind it.
    fn outcome(self) -> impl Future<Output = Result<Published, String>> + Send;
}

/// A batch that was sent, or is being sent.
pub(crate) struct Batch<C> {
    outcomes: Vec<Published>,
    sent: VecDeque<Result<C, Published>>,
    broken: Option<String>,
    window: usize,
}

impl<C: Confirm> Batch<C> {
    /// Of `count` messages, at most `window` on their way at once.
    pub(crate) fn new(count: usize, window: usize) -> Self {
        Self {
            outcomes: Vec::with_capacity(count),
            sent: VecDeque::with_capacity(count.min(window)),
            broken: None,
            window,
        }
    }

    /// Waits until one more may leave. What broke the connection, if it broke: nothing is to be sent then.
    pub(crate) async fn room(&mut self) -> Option<String> {
        if self.sent.len() >= self.window {
            self.oldest().await;
        }
        self.broken.clone()
    }

    /// One more has left, or has its outcome already.
    pub(crate) fn push(&mut self, sent: Result<C, Published>) {
        self.sent.push_back(sent);
    }

    /// One more could not be sent, and nothing behind it will be.
    pub(crate) fn break_off(&mut self, reason: String) {
        self.sent.push_back(Err(Published::Unknown(reason.clone())));
        self.broken.get_or_insert(reason);
    }

    async fn oldest(&mut self) {
        let Some(sent) = self.sent.pop_front() else { return };
        let outcome = match sent {
            Err(outcome) => outcome,
            Ok(confirm) if self.broken.is_none() || C::ALWAYS => {
                match (confirm.outcome().await, &self.broken) {
                    (Ok(Published::Stored), Some(reason)) => Published::Unknown(reason.clone()),
                    (Ok(outcome), _) => outcome,
                    (Err(reason), _) => {
                        self.broken.get_or_insert_with(|| reason.clone());
                        Published::Unknown(reason)
                    }
                }
            }
            Ok(_) => Published::Unknown(self.broken.clone().unwrap_or_default()),
        };
        self.outcomes.push(outcome);
    }

    /// One outcome per message, and what broke if something did.
    pub(crate) async fn outcomes(mut self) -> (Vec<Published>, Option<String>) {
        while !self.sent.is_empty() {
            self.oldest().await;
        }
        (self.outcomes, self.broken)
    }
}

/// What batches leave over, and whether one is on its way.
pub(crate) struct Held<T> {
    open: Option<T>,
    way: Way,
}

/// Held by each batch on its way, from before it leaves until its outcomes are there.
#[derive(Clone, Default)]
pub(crate) struct Way(Arc<()>);

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self {
            open: None,
            way: Way::default(),
        }
    }
}

impl<T> Held<T> {
    /// What is open, if anything is.
    pub(crate) fn open(&mut self) -> Option<&mut T> {
        self.open.as_mut()
    }

    /// For a batch that is about to leave over what is open.
    pub(crate) fn way(&self) -> Way {
        self.way.clone()
    }

    /// Whether a new connection may be used.
    ///
    /// # Errors
    /// Not yet, and why.
    pub(crate) fn may_open(&self) -> Result<(), String> {
        match Arc::strong_count(&self.way.0) {
            1 => Ok(()),
            _ => Err("what left over a connection that was lost has no outcome yet".into()),
        }
    }

    /// From now on everything leaves over this.
    pub(crate) fn opened(&mut self, open: T) -> &mut T {
        self.way = Way::default();
        self.open.insert(open)
    }

    /// What a batch left over is of no use; another that was opened since is left alone.
    pub(crate) fn give_up(&mut self, way: &Way) -> Option<T> {
        match Arc::ptr_eq(&self.way.0, &way.0) {
            true => self.open.take(),
            false => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers what it was told to.
    struct Told(Result<Published, String>);

    impl Confirm for Told {
        async fn outcome(self) -> Result<Published, String> {
            self.0
        }
    }

    fn unknown(reason: &str) -> Published {
        Published::Unknown(reason.into())
    }

    #[tokio::test]
    async fn nothing_behind_what_broke_counts_as_stored() {
        let mut batch = Batch::new(4, 2);
        for told in [
            Ok(Published::Stored),
            Err("cut".to_owned()),
            Ok(Published::Stored),
        ] {
            assert_eq!(batch.room().await, None);
            batch.push(Ok(Told(told)));
        }
        assert_eq!(batch.room().await.as_deref(), Some("cut"));
        batch.push(Err(Published::Refused("too large".into())));
        let (outcomes, broken) = batch.outcomes().await;
        let expected = [
            Published::Stored,
            unknown("cut"),
            unknown("cut"),
            Published::Refused("too large".into()),
        ];
        assert_eq!(outcomes, expected);
        assert_eq!(broken.as_deref(), Some("cut"));
    }

    #[test]
    fn nothing_new_is_opened_while_something_is_on_its_way() {
        let mut held = Held::default();
        held.opened("first");
        let (one, other) = (held.way(), held.way());
        assert_eq!(held.give_up(&one), Some("first"));
        drop(one);
        assert!(held.may_open().is_err());
        assert_eq!(held.give_up(&other), None);
        drop(other);
        held.may_open().unwrap();
        let old = held.way();
        held.opened("second");
        assert_eq!(held.give_up(&old), None);
        assert_eq!(held.open(), Some(&mut "second"));
    }
}
