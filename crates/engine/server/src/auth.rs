//! Who a caller really is, and what it may do: `--auth` and `--enforce-iam`.
//!
//! Without them every caller is taken at its word. With `--auth` each request's signature is
//! verified ([`Verifier`]) with the secrets of three sources: the [`keys_file`] that the engine was
//! started with, what IAM and STS hand out, and what functions find in their environment. With
//! `--enforce-iam` each request is then put to the policies as an action on resources
//! ([`Enforcer`]).

mod action;
mod assume;
mod circumstances;
mod enforcer;
mod fields;
pub(crate) mod keys_file;
mod known;
mod resource;
mod verifier;

pub(crate) use enforcer::{Asked, Enforcer};
pub(crate) use known::Known;
pub(crate) use verifier::{Pending, Verifier};
