//! InvokeWithResponseStream: the answer as a stream of events, each sent as soon as its bytes are
//! there.
//!
//! Functions that answer as a whole are one chunk. The last event tells what came of the invocation;
//! where the function failed, also half way, it carries the document that Invoke answers with.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use ids::RequestId;
use std::sync::Arc;
use tokio::task::JoinHandle;
use wire::lambda::{
    InvokeResponseStreamUpdate, InvokeWithResponseStreamCompleteEvent,
    InvokeWithResponseStreamRequest, InvokeWithResponseStreamResponse,
    InvokeWithResponseStreamResponseEvent, LogType, ResponseStreamingInvocationType,
};
use wire::{Caller, EventStream, ServiceError};

use super::{Finished, Job, broken_off};
use crate::environment::outlet::{self, Part, Parts};
use crate::service::Inner;

impl Inner {
    pub(crate) async fn invoke_with_response_stream(
        self: &Arc<Self>,
        caller: &Caller,
        input: InvokeWithResponseStreamRequest,
    ) -> Result<InvokeWithResponseStreamResponse, ServiceError> {
        let (target, version) = self
            .find_invocable(caller, &input.function_name, input.qualifier)
            .await?;
        if input.invocation_type == Some(ResponseStreamingInvocationType::DryRun) {
            return Ok(InvokeWithResponseStreamResponse {
                status_code: Some(204),
                ..Default::default()
            });
        }
        let job = Job {
            with_log: input.log_type == Some(LogType::Tail),
            ..self.job(
                caller,
                &target,
                input.payload,
                input.client_context.as_deref(),
            )?
        };
        let (link, parts) = outlet::link();
        let begun = self
            .begin_version(&target, version, job, Some(link))
            .await?;
        let telling = Telling {
            id: caller.request_id,
            parts,
            running: begun.running,
            streamed: false,
            with_log: input.log_type == Some(LogType::Tail),
        };
        let events = stream::unfold(Step::Answer(telling), next);
        Ok(InvokeWithResponseStreamResponse {
            status_code: Some(200),
            executed_version: Some(begun.version.to_string()),
            event_stream: Some(EventStream::new(events)),
            response_stream_content_type: None,
        })
    }
}

type Event = InvokeWithResponseStreamResponseEvent;

/// An invocation of which its caller is being told.
struct Telling {
    id: RequestId,
    parts: Parts,
    running: JoinHandle<Finished>,
    /// Whether the function streams.
    streamed: bool,
    with_log: bool,
}

/// What is to be told next.
enum Step {
    Answer(Telling),
    Complete(InvokeWithResponseStreamCompleteEvent),
    Nothing,
}

async fn next(step: Step) -> Option<(Result<Event, ServiceError>, Step)> {
    let mut telling = match step {
        Step::Answer(telling) => telling,
        Step::Complete(end) => return Some((Ok(Event::InvokeComplete(end)), Step::Nothing)),
        Step::Nothing => return None,
    };
    while let Some(part) = telling.parts.recv().await {
        match part {
            Part::Head(_) => telling.streamed = true,
            Part::Data(bytes) => return Some((Ok(chunk(bytes)), Step::Answer(telling))),
        }
    }
    let finished = match telling.running.await {
        Ok(finished) => finished,
        Err(error) => return Some((Err(broken_off(&error)), Step::Nothing)),
    };
    let mut end = InvokeWithResponseStreamCompleteEvent {
        log_result: telling.with_log.then(|| STANDARD.encode(&finished.tail)),
        ..Default::default()
    };
    match finished.answer {
        Ok(whole) if !telling.streamed && !whole.is_empty() => {
            return Some((Ok(chunk(whole)), Step::Complete(end)));
        }
        Ok(_) => {}
        Err(failure) => {
            let details = failure.payload(telling.id);
            end.error_code = Some("Unhandled".to_owned());
            end.error_details = Some(String::from_utf8_lossy(&details).into_owned());
        }
    }
    Some((Ok(Event::InvokeComplete(end)), Step::Nothing))
}

fn chunk(bytes: Bytes) -> Event {
    Event::PayloadChunk(InvokeResponseStreamUpdate {
        payload: Some(bytes),
    })
}
