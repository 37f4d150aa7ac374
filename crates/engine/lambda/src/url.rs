//! Function URLs: plain HTTP into an invocation and back.
//!
//! - [`FunctionUrl`]: one of them, as the server finds it by its id.
//! - [`UrlRequest`]: what came for it; [`Lambda::serve_url`] answers.
//!
//! Inside: `event` writes the request as the event that the function gets, `answer` and `prelude`
//! read what it says, `cors` adds what the configuration allows web pages, `serve` is the way from
//! the one to the other. Whose signature a request carries is the server's to find out; whether the
//! function's policy opens it to him is asked here.

mod answer;
mod cors;
mod event;
mod prelude;
mod serve;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response};
use ids::RequestId;
use policy::{Context, Principal, key};
use wire::lambda::FunctionUrlAuthType;
use wire::{Body, ServiceError};

use crate::authorization::INVOKE;
use crate::function::target::Target;
use crate::function::url;
use crate::service::Lambda;

/// What a caller of a function URL needs to be allowed, both of it.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>.
pub const URL_ACTIONS: [&str; 2] = ["lambda:InvokeFunctionUrl", INVOKE];

/// How many characters the id of a function URL has: letters in lower case and digits.
pub const URL_ID_LENGTH: usize = url::ID_LENGTH;

/// A function URL. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FunctionUrl(Arc<url::FunctionUrl>);

/// A request for a function URL, which whoever sent it may make.
#[derive(Debug)]
pub struct UrlRequest<'r> {
    /// Its head.
    pub parts: &'r Parts,
    /// The path as the function is to see it, still encoded.
    pub path: &'r str,
    /// The host name of the URL, without a port.
    pub domain: &'r str,
    /// All of its body.
    pub body: Bytes,
    /// Where it came from.
    pub peer: IpAddr,
    /// The id of the invocation.
    pub id: RequestId,
    /// Who signed it, where the URL asks for that.
    pub signer: Option<Signer>,
}

/// Who signed a request.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The id half of the access key.
    pub access_key: String,
    /// The account.
    pub account: Arc<str>,
    /// The ARN of the user or the session.
    pub arn: String,
    /// Its id.
    pub id: String,
}

impl FunctionUrl {
    /// Whether whoever calls must sign.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.0.record.auth_type != FunctionUrlAuthType::None
    }

    /// The ARN of the function or the alias that it leads to.
    #[must_use]
    pub fn arn(&self) -> String {
        self.0.arn()
    }

    /// The account of the function.
    #[must_use]
    pub fn account(&self) -> &Arc<str> {
        &self.0.key.account
    }

    /// The region of the function.
    #[must_use]
    pub fn region(&self) -> &Arc<str> {
        &self.0.key.region
    }

    /// Says in `context` what conditions may ask about a call of this URL.
    pub fn describe(&self, context: &mut Context) {
        let auth_type = self.0.record.auth_type.as_str();
        context.set(key::LAMBDA_FUNCTION_URL_AUTH_TYPE, [auth_type]);
        context.set(key::LAMBDA_INVOKED_VIA_FUNCTION_URL, ["true"]);
    }

    /// The answer to a browser that asks whether a page may call, which never reaches the function.
    #[must_use]
    pub fn preflight(&self, parts: &Parts) -> Option<Response<Body>> {
        cors::preflight(self.0.record.cors.as_ref()?, parts)
    }

    /// Adds to an answer what web pages must be told.
    pub fn allow_pages(&self, parts: &Parts, answer: &mut Response<Body>) {
        if let Some(cors) = &self.0.record.cors {
            cors::allow(cors, &parts.headers, answer.headers_mut());
        }
    }

    fn target(&self) -> Target {
        Target {
            key: self.0.key.clone(),
            qualifier: self.0.alias().map(str::to_owned),
        }
    }
}

impl Lambda {
    /// The function URL of that id.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn function_url(&self, id: &str) -> Result<Option<FunctionUrl>, ServiceError> {
        let found = self.inner.registry.url(id).await?;
        Ok(found.map(FunctionUrl))
    }

    /// Whether the resource policy opens `url` to everybody, or, where `account` signed, to that.
    /// Those of its own account have the permissions of their identity, which the server judges where
    /// it is told to.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn url_is_open_to(
        &self,
        url: &FunctionUrl,
        account: Option<&Arc<str>>,
    ) -> Result<bool, ServiceError> {
        let principal = match account {
            Some(account) if account == url.account() => return Ok(true),
            Some(account) => Principal::Root {
                account: account.to_string(),
            },
            None => Principal::Anonymous,
        };
        let mut context = Context::new();
        principal.describe(&mut context);
        url.describe(&mut context);
        let target = url.target();
        for action in URL_ACTIONS {
            let registry = &self.inner.registry;
            let decision = registry
                .judge(&principal, &target, action, &context)
                .await?;
            if !decision.allowed() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Runs the function and answers with what it says.
    pub async fn serve_url(&self, url: &FunctionUrl, request: UrlRequest<'_>) -> Response<Body> {
        let mut answer = self.inner.serve_url(url, &request).await;
        url.allow_pages(request.parts, &mut answer);
        answer
    }
}

/// JSON, as AWS says it of most answers.
const JSON: HeaderValue = HeaderValue::from_static("application/json");
