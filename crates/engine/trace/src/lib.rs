//! Traces: which one a call belongs to, and what is told of it.
//!
//! - [`Header`]: `X-Amzn-Trace-Id`, by which AWS's services and SDKs hand a trace on.
//! - [`Span`]: a part of a trace that is over, and [`Source`], what it tells of.
//! - [`Tracer`]: takes spans from wherever things end, without waiting, and brings them to a collector
//!   by OTLP over HTTP. Without a collector it takes none.
//!
//! It does not decide what is traced, and makes no spans by itself: services do, each of what it
//! does. The engine's own log is `tracing`'s, which has nothing to do with this.

mod error;
mod export;
mod header;
mod span;
mod tracer;

pub use error::StartError;
pub use header::{Header, SpanId, TraceId};
pub use span::{Kind, Source, Span, Value};
pub use tracer::Tracer;
