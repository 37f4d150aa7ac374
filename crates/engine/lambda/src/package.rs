//! Deployment packages: checked as they come in, kept as they are, unpacked once for each content.

pub(crate) mod archive;
pub(crate) mod code_store;
pub(crate) mod error;
pub(crate) mod opt;
