//! AWS policies: documents are read, and requests are judged by them.
//!
//! - [`Policy`]: a document of any [`Kind`] (identity, resource, trust), parsed once and then cheap
//!   to ask. What is wrong with a document is said in IAM's words ([`PolicyError`]).
//! - [`Request`]: who ([`Principal`]) wants to do what to which resource, with the [`Context`] that
//!   conditions ask about.
//! - [`authorize`]: every policy that has a say ([`Policies`]) put together by the rules of one
//!   account and of two; [`evaluate()`] asks resource policies alone, which is all there is where a
//!   service calls. Both answer with a [`Decision`] that knows which statement made it.
//!
//! It is pure: no I/O, no clock, no store. Services may depend on it as they do on `wire`; which
//! policies there are and where they are kept is theirs to know.
//!
//! The rules are those of
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>.
//!
//! ```
//! use policy::{Context, Kind, Outcome, Policy, Principal, Request, evaluate};
//!
//! let policy = Policy::parse(
//!     r#"{"Version": "2012-10-17", "Statement": {
//!         "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
//!         "Action": "lambda:InvokeFunction",
//!         "Resource": "arn:aws:lambda:us-east-1:111122223333:function:f",
//!         "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::in-*"}}}}"#,
//!     Kind::Resource,
//! )?;
//! let s3 = Principal::Service("s3.amazonaws.com".to_owned());
//! let request = Request {
//!     principal: &s3,
//!     action: "lambda:InvokeFunction",
//!     resource: "arn:aws:lambda:us-east-1:111122223333:function:f",
//!     context: &Context::new().with("aws:SourceArn", "arn:aws:s3:::in-box"),
//! };
//! assert_eq!(evaluate(&request, &[&policy]).outcome, Outcome::Allow);
//! # Ok::<(), policy::PolicyError>(())
//! ```

mod condition;
mod context;
mod decision;
mod document;
mod error;
mod evaluate;
mod pattern;
mod principal;
mod request;

pub use context::{Context, key};
pub use decision::{Decision, Outcome, Reason, Source, Tier};
pub use document::{Effect, Kind, Policy};
pub use error::PolicyError;
pub use evaluate::{Policies, authorize, evaluate};
pub use pattern::glob;
pub use principal::Principal;
pub use request::Request;
