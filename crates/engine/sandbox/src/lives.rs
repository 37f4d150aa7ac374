//! Which of an environment's processes may be there to be killed.
//!
//! A kill goes to the kernel directly, past the spawner, which may at that moment prepare the next
//! process. Should it reach that one's init but not the process itself, the process would be ended by its
//! init's death: later, when it runs, for no reason that anybody could name. Hence two rules. Where all
//! have been seen to end nothing is killed. And where one may have ended unseen, what was prepared by
//! then is not used.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::process::ExitReceiver;

/// The processes that were started and not seen to end.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    starting: usize,
    running: Vec<ExitReceiver>,
    /// Whether a kill was sent since nothing ran.
    killed: bool,
}

/// A start that is on its way.
#[derive(Debug)]
pub(crate) struct Starting<'a> {
    lives: &'a Lives,
    /// Whether a kill may have reached what is prepared.
    pub(crate) killed: bool,
}

impl Lives {
    /// One is about to be started.
    pub(crate) fn start(&self) -> Starting<'_> {
        let mut state = self.state();
        state.starting += 1;
        let killed = state.killed;
        state.killed &= !state.running.is_empty();
        Starting {
            lives: self,
            killed,
        }
    }

    /// A kill is about to be sent. Says whether there is anything that it is meant for.
    pub(crate) fn kill(&self) -> bool {
        let mut state = self.state();
        let any = state.starting > 0 || !state.running.is_empty();
        state.killed |= any;
        any
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running.retain(|exit| exit.borrow().is_none());
        state
    }
}

impl Starting<'_> {
    /// It runs.
    pub(crate) fn runs(self, exit: ExitReceiver) {
        self.lives.state().running.push(exit);
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.lives.state().starting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::spec::ExitStatus;

    const EXITED: ExitStatus = ExitStatus {
        code: Some(0),
        signal: None,
        oom_killed: false,
    };

    #[test]
    fn only_what_may_live_is_killed() {
        let lives = Lives::default();
        assert!(!lives.kill(), "nothing was started");
        let (ends, exit) = watch::channel(None);
        let starting = lives.start();
        assert!(lives.kill(), "it may run already");
        starting.runs(exit);
        assert!(lives.kill());
        ends.send_replace(Some(EXITED));
        assert!(!lives.kill());
        drop(lives.start());
        assert!(!lives.kill(), "that one could not be started");
    }

    #[test]
    fn what_a_kill_may_have_reached_is_not_used_once() {
        let lives = Lives::default();
        let (ends, exit) = watch::channel(None);
        let starting = lives.start();
        assert!(!starting.killed);
        starting.runs(exit);
        lives.kill();
        assert!(lives.start().killed, "it was not seen to end");
        ends.send_replace(Some(EXITED));
        lives.kill();
        assert!(lives.start().killed);
        assert!(!lives.start().killed);
    }
}
