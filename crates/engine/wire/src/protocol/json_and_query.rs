//! The documents, errors and routing of a service of `json` that once spoke `query` and still
//! understands it, which is SQS.
//!
//! The model knows the service as one of `json`; what `query` had names for of its own is data in
//! [`QueryNames`]. A form is brought to the names of the model before it is read, so that both
//! protocols are read into the same shapes by the same means. Answers go out in the protocol that
//! the request came in, and in `json` a header tells clients which code `query` has for an error:
//! some still match on that one.
//!
//! Source: <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait>.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};
use ids::RequestId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::aws_json::TARGET;
use super::query::{self, Form};
use super::rest_json::write_error;
use crate::protocol::{Answered, AwsJson, Head, Protocol, Query, Request};
use crate::validation::Validate;
use crate::{Body, Fault, Limits, Named, ServiceError};

const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// `json` with a `query` beside it.
#[derive(Debug, Clone, Copy)]
pub struct JsonAndQuery {
    /// The one.
    pub json: AwsJson,
    /// The other.
    pub query: Query,
    /// What is called otherwise in `query`.
    pub names: &'static QueryNames,
    /// The one in use.
    pub spoken: Spoken,
}

/// One of two protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    /// `json`.
    Json,
    /// `query`.
    Query,
}

/// What is called otherwise in `query` than in the model.
#[derive(Debug)]
pub struct QueryNames {
    /// The elements of lists and maps, which are all flattened.
    pub elements: &'static [Element],
    /// The errors that have another code.
    pub errors: &'static [QueryError],
}

/// What an element of a list or map is called.
#[derive(Debug)]
pub struct Element {
    /// The member that is the list or map.
    pub member: &'static str,
    /// The element's name; `*` in front stands for the operation's name.
    pub name: &'static str,
    /// What the key of a map's entry is called; its value is `Value`.
    pub key: &'static str,
}

/// An error in `query`.
#[derive(Debug)]
pub struct QueryError {
    /// Its code in `json`.
    pub code: &'static str,
    /// Its code in `query`.
    pub query: &'static str,
    /// Its message there, where that is another one.
    pub message: Option<&'static str>,
}

impl QueryNames {
    /// The element of the member `member` in answers of `operation`.
    pub(super) fn element(&self, member: &str, operation: &str) -> Option<(String, &'static str)> {
        let element = self.elements.iter().find(|e| e.member == member)?;
        let name = match element.name.strip_prefix('*') {
            Some(rest) => format!("{operation}{rest}"),
            None => element.name.to_owned(),
        };
        Some((name, element.key))
    }

    /// The members that the element `name` of a request for `operation` belongs to.
    fn members<'n>(
        &'n self,
        name: &'n str,
        operation: &'n str,
    ) -> impl Iterator<Item = &'n Element> {
        self.elements
            .iter()
            .filter(move |element| match element.name.strip_prefix('*') {
                Some(rest) => name.strip_prefix(operation) == Some(rest),
                None => element.name == name,
            })
    }

    /// The name of a parameter as the model would have it: `Attribute.1.Name` becomes
    /// `Attributes.1.key`. An element that several members have becomes each of them.
    pub(super) fn renamed(&self, parameter: &str, operation: &str) -> Vec<String> {
        let mut found = vec![String::new()];
        let mut entry_of: Option<&'static str> = None;
        let parts: Vec<&str> = parameter.split('.').collect();
        for (index, part) in parts.iter().enumerate() {
            let is_number = |part: &&str| part.parse::<u32>().is_ok();
            let of_entry = match (entry_of, *part) {
                (Some(_), "Value") => Some("value"),
                (Some(key), part) if part == key => Some("key"),
                _ => None,
            };
            if let Some(part) = of_entry {
                push(&mut found, &[part]);
                entry_of = None;
                continue;
            }
            let is_element = parts.get(index + 1).is_some_and(is_number);
            let elements: Vec<&Element> = match is_element {
                true => self.members(part, operation).collect(),
                false => Vec::new(),
            };
            match elements.first() {
                Some(first) => {
                    entry_of = Some(first.key);
                    // Once alone, or a name could double the names that it becomes time and again.
                    let several = if found.len() == 1 { elements.len() } else { 1 };
                    let members = elements.iter().take(several).map(|e| e.member);
                    let members: Vec<&str> = members.collect();
                    push(&mut found, &members);
                }
                None => push(&mut found, &[*part]),
            }
        }
        found
    }

    /// Code and message of an error in `query`.
    fn error(&self, error: &ServiceError) -> Option<&'static QueryError> {
        self.errors.iter().find(|known| known.code == error.code)
    }
}

