//! What a runtime is given with `GET …/invocation/next`.

use std::sync::Arc;

use bytes::Bytes;
use ids::{RequestId, Timestamp};

/// One event on its way to a runtime.
#[derive(Debug)]
pub(crate) struct Event {
    /// The invocation's id, which is the request id of the Invoke call.
    pub(crate) id: RequestId,
    /// The payload, as the caller sent it.
    pub(crate) payload: Bytes,
    /// The ARN by which the caller named the function, qualifier included.
    pub(crate) invoked_arn: Arc<str>,
    /// When the invocation times out.
    pub(crate) deadline: Timestamp,
    /// `X-Amzn-Trace-Id`, where the caller sent one.
    pub(crate) trace_id: Option<String>,
    /// The client context as JSON, where the caller sent one.
    pub(crate) client_context: Option<String>,
}

#[cfg(test)]
impl Event {
    pub(crate) fn for_tests(id: RequestId) -> Self {
        Self {
            id,
            payload: Bytes::from_static(b"{}"),
            invoked_arn: "arn:aws:lambda:us-east-1:000000000000:function:f".into(),
            deadline: Timestamp(0),
            trace_id: None,
            client_context: None,
        }
    }
}
