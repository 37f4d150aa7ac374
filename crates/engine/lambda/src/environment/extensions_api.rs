//! The Lambda Extensions API, served beside the Runtime API.
//!
//! Paths, headers and status codes:
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>. Types of errors and their
//! wording: AWS's runtime interface emulator, which is Lambda's own code.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hyper::body::Incoming;
use ids::RequestId;
use serde::Deserialize;
use serde_json::json;

use super::Environment;
use super::answers::{self, Answer, refuse};
use super::roster::{Complaint, Fault, Interests, LIMIT};

/// Where it is served.
pub(super) const ROOT: &str = "/2020-01-01/extension/";

const NAME: &str = "lambda-extension-name";
const IDENTIFIER: &str = "lambda-extension-identifier";
const EVENT_IDENTIFIER: &str = "lambda-extension-event-identifier";
const ACCEPT_FEATURE: &str = "lambda-extension-accept-feature";
const ERROR_TYPE: &str = "lambda-extension-function-error-type";

/// The longest body of a registration or an error that is taken.
const BODY_LIMIT: usize = 256 << 10;

/// What an extension registers for.
#[derive(Debug, Deserialize)]
struct Registration {
    #[serde(default)]
    events: Vec<String>,
}

/// Answers a request for `path` below [`ROOT`].
pub(super) async fn handle(
    environment: &Arc<Environment>,
    path: &str,
    head: &Parts,
    body: Incoming,
) -> Answer {
    match (&head.method, path) {
        (&Method::POST, "register") => register(environment, &head.headers, body).await,
        (&Method::GET, "event/next") => next(environment, &head.headers).await,
        (&Method::POST, "init/error") => report(environment, &head.headers, Fault::Init),
        (&Method::POST, "exit/error") => report(environment, &head.headers, Fault::Exit),
        _ => refuse(StatusCode::NOT_FOUND, "UnknownPath", "404 page not found"),
    }
}

async fn register(environment: &Arc<Environment>, headers: &HeaderMap, body: Incoming) -> Answer {
    let Some(name) = text(headers, NAME).filter(|name| !name.is_empty()) else {
        return forbid("Extension.InvalidExtensionName", "Empty extension name");
    };
    let registration = match answers::whole(body, BODY_LIMIT).await {
        Ok(body) => serde_json::from_slice::<Registration>(&body),
        Err(refusal) => return answers::refused(refusal),
    };
    let registration = match registration {
        Ok(registration) => registration,
        Err(error) => return forbid("InvalidRequestFormat", &error.to_string()),
    };
    let mut interests = Interests::default();
    for event in &registration.events {
        match event.as_str() {
            "INVOKE" => interests.invoke = true,
            "SHUTDOWN" => interests.shutdown = true,
            other => {
                let message = format!("{other}: ErrorInvalidEventType");
                return forbid("Extension.InvalidEventType", &message);
            }
        }
    }
    let id = match environment.register_extension(name, interests) {
        Ok(id) => id,
        Err(complaint) => return complain(&complaint, name),
    };
    let deployment = &environment.deployment;
    let mut answer = json!({
        "functionName": deployment.key.name.to_string(),
        "functionVersion": &*deployment.version,
        "handler": deployment.handler,
    });
    let features = text(headers, ACCEPT_FEATURE).unwrap_or_default();
    if features
        .split(',')
        .any(|feature| feature.trim() == "accountId")
        && let Some(members) = answer.as_object_mut()
    {
        members.insert("accountId".to_owned(), json!(&*deployment.key.account));
    }
    let mut answer = answers::json(StatusCode::OK, Bytes::from(answer.to_string()));
    identify(&mut answer, IDENTIFIER, id);
    answer
}

async fn next(environment: &Arc<Environment>, headers: &HeaderMap) -> Answer {
    let id = match identified(environment, headers) {
        Ok(id) => id,
        Err(stranger) => return stranger.answer(),
    };
    let event = match environment.next_extension_event(id).await {
        Ok(event) => event,
        Err(complaint) => return complain(&complaint, &id.to_string()),
    };
    let mut answer = answers::json(StatusCode::OK, event);
    identify(&mut answer, EVENT_IDENTIFIER, environment.draw_id());
    answer
}

/// What else an extension says of its error stays with it: AWS shows the type alone.
fn report(environment: &Arc<Environment>, headers: &HeaderMap, fault: Fault) -> Answer {
    let id = match identified(environment, headers) {
        Ok(id) => id,
        Err(stranger) => return stranger.answer(),
    };
    let Some(error_type) = text(headers, ERROR_TYPE).filter(|kind| !kind.is_empty()) else {
        let message = "Lambda-Extension-Function-Error-Type not found";
        return forbid("Extension.MissingHeader", message);
    };
    match environment.extension_reports(id, fault, error_type) {
        Ok(()) => answers::settle(Ok(())),
        Err(complaint) => complain(&complaint, &id.to_string()),
    }
}

/// A caller that names no extension of the environment.
#[derive(Debug)]
pub(super) enum Stranger {
    /// It sends no identifier.
    Nameless,
    /// What it sends is none.
    Malformed,
    /// Nobody has registered by it.
    Unknown(RequestId),
}

impl Stranger {
    pub(super) fn answer(&self) -> Answer {
        match self {
            Self::Nameless => forbid(
                "Extension.MissingExtensionIdentifier",
                "Missing Lambda-Extension-Identifier header",
            ),
            Self::Malformed => forbid(
                "Extension.InvalidExtensionIdentifier",
                "Invalid Lambda-Extension-Identifier",
            ),
            Self::Unknown(id) => complain(&Complaint::Unknown, &id.to_string()),
        }
    }
}

/// Who calls, by the identifier that registration gave out.
pub(super) fn identified(
    environment: &Environment,
    headers: &HeaderMap,
) -> Result<RequestId, Stranger> {
    let id = text(headers, IDENTIFIER).filter(|id| !id.is_empty());
    let id = id.ok_or(Stranger::Nameless)?;
    let id = id.parse().map_err(|_| Stranger::Malformed)?;
    if environment.roster().knows(id) {
        Ok(id)
    } else {
        Err(Stranger::Unknown(id))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn identify(answer: &mut Answer, header: &'static str, id: RequestId) {
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        answer.headers_mut().insert(header, id);
    }
}

fn forbid(error_type: &str, message: &str) -> Answer {
    refuse(StatusCode::FORBIDDEN, error_type, message)
}

fn complain(complaint: &Complaint, who: &str) -> Answer {
    match complaint {
        Complaint::Unknown => forbid(
            "Extension.UnknownExtensionIdentifier",
            &format!("Unknown extension {who}"),
        ),
        Complaint::WrongState { from, to } => forbid(
            "Extension.InvalidExtensionState",
            &format!(
                "State transition from {from} to {to} failed for extension {who}. Error: State \
                 transition is not allowed"
            ),
        ),
        Complaint::NameTaken => forbid(
            "Extension.InvalidExtensionState",
            "Extension with this name already registered",
        ),
        Complaint::Closed => forbid(
            "Extension.RegistrationClosed",
            "Extension registration closed already",
        ),
        Complaint::TooMany => forbid(
            "Extension.TooManyExtensions",
            &format!("Extension limit ({LIMIT}) reached"),
        ),
        Complaint::NoShutdown => forbid(
            "Extension.InvalidEventType",
            "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension",
        ),
    }
}
