//! Mistakes that can be planted, so that the harnesses can show that they find them.
//!
//! In: a mistake, from a test. Out: at its place in the code, whether it is to be made. Without the feature `bugs` nothing
//! can be planted and every question here is answered `false` at compile time. What is planted is seen by the planting
//! thread only, and is one mistake at most, whichever crate it is of. Each crate lists its own in its module `bug`; this
//! one knows none of them.

/// A mistake somebody could make in the code of some crate.
pub trait Plantable: Copy {
    /// Different for every bug of every crate, never 0: below 1,000 those of annals-log, below 2,000 of annals-store, below
    /// 3,000 of annals-core, below 4,000 of annals-transport, below 5,000 of annals.
    fn number(self) -> u32;
}

#[cfg(feature = "bugs")]
thread_local! {
    /// The number of the planted bug; 0: none.
    static PLANTED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Plants one bug for this thread, in place of any other.
#[cfg(feature = "bugs")]
pub fn plant(bug: impl Plantable) {
    PLANTED.set(bug.number());
}

/// Takes away what was planted for this thread.
#[cfg(feature = "bugs")]
pub fn weed() {
    PLANTED.set(0);
}

/// Whether this thread has this bug planted.
#[cfg(feature = "bugs")]
pub fn is_planted(bug: impl Plantable) -> bool {
    PLANTED.get() == bug.number()
}

/// Whether this thread has this bug planted: never in this build.
#[cfg(not(feature = "bugs"))]
pub const fn is_planted<B: Plantable>(_bug: B) -> bool {
    false
}

// Were this no constant, a build without the feature would fail here.
#[cfg(not(feature = "bugs"))]
const _: () = {
    #[derive(Clone, Copy)]
    struct Any;
    impl Plantable for Any {
        fn number(self) -> u32 {
            1
        }
    }
    assert!(!is_planted(Any));
};
