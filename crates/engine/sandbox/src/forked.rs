//! What a forked process is: a copy that has one thing to do and then ends.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::protocol::Refused;
use crate::sys;

/// Runs the body of a forked process and ends it, whatever happens: a panic must not unwind into
/// the copy of the parent's stack.
pub(crate) fn run(body: impl FnOnce() -> Result<(), Refused>) -> ! {
    let code = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => 0,
        // Whoever waits for this process learns from its end that something is wrong.
        Ok(Err(_)) => 70,
        Err(_) => 71,
    };
    sys::exit_now(code)
}
