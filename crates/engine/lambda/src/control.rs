//! The control operations, one file for each group.

mod account;
mod alias;
mod attach;
mod code_signing;
mod concurrency;
mod configure;
mod create;
mod delete;
mod event_invoke;
pub(crate) mod host;
mod image;
mod layer;
mod layer_policy;
mod list;
mod permission;
mod provisioned;
mod publish;
mod read;
mod recursion;
mod runtime_management;
mod runtime_name;
pub(crate) mod settle;
mod sweep;
mod tag;
mod update;
mod url;
