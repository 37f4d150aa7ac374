//! What connections and pages have in common.

use std::sync::Arc;

use bytes::Bytes;
use control::Measure;
use http_body_util::combinators::UnsyncBoxBody;
use ids::{SharedClock, SharedEntropy};
use trace::Tracer;
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
    /// What the host lets the engine do for functions.
    pub(crate) measures: Vec<Measure>,
    /// Takes the spans of what is traced.
    pub(crate) tracer: Tracer,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
}
