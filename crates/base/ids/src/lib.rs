//! What everything in LambdaLab is called by, and the two things a program takes from outside:
//! time and randomness.
//!
//! - [`Arn`]: an Amazon Resource Name, parsed and printed.
//! - [`FunctionRef`]: the many ways in which callers name a Lambda function, resolved to one.
//! - [`RequestId`], [`EnvironmentId`]: identifiers that are drawn, never made up by hand.
//! - [`Clock`] and [`Entropy`]: injected, so that tests set the time and the dice.
//!
//! It is not a place for records or business rules: those live with the service they belong to.

mod arn;
mod clock;
mod entropy;
mod function_ref;
mod identifiers;

pub use arn::{Arn, ArnError};
pub use clock::{Clock, ManualClock, SharedClock, Sleep, SystemClock, Timestamp};
pub use entropy::{Entropy, SeededEntropy, SharedEntropy, SystemEntropy};
pub use function_ref::{FunctionRef, FunctionRefError, Qualifier};
pub use identifiers::{EnvironmentId, RequestId};

/// The account that resources belong to unless the caller's credentials name another.
pub const DEFAULT_ACCOUNT: &str = "000000000000";

/// The region that resources live in unless the request names another.
pub const DEFAULT_REGION: &str = "us-east-1";
