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
//! - [`Definition`]: a machine as it is written, read with all that is wrong with it
//!   ([`diagnostic`]), and resolved into what runs.
//! - [`Execution`]: the machine that runs it, one signal at a time, and [`history`], what it leaves.
//! - [`test_state`]: one state tried by itself.
//!
//! ```
//! use asl::machine::{Environment, Execution, Info, Status};
//! use asl::{Definition, Value, definition::MachineType};
//!
//! let text = r#"{
//!     "QueryLanguage": "JSONata", "StartAt": "Double",
//!     "States": {"Double": {"Type": "Pass", "Output": "{% $states.input * 2 %}", "End": true}}
//! }"#;
//! let definition = Definition::parse(text, MachineType::Standard).map_err(|problems| problems[0].to_string())?;
//! let random = ids::SeededEntropy::new(1);
//! let environment = Environment { now: ids::Timestamp(0), random: &random };
//! let (execution, step) = Execution::start(&definition, Info::example(), Value::from(21), environment);
//! assert_eq!(execution.status(), &Status::Succeeded(Value::from(42)));
//! let types: Vec<_> = step.events.iter().map(|event| event.kind.type_name()).collect();
//! assert_eq!(types, ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]);
//! # Ok::<(), String>(())
//! ```
//!
//! It is pure: no I/O, no clock, no store, no threads. Time and randomness are passed in, so the
//! same calls give the same answers. Nothing is said here about services, tokens or journals; those
//! belong to whoever runs machines.
//!
//! The language is that of <https://states-language.net/> and
//! <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html>.

pub mod choice;
pub mod context;
pub mod definition;
pub mod diagnostic;
pub mod history;
pub mod intrinsics;
pub mod jsonata;
pub mod jsonpath;
pub mod machine;
pub mod payload;
pub mod scope;
pub mod time;
pub mod value;

pub use definition::Definition;
pub use machine::{Execution, test_state};
pub use scope::{Scope, Variables};
pub use value::Value;
