//! What the provider knows, in memory.
//!
//! In come requests, out go answers and the entries to be kept. The book runs ahead of the file: it
//! answers by everything decided, but shows only what was published, that is flushed. Invariants:
//!
//! 1. A charge's key has one answer for ever, and so has a refund's.
//! 2. What was captured under one key is given back at most once.
//! 3. Nothing is shown before it is published.
//!
//! It does not know files, threads or chance: whether a card is declined is said by the caller.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::protocol::{
    Account, Charge, ChargeRequest, ChargeStatus, DeclineReason, Refund, RefundRequest, RefundStatus, Totals,
};
use super::entry::Entry;
use crate::money::Money;

#[cfg(test)]
mod tests;

/// An answer, and the entry to keep if it is given for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decided<A> {
    pub(super) answer: A,
    pub(super) entry: Option<Entry>,
}

/// A request that cannot be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undecided {
    /// The key was used for something else.
    KeyReused,
    /// The sums would not be exact any more.
    TooMuch,
    /// There are as many entries as there may be.
    Full,
}

/// All accounts.
pub(super) struct Book {
    entries_max: u64,
    accounts: Vec<Kept>,
    places: HashMap<Arc<str>, usize>,
    charges: HashMap<Arc<str>, (usize, usize)>,
    refunds: HashMap<Arc<str>, Refund>,
    given_back: HashSet<Arc<str>>,
    voided: HashSet<Arc<str>>,
    voids: Vec<Numbered<Refund>>,
    decided: Totals,
    published: Totals,
}

struct Kept {
    order: Arc<str>,
    charges: Vec<Numbered<Charge>>,
    refunds: Vec<Numbered<Refund>>,
}

/// What is in the ledger, with the number of its entry, 0-based.
struct Numbered<T> {
    number: u64,
    what: T,
}

impl Book {
    /// An empty book that takes up to `entries_max` entries.
    pub(super) fn new(entries_max: u64) -> Self {
        Self {
            entries_max,
            accounts: Vec::new(),
            places: HashMap::new(),
            charges: HashMap::new(),
            refunds: HashMap::new(),
            given_back: HashSet::new(),
            voided: HashSet::new(),
            voids: Vec::new(),
            decided: Totals::default(),
            published: Totals::default(),
        }
    }

    /// Takes in an entry read from the file, however many there are.
    pub(super) fn replay(&mut self, entry: &Entry) -> Result<(), String> {
        let (key, known) = match entry {
            Entry::Charge(charge) => (&charge.key, self.charges.contains_key(charge.key.as_str())),
            Entry::Refund(refund) => (&refund.key, self.refunds.contains_key(refund.key.as_str())),
        };
        if known {
            return Err(format!("the key {key:?} was answered before"));
        }
        self.enter(entry)
            .map_err(|_| "the sums have more than 28 digits".to_owned())
    }

    /// Answers a charge; `declined` says whether the card is good.
    pub(super) fn charge(
        &mut self,
        request: ChargeRequest,
        declined: bool,
    ) -> Result<Decided<Charge>, Undecided> {
        if let Some(&(account, place)) = self.charges.get(request.key.as_str()) {
            let known = &self.accounts[account].charges[place].what;
            let same = known.order == request.order && known.amount == request.amount;
            let answer = same.then(|| known.clone()).ok_or(Undecided::KeyReused)?;
            return Ok(Decided { answer, entry: None });
        }
        self.room()?;
        let reason = if self.voided.contains(request.key.as_str()) {
            Some(DeclineReason::Voided)
        } else {
            declined.then_some(DeclineReason::CardDeclined)
        };
        let status = if reason.is_some() {
            ChargeStatus::Declined
        } else {
            ChargeStatus::Captured
        };
        let ChargeRequest { key, order, amount } = request;
        let answer = Charge {
            key,
            order,
            amount,
            status,
            reason,
        };
        let entry = Entry::Charge(answer.clone());
        self.enter(&entry)?;
        Ok(Decided {
            answer,
            entry: Some(entry),
        })
    }

    /// Answers a refund.
    pub(super) fn refund(&mut self, request: RefundRequest) -> Result<Decided<Refund>, Undecided> {
        if let Some(known) = self.refunds.get(request.key.as_str()) {
            let same = known.charge == request.charge;
            let answer = same.then(|| known.clone()).ok_or(Undecided::KeyReused)?;
            return Ok(Decided { answer, entry: None });
        }
        self.room()?;
        let (status, amount) = match self.charges.get(request.charge.as_str()) {
            None => (RefundStatus::Voided, Money::ZERO),
            Some(&(account, place)) => {
                let charge = &self.accounts[account].charges[place].what;
                if charge.status == ChargeStatus::Declined {
                    (RefundStatus::NothingCaptured, Money::ZERO)
                } else if self.given_back.contains(charge.key.as_str()) {
                    (RefundStatus::AlreadyRefunded, Money::ZERO)
                } else {
                    (RefundStatus::Refunded, charge.amount)
                }
            }
        };
        let RefundRequest { key, charge } = request;
        let answer = Refund {
            key,
            charge,
            status,
            amount,
        };
        let entry = Entry::Refund(answer.clone());
        self.enter(&entry)?;
        Ok(Decided {
            answer,
            entry: Some(entry),
        })
    }

