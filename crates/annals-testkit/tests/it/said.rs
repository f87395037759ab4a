//! What a test that does not hold says.

use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) fn said(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).expect_err("the test was to fail");
    *panic.downcast::<String>().expect("a panic with words")
}
