//! The operations, one file for each group of them.

mod filter;
mod groups;
mod names;
mod put;
mod read;
mod streams;
mod tags;
mod tail;
