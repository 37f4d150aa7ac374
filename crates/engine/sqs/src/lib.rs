//! Amazon SQS: standard and FIFO queues, visibility, delays, redrive to dead-letter queues and back.
//!
//! - [`Sqs`]: the service, an implementation of [`wire::sqs::SqsApi`].
//! - [`SqsOptions`]: what it stands on: a store of its own with [`SCHEMA`], clock and entropy.
//!
//! Inside: `api` holds one file for each group of operations; `queue` is what a queue has in memory
//! and what it does with it, without I/O; `journal` is what is kept, as SQL; `ledger` writes behind
//! who has received what; `redrive` moves messages between queues; `sweeper` removes what is over.
//!
//! # How a queue lies in memory and on the disk
//! A message's key is the number of its queue and its number in it ([`Seq`](seq::Seq)), so that a
//! queue is one range of one B-tree, in order, without an index. What is in memory is a window on
//! it: the next messages in line (their texts too while there is room), those in flight, and the
//! next ones of those that are delayed. A million messages behind the window cost nothing until
//! their turn comes, and are then read a thousand at a time.
//!
//! The store writes in the order in which it is asked to, and says so in that order
//! ([`store::Store::write_then`]). Numbers are given out under the queue's lock, in which the write
//! is queued as well; so messages enter the line in the order of their numbers, and none before it
//! is durable.
//!
//! # What is promised
//! A message whose sending was acknowledged outlives a power cut, and so does its deletion. Within a
//! group of a FIFO queue nothing overtakes, also not over a crash. Who has received what is written
//! a moment later and outlives a clean stop; after a crash some of it may be forgotten, and messages
//! in flight come again earlier than they would have. Nothing is received twice otherwise.

mod api;
mod attribute;
mod authorization;
mod budget;
mod definition;
mod digest;
mod error;
mod handle;
mod journal;
mod ledger;
mod message;
mod queue;
mod redrive;
mod registry;
mod seq;
mod service;
mod sweeper;

pub use api::moves::source_of_task;
pub use journal::SCHEMA;
pub use service::{Sqs, SqsOptions, StartError};
