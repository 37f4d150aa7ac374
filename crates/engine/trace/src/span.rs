//! What is told of a part of a trace.

use std::sync::Arc;

use ids::Timestamp;

use crate::{SpanId, TraceId};

/// A part of a trace that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The trace that it is part of.
    pub trace: TraceId,
    /// Its identity in that.
    pub id: SpanId,
    /// What it is part of; nothing where the trace begins with it.
    pub parent: Option<SpanId>,
    /// Its name.
    pub name: Arc<str>,
    /// What it is to its parent.
    pub kind: Kind,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What else is to be said of it, by OpenTelemetry's names.
    pub attributes: Vec<(&'static str, Value)>,
    /// Why it failed, where it did.
    pub failure: Option<String>,
    /// What it tells of.
    pub source: Arc<Source>,
}

/// What a span is to its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was called, by a parent elsewhere.
    Server,
    /// A step of its parent's.
    Internal,
}

/// What spans tell of: a function's version, for instance. To OpenTelemetry it is a resource.
#[derive(Debug, PartialEq)]
pub struct Source {
    /// What is known of it, by OpenTelemetry's names; `service.name` among them.
    pub attributes: Vec<(&'static str, Value)>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}
