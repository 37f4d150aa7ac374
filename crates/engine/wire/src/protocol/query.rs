//! The documents, errors and routing of `query`.

mod form;
mod xml;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Response};
use ids::RequestId;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::form::Form;
use self::xml::Xml;
use crate::protocol::{Answered, Head, Protocol, QueryNames, Request};
use crate::{Body, Fault, Limits, Named, ServiceError};

/// AWS's `query`: a form that names the operation in `Action`, answered in XML.
///
/// The form is the query string, the body, or both, whatever the method: presigned URLs have
/// everything in the query string, SDKs post a body.
///
/// Source: <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// The parameter `Version`.
    pub version: &'static str,
    /// The namespace of the answers.
    pub namespace: &'static str,
}

impl Query {
    /// The head of a request, which says no more than how much may follow.
    ///
    /// # Errors
    /// Never; the head of the other protocols may be wrong.
    pub fn head<'r, Op: Named + Limits>(
        &self,
        parts: &'r Parts,
    ) -> Result<Head<'r, Op>, ServiceError> {
        Ok(Head::in_body(self.version, parts))
    }
}

/// The operation that the form names.
pub(super) fn operation<Op: Named>(
    version: &'static str,
    request: &Request<'_>,
) -> Result<Op, ServiceError> {
    let form = Form::of(request)?;
    let action = form.text("Action").ok_or_else(|| {
        ServiceError::new(
            "MissingAction",
            400,
            "The request must contain the parameter Action",
        )
    })?;
    let asked = form.text("Version").unwrap_or("NO_VERSION_SPECIFIED");
    Op::named(action)
        .filter(|_| asked == version)
        .ok_or_else(|| {
            ServiceError::new(
                "InvalidAction",
                400,
                format!("Could not find operation {action} for version {asked}"),
            )
        })
}

impl Protocol for Query {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("text/xml")
    }

    fn read<T: DeserializeOwned + Default>(
        &self,
        request: &Request<'_>,
    ) -> Result<T, ServiceError> {
        Form::of(request)?.document()
    }

    fn write<T: Serialize>(&self, document: &T, of: Answered) -> Result<Bytes, ServiceError> {
        self.write_with(document, of, None)
    }

    fn write_nothing(&self, of: Answered) -> Option<Bytes> {
        Some(self.envelope("", of))
    }

    fn refuse(&self, error: ServiceError, request_id: RequestId) -> Response<Body> {
        self.refuse_with(error, request_id, "")
    }

    fn validation_code(&self) -> &'static str {
        "ValidationError"
    }
}

impl Query {
    /// Writes a document whose lists and maps are flattened where `names` says how.
    pub(super) fn write_with<T: Serialize>(
        &self,
        document: &T,
        of: Answered,
        names: Option<&'static QueryNames>,
    ) -> Result<Bytes, ServiceError> {
        let Answered { operation, .. } = of;
        let result = xml::text(document, names.map(|names| (names, operation)))
            .map_err(|_| ServiceError::internal(format!("{operation}'s answer is no XML")))?;
        Ok(self.envelope(
            &format!("<{operation}Result>{result}</{operation}Result>"),
            of,
        ))
    }

    /// An error, with further elements beside its code and message.
    pub(super) fn refuse_with(
        &self,
        error: ServiceError,
        request_id: RequestId,
        more: &str,
    ) -> Response<Body> {
        let kind = match error.fault {
            Fault::Client => "Sender",
            Fault::Server => "Receiver",
        };
        let body = format!(
            "<ErrorResponse xmlns=\"{}\"><Error><Type>{kind}</Type><Code>{}</Code>\
             <Message>{}</Message>{more}</Error><RequestId>{request_id}</RequestId></ErrorResponse>\n",
            self.namespace,
            Xml(spelled(&error.code)),
            Xml(error.message.as_deref().unwrap_or_default()),
        );
        let mut response = Response::new(Bytes::from(body).into());
        *response.status_mut() = error.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.content_type());
        headers.extend(error.headers);
        response
    }

    fn envelope(&self, result: &str, of: Answered) -> Bytes {
        let Answered {
            operation,
            request_id,
        } = of;
        format!(
            "<{operation}Response xmlns=\"{}\">{result}<ResponseMetadata>\
             <RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>\n",
            self.namespace,
        )
        .into()
    }
}

/// The errors that every service has are called otherwise in this protocol.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html>.
pub(super) fn spelled(code: &str) -> &str {
    match code {
        "AccessDeniedException" => "AccessDenied",
        "ExpiredTokenException" => "ExpiredToken",
        "IncompleteSignatureException" => "IncompleteSignature",
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        "MissingAuthenticationTokenException" => "MissingAuthenticationToken",
        "RequestEntityTooLargeException" => "RequestEntityTooLarge",
        "SerializationException" => "MalformedInput",
        "ServiceException" => "InternalFailure",
        "ThrottlingException" => "Throttling",
        "UnrecognizedClientException" => "InvalidClientTokenId",
        "UnsupportedOperationException" => "UnsupportedOperation",
        "ValidationException" => "ValidationError",
        other => other,
    }
}

#[cfg(test)]
mod tests;
