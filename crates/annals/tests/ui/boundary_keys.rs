//! The fields that a boundary struct names are keys of its models.

use std::sync::Arc;

use annals::{Boundary, Command, Event, Key, Model};
use serde::{Deserialize, Serialize};

#[derive(Key)]
#[key("account")]
struct AccountId(u64);

#[derive(Event, Serialize, Deserialize)]
#[event("account.opened")]
struct AccountOpened {
    #[tag]
    account: AccountId,
}

#[derive(Default, Serialize)]
struct Account;

impl Model for Account {
    type Key = AccountId;
    type Event = AccountOpened;

    fn apply(&mut self, _: &AccountOpened) {}
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("accounts.transfer")]
struct Transfer {
    #[key(named)]
    from: AccountId,
    #[key(named)]
    to: AccountId,
    amount: u64,
}

#[derive(Boundary)]
#[boundary(Transfer)]
struct NoSuchField {
    #[key(frm)]
    from: Arc<Account>,
}

#[derive(Boundary)]
#[boundary(Transfer)]
struct NoKey {
    #[key(amount)]
    from: Arc<Account>,
}

#[derive(Boundary)]
#[boundary(Transfer)]
struct NoModel {
    #[key(from)]
    from: Arc<String>,
}

fn main() {}
