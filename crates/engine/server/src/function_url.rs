//! Requests for function URLs.
//!
//! They are no calls of the API: anybody may send them, web pages of other sites among them, and what
//! they may do is the URL's own to say. So the rules of [`crate::access`] do not hold for them, but
//! for one: only the exact form of a URL's host is taken for one, `ID.lambda-url.localhost`, with more
//! labels before `localhost` if need be, so that no name that leads somewhere else is.
//!
//! Tools that cannot look such names up have a path, `/_lambdalab/v1/url/ID/…`. There all the rules
//! hold, for pages under it would pass for the engine's own; and what it answers is marked as a
//! sandbox to browsers, for the same reason.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_SECURITY_POLICY;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};
use hyper::body::Incoming;
use ids::RequestId;
use lambda::{FunctionUrl, Signer, URL_ID_LENGTH, UrlRequest};
use policy::Principal;
use wire::lambda::LambdaOperation;
use wire::protocol::RestJson;
use wire::sigv4::Claim;
use wire::{Body, Limits as _, Service, ServiceError};

use crate::access::Access;
use crate::body::Room;
use crate::services::{Services, Visit};

/// What a browser is to make of pages that are served by path: nothing of the engine's.
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox");

/// The function URL that a request is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Addressed<'r> {
    id: String,
    /// The path as the function is to see it.
    path: &'r str,
    domain: String,
    by_path: bool,
}

impl<'r> Addressed<'r> {
    /// The URL whose host a request names.
    pub(crate) fn by_host(access: &Access, parts: &'r Parts) -> Option<Self> {
        let domain = access.function_url_host(parts)?;
        let (id, _) = domain.split_once('.')?;
        is_id(id).then(|| Self {
            id: id.to_owned(),
            path: parts.uri.path(),
            domain: domain.clone(),
            by_path: false,
        })
    }

    /// The URL whose path a request names, below a host of ours.
    pub(crate) fn by_path(parts: &'r Parts) -> Option<Self> {
        let rest = parts.uri.path().strip_prefix(control::URL_PATH)?;
        let (id, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        is_id(id).then(|| Self {
            id: id.to_owned(),
            path,
            domain: format!("{id}.lambda-url.localhost"),
            by_path: true,
        })
    }
}

fn is_id(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() == URL_ID_LENGTH && text.bytes().all(fits)
}

/// Answers a request for a function URL.
pub(crate) async fn serve(
    services: &Services,
    addressed: &Addressed<'_>,
    (parts, body): (&Parts, Incoming),
    peer: IpAddr,
    id: RequestId,
) -> Response<Body> {
    let mut answer = match services.lambda.function_url(&addressed.id).await {
        Err(error) => error.into_response(&RestJson, id),
        Ok(None) => unknown().into_response(&RestJson, id),
        Ok(Some(url)) => match url.preflight(parts) {
            Some(answer) => answer,
            None => invoke(services, &url, addressed, (parts, body), peer, id).await,
        },
    };
    if addressed.by_path {
        let headers = answer.headers_mut();
        headers.append(CONTENT_SECURITY_POLICY, SANDBOX);
    }
    answer
}

async fn invoke(
    services: &Services,
    url: &FunctionUrl,
    addressed: &Addressed<'_>,
    (parts, body): (&Parts, Incoming),
    peer: IpAddr,
    id: RequestId,
) -> Response<Body> {
    let admitted = if url.is_signed() {
        services.admit_signer(url, (parts, body), peer, id).await
    } else {
        services.admit_all(url, body).await
    };
    let (body, _room, signer) = match admitted {
        Ok(admitted) => admitted,
        Err(error) => {
            let mut answer = error.into_response(&RestJson, id);
            url.allow_pages(parts, &mut answer);
            return answer;
        }
    };
    let request = UrlRequest {
        parts,
        path: addressed.path,
        domain: &addressed.domain,
        body,
        peer,
        id,
        signer,
    };
    services.lambda.serve_url(url, request).await
}

/// The body of a request that may go on, the room it takes, and who signed it.
type Admitted = (Bytes, Room, Option<Signer>);

impl Services {
    /// Lets everybody in, where the function's policy does.
    async fn admit_all(&self, url: &FunctionUrl, body: Incoming) -> Result<Admitted, ServiceError> {
        if !self.lambda.url_is_open_to(url, None).await? {
            return Err(forbidden());
        }
        let (body, room) = self.url_body(body).await?;
        Ok((body, room, None))
    }

