//! One request on its way to a connection, and the caller's end of it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::StoreError;

/// What is to become of what a closure did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Keep,
    Discard,
}

/// A request, whatever it answers with.
pub(crate) trait Job: Send {
    /// Runs the closure, inside a transaction, and holds its answer back.
    fn run(&mut self, connection: &Connection) -> Effect;

    /// Sends the answer: the closure's own error, or the value if what it saw and did stands.
    fn answer(self: Box<Self>, fate: Result<(), StoreError>);
}

struct Request<F, T, E, R> {
    work: Option<F>,
    /// What to do with the effect of a closure that succeeds.
    on_success: Effect,
    result: Option<Result<T, E>>,
    reply: R,
}

/// The caller's end.
pub(crate) struct Answer<T, E> {
    reply: oneshot::Receiver<Result<T, E>>,
}

/// Wraps a closure.
pub(crate) fn request<F, T, E>(on_success: Effect, work: F) -> (Box<dyn Job>, Answer<T, E>)
where
    F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let (sender, reply) = oneshot::channel();
    let send = move |result| {
        // A caller that has gone away does not want to know.
        let _ = sender.send(result);
    };
    (request_then(on_success, work, send), Answer { reply })
}

/// Wraps a closure, and one that takes its answer.
pub(crate) fn request_then<F, T, E, R>(on_success: Effect, work: F, reply: R) -> Box<dyn Job>
where
    F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    R: FnOnce(Result<T, E>) + Send + 'static,
{
    Box::new(Request {
        work: Some(work),
        on_success,
        result: None,
        reply,
    })
}

impl<F, T, E, R> Job for Request<F, T, E, R>
where
    F: FnOnce(&Connection) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
    R: FnOnce(Result<T, E>) + Send,
{
    fn run(&mut self, connection: &Connection) -> Effect {
        let Some(work) = self.work.take() else {
            return Effect::Discard;
        };
        // The connection is the only thing that outlives the panic, and its transaction is undone.
        let result = catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|panic| {
            let message = panic_message(panic.as_ref());
            tracing::error!(message, "a closure given to the store panicked");
            let message = message.into();
            Err(StoreError::Panicked { message }.into())
        });
        let effect = if result.is_ok() {
            self.on_success
        } else {
            Effect::Discard
        };
        self.result = Some(result);
        effect
    }

    fn answer(self: Box<Self>, fate: Result<(), StoreError>) {
        let result = match (self.result, fate) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(error)) => Err(error.into()),
            (None, Ok(())) => Err(StoreError::Closed.into()),
        };
        let reply = self.reply;
        if catch_unwind(AssertUnwindSafe(|| reply(result))).is_err() {
            tracing::error!("what was to follow a write panicked");
        }
    }
}

impl<T, E: From<StoreError>> Answer<T, E> {
    pub(crate) async fn wait(self) -> Result<T, E> {
        self.reply
            .await
            .unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    pub(crate) fn wait_blocking(self) -> Result<T, E> {
        self.reply
            .blocking_recv()
            .unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
