//! Asynchronous invocations: accepted, kept, and run until they have succeeded or are given up.
//!
//! An event is acknowledged once it is durable, and it goes from the disk only after it has run:
//! what a crash interrupts runs again. Each function with events has a line of its own, so that a
//! function that is throttled keeps no other's events waiting; a line costs nothing once it is
//! empty.
//!
//! - [`queue`]: the events on disk.
//! - [`lines`]: which functions have lines, and what each holds.
//! - [`line`]: what a line does, from due events to finished ones.
//! - [`retry`]: when a failed one is due again, and when it is given up.
//! - [`ending`]: what is told of an event that has ended.
//! - [`letters`]: to whom.
//! - [`outbox`]: what is still to be told, on disk.
//! - [`courier`] and [`rounds`]: its delivery.
//! - [`permission`]: whether the function's role permits that.

pub(crate) mod courier;
mod ending;
mod letters;
mod line;
pub(crate) mod lines;
pub(crate) mod outbox;
mod permission;
pub(crate) mod queue;
pub(crate) mod retry;
mod rounds;
