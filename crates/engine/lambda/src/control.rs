//! The control operations, one file for each group.

mod account;
mod alias;
mod code_signing;
mod concurrency;
mod configure;
mod create;
mod delete;
mod list;
mod pending;
mod permission;
mod publish;
mod read;
mod recursion;
mod runtime_management;
mod runtime_name;
pub(crate) mod settle;
mod sweep;
mod tag;
mod update;
