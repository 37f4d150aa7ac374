//! AWS IAM and STS: identities, their policies and their credentials.
//!
//! - [`Iam`]: the service, an implementation of [`wire::iam::IamApi`] and [`wire::sts::StsApi`].
//! - [`IamOptions`]: what it stands on: the store, clock and entropy.
//! - [`Credential`] and [`Identity`]: an access key, and whose it is. [`Iam::credential`] finds one
//!   for whoever verifies signatures.
//! - [`Authority`]: what an identity may do by policies of its own. [`Iam::authority`] gathers them
//!   for whoever enforces them.
//!
//! Inside, `api` lists the operations; each group has a file: `roles`, `users`, `policies` with
//! `policy_versions`, `inline`, `attachments`, `tags`, `access_keys`, `simulate`, `account`,
//! `sts` and `trust`. `tables` is what is kept. `aws_managed` are the policies that AWS brings along.
//!
//! It verifies no signature and enforces no policy, not even a role's trust in AssumeRole: the
//! server does both, for every service. It judges no request by itself: the crate `policy` does.

mod access_keys;
mod account;
mod api;
mod attachments;
mod authority;
mod aws_managed;
mod credentials;
mod document;
mod error;
mod inline;
mod managed;
mod page;
mod policies;
mod policy_versions;
mod record;
mod roles;
mod secret;
mod service;
mod service_linked;
mod simulate;
mod sts;
mod tables;
mod tagging;
mod tags;
mod trust;
mod unique_id;
mod users;

pub use authority::Authority;
pub use credentials::{Credential, Holder, Identity};
pub use secret::Secret;
pub use service::{Iam, IamOptions, StartError};
pub use tables::SCHEMA;
