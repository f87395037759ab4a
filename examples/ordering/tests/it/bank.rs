//! A payment provider inside the test: it declines, answers late, answers never, and keeps a ledger.
//!
//! What it does with a charge is a matter of the charge's key, so that the same story is told twice the same way. Time
//! is the runtime's, which in a chain is virtual.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use annals::core::port::store::BoxFuture;
use ordering::contract::keys::OrderId;
use ordering::money::Money;
use ordering::payments::charge::{Charged, NoAnswer, Provider};

/// After so long the asker gives up.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is done with charges under one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mood {
    /// Captured and answered at once.
    Prompt,
    /// Declined at once.
    Declines,
    /// Captured at once, but whoever asks first waits in vain.
    Late,
    /// Captured at once; only the sixth question is answered.
    VeryLate,
    /// Captured at once and never answered.
    Silent,
    /// Neither captured nor answered.
    Deaf,
}

/// One charge, for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) order: String,
    pub(crate) amount: Money,
    pub(crate) captured: Money,
    pub(crate) refunded: Money,
    /// Why it was not captured.
    declined: Option<&'static str>,
    asked: u32,
}

/// The provider; clones share the ledger.
#[derive(Clone, Default)]
pub(crate) struct Bank {
    ledger: Arc<Mutex<BTreeMap<String, Entry>>>,
    moods: Option<u64>,
}

impl Bank {
    /// A bank of all moods.
    pub(crate) fn of_moods(seed: u64) -> Self {
        Self {
            moods: Some(seed),
            ..Self::default()
        }
    }

    /// Every charge by its key.
    pub(crate) fn ledger(&self) -> BTreeMap<String, Entry> {
        self.entries().clone()
    }

    pub(crate) fn mood(&self, key: &str) -> Mood {
        let Some(seed) = self.moods else {
            return Mood::Prompt;
        };
        let start = 0xCBF2_9CE4_8422_2325 ^ seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let hash = key.bytes().fold(start, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        match (hash ^ (hash >> 32)) % 20 {
            0..10 => Mood::Prompt,
            10..13 => Mood::Declines,
            13..15 => Mood::Late,
            15..17 => Mood::VeryLate,
            17..19 => Mood::Silent,
            _ => Mood::Deaf,
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.ledger
            .lock()
            .expect("nobody panics while he holds the ledger")
    }

    /// What becomes of a charge, and whether it is told.
    fn decide(&self, key: &str, order: &OrderId, amount: Money) -> Option<Charged> {
        let mood = self.mood(key);
        let mut entries = self.entries();
        if mood == Mood::Deaf && !entries.contains_key(key) {
            return None;
        }
        let entry = entries.entry(key.to_owned()).or_insert_with(|| Entry {
            order: order.to_string(),
            amount,
            captured: if mood == Mood::Declines {
                Money::ZERO
            } else {
                amount
            },
            refunded: Money::ZERO,
            declined: (mood == Mood::Declines).then_some("card_declined"),
            asked: 0,
        });
        entry.asked += 1;
        let told = match mood {
            Mood::Prompt | Mood::Declines => true,
            Mood::Late => entry.asked > 1,
            Mood::VeryLate => entry.asked > 5,
            // A key that was voided is declined aloud.
            Mood::Silent | Mood::Deaf => entry.declined.is_some(),
        };
        let charged = match entry.declined {
            Some(reason) => Charged::Declined(reason.to_owned()),
            None => Charged::Captured,
        };
        told.then_some(charged)
    }
}

impl Provider for Bank {
    fn charge(&self, key: String, order: OrderId, amount: Money) -> BoxFuture<'_, Result<Charged, NoAnswer>> {
        Box::pin(async move {
            let answer = self.decide(&key, &order, amount);
            let wait = if answer.is_some() {
                Duration::from_millis(30)
            } else {
                PATIENCE
            };
            tokio::time::sleep(wait).await;
            answer.ok_or_else(|| NoAnswer("it is silent".to_owned()))
        })
    }

    fn refund(&self, _: String, charge: String) -> BoxFuture<'_, Result<Money, NoAnswer>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let mut entries = self.entries();
            let entry = entries.entry(charge).or_insert_with(|| Entry {
                order: String::new(),
                amount: Money::ZERO,
                captured: Money::ZERO,
                refunded: Money::ZERO,
                declined: Some("voided"),
                asked: 0,
            });
            entry.refunded = entry.captured;
            Ok(entry.refunded)
        })
    }
}
