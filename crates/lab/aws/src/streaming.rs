//! An invocation whose answer is read as it is written.

use std::sync::Arc;

use aws_sdk_lambda::error::DisplayErrorContext;
use aws_sdk_lambda::operation::RequestId as _;
use aws_sdk_lambda::operation::invoke_with_response_stream::InvokeWithResponseStreamOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvokeWithResponseStreamResponseEvent as Event;
use aws_sdk_lambda::types::{LogType, ResponseStreamingInvocationType};
use bytes::Bytes;

use crate::connection::Connection;
use crate::error::{CallError, CallFailure};
use crate::function::{FunctionHandle, Invoke, InvokeKind};
use crate::report::Report;

const OPERATION: &str = "InvokeWithResponseStream";

/// An answer that is still being written.
#[derive(Debug)]
pub struct Answer {
    connection: Arc<Connection>,
    answer: InvokeWithResponseStreamOutput,
}

/// What comes of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Bytes of it, as soon as they are there.
    Chunk(Bytes),
    /// Its end.
    End(End),
}

/// How an invocation ended whose answer was read as it was written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct End {
    /// Set where the function failed, also half way: `Unhandled`.
    pub function_error: Option<String>,
    /// The error document of a function that failed.
    pub error_details: Option<String>,
    /// The last 4 KB of the log, where they were asked for.
    pub log_tail: Option<String>,
    /// The figures in that log.
    pub report: Option<Report>,
}

impl FunctionHandle {
    /// Invokes the function once and returns as soon as it runs. Never retried; events are not
    /// streamed, and run as every other invocation.
    ///
    /// # Errors
    /// The target refuses or cannot be reached.
    pub async fn invoke_streaming(&self, invoke: Invoke) -> Result<Answer, CallError> {
        let connection = self.connection();
        let dry = ResponseStreamingInvocationType::DryRun;
        let call = connection
            .invoking()
            .invoke_with_response_stream()
            .function_name(self.name())
            .set_qualifier(invoke.qualifier)
            .set_invocation_type((invoke.kind == InvokeKind::DryRun).then_some(dry))
            .set_log_type(invoke.log_tail.then_some(LogType::Tail))
            .payload(Blob::new(invoke.payload));
        let answer = connection.answered(OPERATION, call.send().await)?;
        Ok(Answer {
            connection: Arc::clone(connection),
            answer,
        })
    }
}

impl Answer {
    /// The version that runs.
    #[must_use]
    pub fn executed_version(&self) -> Option<&str> {
        self.answer.executed_version()
    }

    /// The id of the invocation.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.answer.request_id()
    }

    /// The next part; the end is the last.
    ///
    /// # Errors
    /// The answer breaks off, or cannot be understood.
    pub async fn next(&mut self) -> Result<Option<Part>, CallError> {
        loop {
            let received = self.answer.event_stream.recv().await;
            let event = received.map_err(|error| {
                let told = DisplayErrorContext(&error).to_string();
                let failure = CallFailure::Unreadable(told);
                self.connection.failed(OPERATION, failure)
            })?;
            return Ok(Some(match event {
                None => return Ok(None),
                Some(Event::PayloadChunk(chunk)) => {
                    let bytes = chunk.payload.map(Blob::into_inner);
                    Part::Chunk(bytes.unwrap_or_default().into())
                }
                Some(Event::InvokeComplete(end)) => {
                    let log_tail = match end.log_result {
                        Some(encoded) => Some(self.connection.log_tail(OPERATION, &encoded)?),
                        None => None,
                    };
                    Part::End(End {
                        function_error: end.error_code,
                        error_details: end.error_details,
                        report: log_tail.as_deref().and_then(Report::find),
                        log_tail,
                    })
                }
                // An event that this release does not know.
                Some(_) => continue,
            }));
        }
    }
}
