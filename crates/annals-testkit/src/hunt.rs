//! Hunts for planted bugs: a harness must be able to fail.
//!
//! In: a search, which ends with what it found to be wrong, or breaks an assertion. Out: what it was and how long it took,
//! as a line of a table; nothing where nothing was found. It plants nothing itself and knows no bug: see `annals_bug`.
//!
//! ```
//! use annals_testkit::hunt::hunt;
//!
//! let search = |sum| move || Ok(assert_eq!(1 + 1, sum));
//! assert!(hunt(search(2)).is_none());
//! let found = hunt(search(3)).expect("a sum that is wrong is found");
//! assert!(found.what.contains("assertion"));
//! ```

use std::any::Any;
use std::cell::Cell;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::{Duration, Instant};

/// Characters of what was found that fit a line of the table.
const WHAT_MAX: usize = 110;

/// How a bug was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// From the beginning of the search.
    pub took: Duration,
    /// What the search said, or the assertion that broke.
    pub what: String,
}

thread_local! {
    static HUNTS: Cell<bool> = const { Cell::new(false) };
}

/// Searches on this thread. An assertion that breaks meanwhile counts as found, and is not printed; from the first hunt on
/// the process has a panic hook of its own, which calls the one before for everything else.
pub fn hunt(search: impl FnOnce() -> Result<(), String>) -> Option<Found> {
    be_quiet_while_hunting();
    let began = Instant::now();
    HUNTS.set(true);
    let searched = catch_unwind(AssertUnwindSafe(search));
    HUNTS.set(false);
    let what = match searched {
        Ok(Ok(())) => return None,
        Ok(Err(what)) => what,
        Err(reason) => format!("an assertion failed: {}", text_of(&*reason)),
    };
    let took = began.elapsed();
    Some(Found { took, what })
}

/// A bank of planted bugs, and the table of how they were found, which is printed. Of its hunts, the variable
/// `ANNALS_BUGS_ONLY` names the only one (all of them), and `ANNALS_BUGS_BY_ALL=1` says that every harness is asked that
/// must find a bug (the first of them).
#[derive(Debug)]
pub struct Bank {
    only: String,
    by_all: bool,
    missed: Vec<String>,
}

impl Bank {
    /// As the variables say.
    pub fn open() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        println!(
            "{:<26} {:<8} {:>7} {:>9}  found by",
            "bug", "harness", "tries", "time"
        );
        Self {
            only: variable("ANNALS_BUGS_ONLY"),
            by_all: variable("ANNALS_BUGS_BY_ALL") == "1",
            missed: Vec::new(),
        }
    }

    /// Lets these harnesses search, one after the other, for a bug that `plant` plants and `weed` takes away. A search counts
    /// its tries, the one that finds something included.
    pub fn hunt<H: Copy + Debug>(
        &mut self,
        bug: impl Debug,
        harnesses: &[H],
        (plant, weed): (impl Fn(), impl Fn()),
        search: impl Fn(H, &Cell<u64>) -> Result<(), String>,
    ) {
        let name = format!("{bug:?}");
        if !self.only.is_empty() && self.only != name {
            return;
        }
        let asked = if self.by_all { harnesses.len() } else { 1 };
        for harness in &harnesses[..asked] {
            let tries = Cell::new(0);
            plant();
            let found = hunt(|| search(*harness, &tries));
            weed();
            match found {
                Some(found) => println!("{}", line(&name, &format!("{harness:?}"), tries.get(), &found)),
                None => self.missed.push(format!("{name} by {harness:?}")),
            }
        }
    }

    /// Ends the table.
    ///
    /// # Panics
    /// If a bug was missed.
    pub fn close(self) {
        assert!(self.missed.is_empty(), "not found: {:?}", self.missed);
    }
}

fn line(bug: &str, harness: &str, tries: u64, found: &Found) -> String {
    let what = found.what.lines().next().unwrap_or_default();
    let what: String = what.chars().take(WHAT_MAX).collect();
    let millis = found.took.as_secs_f64() * 1e3;
    format!("{bug:<26} {harness:<8} {tries:>7} {millis:>6.0} ms  {what}")
}

/// A bug may break an assertion: that counts as found, and nobody needs to read of it.
fn be_quiet_while_hunting() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !HUNTS.get() {
                tell(info);
            }
        }));
    });
}

fn text_of(reason: &(dyn Any + Send)) -> String {
    let text = reason.downcast_ref::<String>().cloned();
    text.or_else(|| reason.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}
