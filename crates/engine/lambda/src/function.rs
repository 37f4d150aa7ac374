//! Functions as they are kept: records, the tables they lie in, and the cache before them.

pub(crate) mod code_signing;
pub(crate) mod event_invoke;
pub(crate) mod key;
pub(crate) mod provisioned;
pub(crate) mod record;
pub(crate) mod registry;
pub(crate) mod resource_policy;
pub(crate) mod settings;
pub(crate) mod status;
pub(crate) mod tables;
pub(crate) mod tags;
pub(crate) mod target;
pub(crate) mod url;
