//! The end of the engine as callers see it: who still waits for an answer when the time to stop has
//! come is told so, rather than left with a connection that breaks.
//!
//! The invocation itself goes on for as long as the engine does. Asynchronous ones are no part of
//! this: they are kept, and run again after the next start.

use tokio::sync::watch;
use wire::ServiceError;
use wire::lambda::errors;

/// Falls once, in front of every caller.
#[derive(Debug, Default)]
pub(crate) struct Curtain(watch::Sender<bool>);

/// What a caller who waits looks at.
#[derive(Debug, Clone)]
pub(crate) struct Stage(watch::Receiver<bool>);

impl Curtain {
    pub(crate) fn fall(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn stage(&self) -> Stage {
        Stage(self.0.subscribe())
    }

    /// What `work` comes to, unless the curtain falls before that.
    pub(crate) async fn unless_fallen<T>(
        &self,
        work: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<T, ServiceError> {
        let mut stage = self.stage();
        tokio::select! {
            biased;
            done = work => done,
            () = stage.over() => Err(stopped()),
        }
    }
}

impl Stage {
    /// Resolves when the curtain has fallen.
    pub(crate) async fn over(&mut self) {
        // An error means that it is gone, and the engine with it.
        let _gone = self.0.wait_for(|fallen| *fallen).await;
    }
}

/// 500: no fault of the caller's, who may try again.
pub(crate) fn stopped() -> ServiceError {
    errors::service_exception("The engine stopped before the invocation had ended.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::future::{pending, ready};

    #[test]
    fn it_comes_between_callers_and_what_is_not_done() {
        let curtain = Curtain::default();
        {
            let mut waiting = Box::pin(curtain.unless_fallen(pending::<Result<(), _>>()));
            assert!(waiting.as_mut().now_or_never().is_none());
            curtain.fall();
            let error = waiting.now_or_never().unwrap().unwrap_err();
            assert_eq!(
                (error.status.as_u16(), &*error.code),
                (500, "ServiceException")
            );
        }
        let done = curtain.unless_fallen(ready(Ok(1))).now_or_never();
        assert_eq!(done.unwrap().unwrap(), 1, "what is done is not taken back");
    }
}