/// Appends each of `parts` to each of `names`.
fn push(names: &mut Vec<String>, parts: &[&str]) {
    *names = names
        .iter()
        .flat_map(|name| {
            parts.iter().map(move |part| match name.is_empty() {
                true => (*part).to_owned(),
                false => format!("{name}.{part}"),
            })
        })
        .collect();
}

impl JsonAndQuery {
    /// In the protocol of that request: `json` names its operation in the head.
    #[must_use]
    pub fn of(mut self, parts: &Parts) -> Self {
        self.spoken = match parts.headers.contains_key(TARGET) {
            true => Spoken::Json,
            false => Spoken::Query,
        };
        self
    }

    /// Whether that request is one of `json`.
    #[must_use]
    pub fn speaks_json(&self, parts: &Parts) -> bool {
        self.of(parts).spoken == Spoken::Json
    }

    /// The head of a request.
    ///
    /// # Errors
    /// 400 where a request of `json` names no operation.
    pub fn head<'r, Op: Named + Limits>(
        &self,
        parts: &'r Parts,
    ) -> Result<Head<'r, Op>, ServiceError> {
        match self.of(parts).spoken {
            Spoken::Json => self.json.head(parts),
            Spoken::Query => self.query.head(parts),
        }
    }

    /// The form of a request of `query`, by the names of the model. A request to a queue's own URL
    /// need not name the queue again.
    ///
    /// # Errors
    /// 400 when it is no form.
    pub fn form<'r>(&self, request: &'r Request<'_>) -> Result<Form<'r>, ServiceError> {
        let form = Form::of(request)?;
        let operation = form.text("Action").unwrap_or_default().to_owned();
        let path = request.parts.uri.path();
        let names_queue = path.trim_matches('/').contains('/') && form.text("QueueUrl").is_none();
        let addressed = names_queue.then(|| ("QueueUrl".to_owned(), Cow::Borrowed(path)));
        Ok(form.renamed(
            |parameter| self.names.renamed(parameter, &operation),
            addressed,
        ))
    }

    fn query_code<'e>(&self, error: &'e ServiceError) -> &'e str {
        match self.names.error(error) {
            Some(known) => known.query,
            None => query::spelled(&error.code),
        }
    }
}

impl Protocol for JsonAndQuery {
    fn content_type(&self) -> HeaderValue {
        match self.spoken {
            Spoken::Json => self.json.content_type(),
            Spoken::Query => self.query.content_type(),
        }
    }

    fn read<T: DeserializeOwned + Default>(
        &self,
        request: &Request<'_>,
    ) -> Result<T, ServiceError> {
        match self.spoken {
            Spoken::Json => self.json.read(request),
            Spoken::Query => self.form(request)?.document(),
        }
    }

    fn write<T: Serialize>(&self, document: &T, of: Answered) -> Result<Bytes, ServiceError> {
        match self.spoken {
            Spoken::Json => self.json.write(document, of),
            Spoken::Query => self.query.write_with(document, of, Some(self.names)),
        }
    }

    fn write_nothing(&self, of: Answered) -> Option<Bytes> {
        match self.spoken {
            Spoken::Json => self.json.write_nothing(of),
            Spoken::Query => self.query.write_nothing(of),
        }
    }

