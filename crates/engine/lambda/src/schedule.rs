//! Who runs where, and when: environments are reused when warm, made as concurrency asks, frozen
//! and reaped when idle, and admitted only as far as the host can carry them.

pub(crate) mod admission;
pub(crate) mod concurrency;
mod demand;
pub(crate) mod fleet;
pub(crate) mod janitor;
mod keeper;
pub(crate) mod pool;
pub(crate) mod provision;
pub(crate) mod template;
