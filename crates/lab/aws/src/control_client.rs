//! Calls of the engine's control API.
//!
//! One connection a call: these are rare, and a lease is nothing but a connection that stays.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// An engine that is there answers this within milliseconds; a loaded machine gets its chance.
const PATIENCE: Duration = Duration::from_secs(10);

/// More than any answer of the control API has.
const LARGEST_ANSWER: usize = 4 << 20;

/// What every caller of a local engine says of itself. An engine on loopback takes any
/// credentials, but wants the header: a web page in a browser cannot send it unasked.
const CREDENTIALS: &str = "AWS4-HMAC-SHA256 Credential=lambdalab/20260101/us-east-1/lambdalab/\
                           aws4_request, SignedHeaders=host, Signature=0";

/// Why the control API gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nothing listens there.
    #[error("nothing answers at {0}")]
    NotThere(String),
    /// Something listens but does not answer in time.
    #[error("{0} did not answer within {PATIENCE:?}")]
    Silent(String),
    /// Not an address of an engine.
    #[error("`{0}` is not the address of an engine")]
    BadAddress(String),
    /// The connection broke.
    #[error("the connection to {endpoint} broke: {source}")]
    Broken {
        /// Where.
        endpoint: String,
        /// What HTTP said.
        source: hyper::Error,
    },
    /// The engine refused, and said why.
    #[error("the engine refused: {0}")]
    Refused(String),
    /// What was to be sent cannot be read.
    #[error("the archive cannot be read: {0}")]
    Archive(std::io::Error),
    /// The answer is not one of an engine.
    #[error("{endpoint}{path} answered with {what}: is another program listening there?")]
    Foreign {
        /// Where.
        endpoint: String,
        /// What was asked.
        path: String,
        /// What came.
        what: String,
    },
}

/// A connection whose answer has begun. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct OpenAnswer {
    response: Response<Incoming>,
    connection: JoinHandle<()>,
}

impl Drop for OpenAnswer {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Asks, and leaves the answer's body unread.
pub(crate) async fn open(endpoint: &str, path: &'static str) -> Result<OpenAnswer, ControlError> {
    let request = ask(endpoint, Method::GET, path, Empty::<Bytes>::new());
    let asked = tokio::time::timeout(PATIENCE, request).await;
    let answer = asked.map_err(|_| ControlError::Silent(endpoint.to_owned()))??;
    if answer.response.status() == StatusCode::OK {
        return Ok(answer);
    }
    Err(ControlError::Foreign {
        endpoint: endpoint.to_owned(),
        path: path.to_owned(),
        what: answer.response.status().to_string(),
    })
}

/// What comes with a refusal.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// Sends a body, however long that takes, and reads the document that comes back.
pub(crate) async fn call<T, B>(
    endpoint: &str,
    method: Method,
    path: &str,
    body: B,
) -> Result<T, ControlError>
where
    T: DeserializeOwned,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut answer = ask(endpoint, method, path, body).await?;
    let foreign = |what: String| ControlError::Foreign {
        endpoint: endpoint.to_owned(),
        path: path.to_owned(),
        what,
    };
    let status = answer.response.status();
    let body = Limited::new(answer.response.body_mut(), LARGEST_ANSWER).collect();
    let document = body
        .await
        .map_err(|error| foreign(error.to_string()))?
        .to_bytes();
    if status.is_success() {
        return serde_json::from_slice(&document).map_err(|error| foreign(error.to_string()));
    }
    match serde_json::from_slice(&document) {
        Ok(Refusal { message }) => Err(ControlError::Refused(message)),
        Err(_) => Err(foreign(status.to_string())),
    }
}

/// Asks for a document.
pub(crate) async fn get<T: DeserializeOwned>(
    endpoint: &str,
    path: &'static str,
) -> Result<T, ControlError> {
    let mut answer = open(endpoint, path).await?;
    let foreign = |what: String| ControlError::Foreign {
        endpoint: endpoint.to_owned(),
        path: path.to_owned(),
        what,
    };
    let body = Limited::new(answer.response.body_mut(), LARGEST_ANSWER).collect();
    let body = tokio::time::timeout(PATIENCE, body)
        .await
        .map_err(|_| ControlError::Silent(endpoint.to_owned()))?
        .map_err(|error| foreign(error.to_string()))?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| foreign(error.to_string()))
}

async fn ask<B>(
    endpoint: &str,
    method: Method,
    path: &str,
    body: B,
) -> Result<OpenAnswer, ControlError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let bad = || ControlError::BadAddress(endpoint.to_owned());
    let broken = |source| ControlError::Broken {
        endpoint: endpoint.to_owned(),
        source,
    };
    let uri: Uri = endpoint.parse().map_err(|_| bad())?;
    let host = uri.host().ok_or_else(bad)?.trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80)))
        .await
        .map_err(|_| ControlError::NotThere(endpoint.to_owned()))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let connection = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the engine ended");
        }
    });
    let authority = uri.authority().ok_or_else(bad)?.as_str();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, authority)
        .header(AUTHORIZATION, CREDENTIALS)
        .body(body)
        .map_err(|_| bad())?;
    match sender.send_request(request).await {
        Ok(response) => Ok(OpenAnswer {
            response,
            connection,
        }),
        Err(source) => {
            connection.abort();
            Err(broken(source))
        }
    }
}
