//! The operations, one file for each group of them.

mod attributes;
mod batch;
mod delete;
pub(crate) mod moves;
mod page;
mod permission;
mod queues;
mod receive;
mod send;
mod tags;
mod visibility;