    /// Shows everything entered so far: it is flushed.
    pub(super) fn publish(&mut self) {
        self.published = self.decided;
    }

    /// The sums of what is published.
    pub(super) fn totals(&self) -> Totals {
        self.published
    }

    /// The published account of one order.
    pub(super) fn account(&self, order: &str) -> Option<Account> {
        self.accounts[*self.places.get(order)?].shown(self.published.entries)
    }

    /// Up to `count` accounts from a place on as they were after the first `entries` entries, and the place
    /// to go on from; `None` behind the last account.
    pub(super) fn accounts(&self, from: usize, count: usize, entries: u64) -> Option<(Vec<Account>, usize)> {
        let kept = self.accounts.get(from..).filter(|rest| !rest.is_empty())?;
        let kept = &kept[..kept.len().min(count)];
        Some((
            kept.iter().filter_map(|kept| kept.shown(entries)).collect(),
            from + kept.len(),
        ))
    }

    /// Up to `count` voids from a place on as they were after the first `entries` entries.
    pub(super) fn voids(&self, from: usize, count: usize, entries: u64) -> Vec<Refund> {
        let rest = self.voids.iter().skip(from).take(count);
        rest.take_while(|void| void.number < entries)
            .map(|void| void.what.clone())
            .collect()
    }

    fn room(&self) -> Result<(), Undecided> {
        if self.decided.entries < self.entries_max {
            Ok(())
        } else {
            Err(Undecided::Full)
        }
    }

    fn enter(&mut self, entry: &Entry) -> Result<(), Undecided> {
        let number = self.decided.entries;
        self.decided = counted(self.decided, entry).ok_or(Undecided::TooMuch)?;
        match entry {
            Entry::Charge(charge) => {
                let account = self.account_of(&charge.order);
                let charges = &mut self.accounts[account].charges;
                self.charges
                    .insert(Arc::from(charge.key.as_str()), (account, charges.len()));
                charges.push(Numbered {
                    number,
                    what: charge.clone(),
                });
            }
            Entry::Refund(refund) => {
                self.refunds
                    .insert(Arc::from(refund.key.as_str()), refund.clone());
                let refunds = match self.charges.get_key_value(refund.charge.as_str()) {
                    Some((charge, &(account, _))) => {
                        self.given_back.insert(Arc::clone(charge));
                        &mut self.accounts[account].refunds
                    }
                    None => {
                        self.voided.insert(Arc::from(refund.charge.as_str()));
                        &mut self.voids
                    }
                };
                refunds.push(Numbered {
                    number,
                    what: refund.clone(),
                });
            }
        }
        Ok(())
    }

    fn account_of(&mut self, order: &str) -> usize {
        if let Some(&place) = self.places.get(order) {
            return place;
        }
        let order: Arc<str> = Arc::from(order);
        self.places.insert(Arc::clone(&order), self.accounts.len());
        self.accounts.push(Kept {
            order,
            charges: Vec::new(),
            refunds: Vec::new(),
        });
        self.accounts.len() - 1
    }
}

impl Kept {
    fn shown(&self, entries: u64) -> Option<Account> {
        let charges = before(&self.charges, entries);
        let refunds = before(&self.refunds, entries);
        (!charges.is_empty()).then(|| Account {
            order: self.order.to_string(),
            charges,
            refunds,
        })
    }
}

fn before<T: Clone>(numbered: &[Numbered<T>], entries: u64) -> Vec<T> {
    numbered
        .iter()
        .filter(|one| one.number < entries)
        .map(|one| one.what.clone())
        .collect()
}

fn counted(mut totals: Totals, entry: &Entry) -> Option<Totals> {
    totals.entries += 1;
    match entry {
        Entry::Charge(charge) if charge.status == ChargeStatus::Captured => {
            totals.captured += 1;
            totals.captured_amount = totals.captured_amount.checked_add(charge.amount)?;
        }
        Entry::Charge(_) => totals.declined += 1,
        Entry::Refund(refund) => match refund.status {
            RefundStatus::Refunded => {
                totals.refunded += 1;
                totals.refunded_amount = totals.refunded_amount.checked_add(refund.amount)?;
            }
            RefundStatus::Voided => totals.voided += 1,
            RefundStatus::NothingCaptured | RefundStatus::AlreadyRefunded => {}
        },
    }
    Some(totals)
}
