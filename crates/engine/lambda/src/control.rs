//! The control operations, one file for each group.

mod alias;
mod configure;
mod create;
mod delete;
mod list;
mod pending;
mod publish;
mod read;
mod runtime_name;
pub(crate) mod settle;
mod sweep;
mod update;
