//! Amazon States Language: what a state machine's definition means, without running anything.
//!
//! - [`Value`]: JSON as executions carry it: shared, so that handing it on costs nothing, and exact
//!   in its numbers and the order of its keys.
//! - [`jsonpath`]: paths into values, and putting values where paths say.
//! - [`intrinsics`]: `States.Format` and its seventeen siblings.
//! - [`jsonata`]: expressions in `{% … %}`.
//! - [`payload`]: templates whose `.$` fields are computed.
//! - [`context`]: the context object, `$$`.
//! - [`Scope`]: what an expression may see beside its input: the context object, the variables, the
//!   time and the dice.
//!
//! It is pure: no I/O, no clock, no store, no threads. Time and randomness are passed in, so the
//! same calls give the same answers. Nothing is said here about services, tokens or journals; those
//! belong to whoever runs machines.
//!
//! The language is that of <https://states-language.net/> and
//! <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html>.

pub mod context;
pub mod intrinsics;
pub mod jsonata;
pub mod jsonpath;
pub mod payload;
pub mod scope;
pub mod value;

pub use scope::{Scope, Variables};
pub use value::Value;
