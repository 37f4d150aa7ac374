//! What connections and pages have in common.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use ids::{SharedClock, SharedEntropy};
use wire::BrokenOff;

use crate::access::Access;
use crate::activity::Activity;
use crate::services::Services;

/// The body of every answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, BrokenOff>;

/// What every connection works with.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) services: Arc<Services>,
    pub(crate) access: Access,
    pub(crate) activity: Arc<Activity>,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
}
