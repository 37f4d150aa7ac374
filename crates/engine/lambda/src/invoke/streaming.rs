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

use super::curtain::{self, Stage};
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
            .curtain
            .unless_fallen(self.begin_version(&target, version, job, Some(link)))
            .await?;
        let telling = Telling {
            id: caller.request_id,
            parts,
            running: begun.running,
            stage: self.curtain.stage(),
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
    stage: Stage,
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
    match step {
        Step::Answer(telling) => {
            let mut stage = telling.stage.clone();
            tokio::select! {
                biased;
                told = tell(telling) => Some(told),
                () = stage.over() => Some((Ok(stopped()), Step::Nothing)),
            }
        }
        Step::Complete(end) => Some((Ok(Event::InvokeComplete(end)), Step::Nothing)),
        Step::Nothing => None,
    }
}

/// What the invocation says next.
async fn tell(mut telling: Telling) -> (Result<Event, ServiceError>, Step) {
    while let Some(part) = telling.parts.recv().await {
        match part {
            Part::Head(_) => telling.streamed = true,
            Part::Data(bytes) => return (Ok(chunk(bytes)), Step::Answer(telling)),
        }
    }
    let finished = match telling.running.await {
        Ok(finished) => finished,
        Err(error) => return (Err(broken_off(&error)), Step::Nothing),
    };
    let mut end = InvokeWithResponseStreamCompleteEvent {
        log_result: telling.with_log.then(|| STANDARD.encode(&finished.tail)),
        ..Default::default()
    };
    match finished.answer {
        Ok(whole) if !telling.streamed && !whole.is_empty() => {
            return (Ok(chunk(whole)), Step::Complete(end));
        }
        Ok(_) => {}
        Err(failure) => {
            let details = failure.payload(telling.id);
            end.error_code = Some("Unhandled".to_owned());
            end.error_details = Some(String::from_utf8_lossy(&details).into_owned());
        }
    }
    (Ok(Event::InvokeComplete(end)), Step::Nothing)
}

/// The end of an invocation that the engine does not see through.
fn stopped() -> Event {
    let error = curtain::stopped();
    Event::InvokeComplete(InvokeWithResponseStreamCompleteEvent {
        error_code: Some(error.code.into_owned()),
        error_details: error.message,
        ..Default::default()
    })
}

fn chunk(bytes: Bytes) -> Event {
    Event::PayloadChunk(InvokeResponseStreamUpdate {
        payload: Some(bytes),
    })
}
