//! How an event ends, and what is told of it: a record for the destination of its outcome, the event
//! itself for the dead-letter target.
//!
//! Sources: AWS's recorded answers,
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html> and
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.

use bytes::Bytes;
use ids::{RequestId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::invoke::Finished;

/// How much of an error's message a dead letter carries, in bytes.
const ERROR_MESSAGE_LIMIT: usize = 1_024;

/// Why an event has ended, as AWS calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Condition {
    /// The function succeeded.
    Success,
    /// The function failed over it as often as it may.
    RetriesExhausted,
    /// It is, or would be by its next attempt, older than it may get.
    EventAgeExceeded,
    /// No concurrency at all is reserved for its function, and somebody wants to be told.
    ZeroReservedConcurrency,
    /// It goes on with a loop that is to be stopped. AWS documents no name for that.
    RecursiveLoop,
}

impl Condition {
    /// The same for people.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Success => "the function succeeded",
            Self::RetriesExhausted => "the function failed over it as often as it may",
            Self::EventAgeExceeded => "it has reached its maximum age",
            Self::ZeroReservedConcurrency => "no concurrency is reserved for its function",
            Self::RecursiveLoop => "its function is invoked in a loop",
        }
    }
}

/// An attempt that ran, and what came of it.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The version that ran.
    pub(crate) version: String,
    pub(crate) payload: Bytes,
    /// Whether the function failed.
    pub(crate) is_error: bool,
}

impl Answered {
    pub(super) fn of(finished: Finished, id: RequestId) -> Self {
        let (payload, is_error) = match finished.answer {
            Ok(payload) => (payload, false),
            Err(failure) => (failure.payload(id), true),
        };
        Self {
            version: finished.version.to_string(),
            payload,
            is_error,
        }
    }
}

/// The end of an event.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) condition: Condition,
    /// How often it ran.
    pub(crate) attempts: u32,
    /// The last attempt; none where that is no longer known.
    pub(crate) answered: Option<Answered>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    version: &'static str,
    timestamp: String,
    request_context: RequestContext<'a>,
    request_payload: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: String,
    function_arn: &'a str,
    condition: Condition,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'static str>,
}

impl Ending {
    /// The record that a destination gets.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub(super) fn record(
        &self,
        id: RequestId,
        function_arn: &str,
        event: &[u8],
        now: Timestamp,
    ) -> Result<Bytes, serde_json::Error> {
        let answered = self.answered.as_ref();
        let record = Record {
            version: "1.0",
            timestamp: now.iso_millis_z(),
            request_context: RequestContext {
                request_id: id.to_string(),
                function_arn,
                condition: self.condition,
                approximate_invoke_count: self.attempts,
            },
            request_payload: embedded(event)?,
            response_context: answered.map(|answered| ResponseContext {
                status_code: 200,
                executed_version: &answered.version,
                function_error: answered.is_error.then_some("Unhandled"),
            }),
            response_payload: answered
                .map(|answered| embedded(&answered.payload))
                .transpose()?,
        };
        serde_json::to_vec(&record).map(Bytes::from)
    }

    /// Code and message of the error, as a dead letter's attributes carry them.
    pub(super) fn error(&self) -> (u16, String) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Error {
            error_message: String,
        }
        match &self.answered {
            Some(answered) => {
                let error: Option<Error> = serde_json::from_slice(&answered.payload).ok();
                let message = error.map(|error| error.error_message).unwrap_or_default();
                (200, beginning(&message).to_owned())
            }
            None => {
                let code = match self.condition {
                    // That of RecursiveInvocationException.
                    Condition::RecursiveLoop => 400,
                    _ => 429,
                };
                (code, self.condition.reason().to_owned())
            }
        }
    }
}

/// The JSON as it is; what is none as a text.
fn embedded(payload: &[u8]) -> Result<Box<RawValue>, serde_json::Error> {
    let text = String::from_utf8_lossy(payload);
    match serde_json::from_str::<&RawValue>(&text) {
        Ok(raw) => Ok(raw.to_owned()),
        Err(_) => to_raw_value(&text),
    }
}

/// As much of a message as a dead letter carries.
fn beginning(message: &str) -> &str {
    let mut end = message.len().min(ERROR_MESSAGE_LIMIT);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}

#[cfg(test)]
mod tests {
    use ids::SeededEntropy;
    use serde_json::{Value, json};

    use super::*;

    const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST";

    fn record(ending: &Ending, event: &str) -> Value {
        let id = RequestId::draw(&SeededEntropy::new(1));
        let written = ending.record(id, ARN, event.as_bytes(), Timestamp(1_795_339_900_123_456));
        let mut record: Value = serde_json::from_slice(&written.unwrap()).unwrap();
        assert_eq!(record["requestContext"]["requestId"], id.to_string());
        assert!(record["requestContext"]["requestId"].take().is_string());
        record
    }

    #[test]
    fn a_record_says_what_aws_says() {
        let failed = Ending {
            condition: Condition::RetriesExhausted,
            attempts: 3,
            answered: Some(Answered {
                version: "$LATEST".to_owned(),
                payload: Bytes::from_static(br#"{"errorMessage":"no","errorType":"Exception"}"#),
                is_error: true,
            }),
        };
        assert_eq!(
            record(&failed, r#"{"n":1.50}"#),
            json!({
                "version": "1.0",
                "timestamp": "2026-11-22T09:31:40.123Z",
                "requestContext": {
                    "requestId": null,
                    "functionArn": ARN,
                    "condition": "RetriesExhausted",
                    "approximateInvokeCount": 3,
                },
                "requestPayload": {"n": 1.50},
                "responseContext": {
                    "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
                },
                "responsePayload": {"errorMessage": "no", "errorType": "Exception"},
            })
        );
        assert_eq!(failed.error(), (200, "no".to_owned()));
    }

    #[test]
    fn an_event_that_never_ran_has_no_response() {
        let unrun = Ending {
            condition: Condition::EventAgeExceeded,
            attempts: 0,
            answered: None,
        };
        let record = record(&unrun, "[]");
        assert_eq!(record["requestContext"]["condition"], "EventAgeExceeded");
        assert!(record.get("responseContext").is_none() && record.get("responsePayload").is_none());
    }

    #[test]
    fn an_answer_that_is_no_json_is_a_text() {
        let odd = Ending {
            condition: Condition::Success,
            attempts: 1,
            answered: Some(Answered {
                version: "1".to_owned(),
                payload: Bytes::from_static(b"not {json"),
                is_error: false,
            }),
        };
        let record = record(&odd, "1");
        assert_eq!(record["responsePayload"], "not {json");
        assert!(record["responseContext"].get("functionError").is_none());
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        let long = "é".repeat(600);
        assert_eq!(beginning(&long).len(), 1_024);
        let odd = format!("x{long}");
        assert_eq!(beginning(&odd).len(), 1_023);
    }
}