    fn refuse(&self, mut error: ServiceError, request_id: RequestId) -> Response<Body> {
        let code = self.query_code(&error).to_owned();
        if self.spoken == Spoken::Query {
            if let Some(message) = self.names.error(&error).and_then(|known| known.message) {
                error.message = Some(message.to_owned());
            }
            error.code = code.into();
            return self.query.refuse_with(error, request_id, "<Detail/>");
        }
        let fault = match error.fault {
            Fault::Client => "Sender",
            Fault::Server => "Receiver",
        };
        error.code = format!("com.amazonaws.sqs#{}", error.code).into();
        let mut response = Response::new(write_error(&error, Some("__type")).into());
        // Unlike in other services of this protocol, the status is that of `query`.
        *response.status_mut() = error.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.json.content_type());
        if let Ok(value) = HeaderValue::from_str(&format!("{code};{fault}")) {
            headers.insert(QUERY_ERROR, value);
        }
        headers.extend(error.headers);
        response
    }

    /// One thing at a time: the first member that is missing, by its name alone.
    fn check<I: Validate>(&self, input: &I) -> Result<(), ServiceError> {
        match input.missing() {
            None => self.json.check(input),
            Some(member) => Err(ServiceError::new(
                self.json.validation_code,
                400,
                format!("The request must contain the parameter {member}."),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqs;

    const NAMES: &QueryNames = sqs::PROTOCOL.names;

    #[test]
    fn a_parameter_goes_by_the_name_of_the_model() {
        for (operation, parameter, members) in [
            (
                "SetQueueAttributes",
                "Attribute.1.Name",
                &["Attributes.1.key"][..],
            ),
            (
                "SetQueueAttributes",
                "Attribute.12.Value",
                &["Attributes.12.value"],
            ),
            ("ReceiveMessage", "AttributeName.1", &["AttributeNames.1"]),
            (
                "SendMessageBatch",
                "SendMessageBatchRequestEntry.1.MessageAttribute.2.Value.StringValue",
                &["Entries.1.MessageAttributes.2.value.StringValue"],
            ),
            ("TagQueue", "Tag.1.Key", &["Tags.1.key", "tags.1.key"]),
            ("SendMessage", "MessageBody", &["MessageBody"]),
            ("SendMessage", "Entries.1.Value", &["Entries.1.Value"]),
        ] {
            assert_eq!(NAMES.renamed(parameter, operation), members, "{parameter}");
        }
    }

    #[test]
    fn a_parameter_does_not_multiply() {
        let deep = "Tag.1.".repeat(1_000);
        assert_eq!(NAMES.renamed(&deep, "TagQueue").len(), 2);
    }

    fn spoken(target: Option<&str>) -> JsonAndQuery {
        let mut request = http::Request::post("/");
        if let Some(target) = target {
            request = request.header(TARGET, target);
        }
        sqs::PROTOCOL.of(&request.body(()).unwrap().into_parts().0)
    }

    fn refusal(target: Option<&str>) -> (Response<Body>, String) {
        let error = sqs::errors::queue_does_not_exist("The specified queue does not exist.");
        let id = RequestId::draw(&ids::SeededEntropy::new(1));
        let response = spoken(target).refuse(error, id);
        let body = response.body().whole().unwrap().to_vec();
        (response, String::from_utf8(body).unwrap())
    }

    #[test]
    fn an_error_has_a_code_in_each_protocol() {
        let (response, body) = refusal(Some("AmazonSQS.SendMessage"));
        assert_eq!(
            response.headers()["x-amzn-query-error"],
            "AWS.SimpleQueueService.NonExistentQueue;Sender"
        );
        assert!(
            body.contains(r#""__type":"com.amazonaws.sqs#QueueDoesNotExist""#),
            "{body}"
        );
        let (_, body) = refusal(None);
        assert!(
            body.contains(
                "<Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>The specified \
                 queue does not exist for this wsdl version.</Message><Detail/>"
            ),
            "{body}"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = sqs::PROTOCOL
            .check(&sqs::SendMessageRequest::default())
            .unwrap_err();
        assert_eq!(error.code, "MissingRequiredParameterException");
        assert_eq!(
            error.message.as_deref(),
            Some("The request must contain the parameter QueueUrl.")
        );
    }
}
