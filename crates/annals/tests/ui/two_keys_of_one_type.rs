//! Which of the two accounts would a decision on `&Account` read?

use annals::{Command, Key};
use serde::{Deserialize, Serialize};

#[derive(Key)]
#[key("account")]
struct AccountId(u64);

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("accounts.transfer")]
struct Transfer {
    #[key]
    from: AccountId,
    #[key]
    to: AccountId,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("accounts.merge")]
struct Merge {
    #[key(named)]
    from: AccountId,
    #[key]
    to: AccountId,
}

fn main() {}