    /// Lets in who signed, where he may call this URL: by his own policies as far as policies are
    /// enforced, and by the function's.
    async fn admit_signer(
        &self,
        url: &FunctionUrl,
        (parts, body): (&Parts, Incoming),
        peer: IpAddr,
        id: RequestId,
    ) -> Result<Admitted, ServiceError> {
        let claim = Claim::read(parts).map_err(|_unsigned| forbidden())?;
        if claim.scope().service != Service::Lambda.signing_name() {
            return Err(forbidden());
        }
        let access_key = claim.scope().access_key_id.clone();
        let visit = self.visit(parts, claim, peer, id)?;
        let (body, room) = self.url_body(body).await?;
        if let Some(pending) = &visit.pending {
            pending.verify(&body)?;
        }
        let may = match (&self.enforcer, &visit.pending) {
            (Some(enforcer), Some(pending)) => {
                enforcer
                    .may_call_url(url, &visit.caller, &pending.identity, parts, peer)
                    .await?
            }
            _ => {
                let account = Some(&visit.caller.account);
                self.lambda.url_is_open_to(url, account).await?
            }
        };
        if !may {
            return Err(forbidden());
        }
        let signer = self.signer(access_key, &visit).await?;
        Ok((body, room, Some(signer)))
    }

    async fn url_body(&self, body: Incoming) -> Result<(Bytes, Room), ServiceError> {
        let operation = Some(LambdaOperation::Invoke);
        let headers = HeaderMap::new();
        let limit = LambdaOperation::body_limit(operation, &headers);
        let too_large = || LambdaOperation::too_large(operation, &headers);
        self.bodies.read(body, limit, too_large).await
    }

    /// Who the function is told to have been called by.
    async fn signer(&self, access_key: String, visit: &Visit<'_>) -> Result<Signer, ServiceError> {
        let account = Arc::clone(&visit.caller.account);
        let principal = match &visit.pending {
            Some(pending) => self
                .iam
                .authority(&pending.identity)
                .await?
                .principal
                .clone(),
            None => Principal::Root {
                account: account.to_string(),
            },
        };
        let arn = principal.arn();
        let id = match principal {
            Principal::User { id, .. } | Principal::Session { id, .. } => id,
            _ => account.to_string(),
        };
        Ok(Signer {
            access_key,
            account,
            arn,
            id,
        })
    }
}

fn forbidden() -> ServiceError {
    ServiceError::access_denied(Some("Forbidden".to_owned()))
}

/// There is no such URL, which AWS says without a word.
fn unknown() -> ServiceError {
    let mut error = ServiceError::new("ResourceNotFoundException", 404, String::new());
    error.message = None;
    error.message_member = "Message";
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    const ID: &str = "abcdefghijklmnopqrstuvwxyz234567";

    fn parts(host: &str, path: &str) -> Parts {
        let request = http::Request::builder().uri(path).header("host", host);
        request.body(()).unwrap().into_parts().0
    }

    fn access(listen: [u8; 4], verified: bool) -> Access {
        Access::new(SocketAddr::from((listen, 4566)), Vec::new(), verified)
    }

    #[test]
    fn a_host_of_the_exact_form_is_a_urls() {
        let access = access([127, 0, 0, 1], false);
        for host in [
            format!("{ID}.lambda-url.localhost:4566"),
            format!("{ID}.lambda-url.localhost"),
            format!("{ID}.LAMBDA-URL.us-east-1.localhost:1"),
        ] {
            let parts = parts(&host, "/a?b");
            let found = Addressed::by_host(&access, &parts).unwrap();
            assert_eq!((found.id.as_str(), found.path), (ID, "/a"), "{host}");
        }
    }

    #[test]
    fn every_other_host_is_not() {
        let access = access([127, 0, 0, 1], false);
        for host in [
            format!("{ID}.lambda-url.evil.example"),
            format!("{ID}.lambda-url.localhost.evil.example"),
            format!("{ID}.lambda-url.notlocalhost"),
            format!("{ID}.lambda-url"),
            format!("x.{ID}.lambda-url.localhost"),
            format!("u@{ID}.lambda-url.localhost"),
            format!("{ID}.localhost"),
            "short.lambda-url.localhost".to_owned(),
            "localhost".to_owned(),
        ] {
            assert_eq!(
                Addressed::by_host(&access, &parts(&host, "/")),
                None,
                "{host}"
            );
        }
    }

    #[test]
    fn an_engine_for_other_machines_goes_by_any_name() {
        let host = format!("{ID}.lambda-url.lab.corp.example");
        let parts = parts(&host, "/");
        let everywhere = access([0, 0, 0, 0], true);
        let found = Addressed::by_host(&everywhere, &parts).unwrap();
        assert_eq!(found.domain, host);
    }

    #[test]
    fn a_path_names_a_url_too() {
        for (path, seen) in [("", "/"), ("/", "/"), ("/a/b%2F", "/a/b%2F")] {
            let parts = parts("localhost", &format!("/_lambdalab/v1/url/{ID}{path}?q"));
            let found = Addressed::by_path(&parts).unwrap();
            assert_eq!((found.id.as_str(), found.path), (ID, seen));
        }
        for path in ["/_lambdalab/v1/url/short/", "/_lambdalab/v1/urls", "/"] {
            assert_eq!(Addressed::by_path(&parts("localhost", path)), None);
        }
    }
}
