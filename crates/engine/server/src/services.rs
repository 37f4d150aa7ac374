//! The services, mounted: a request goes to the one it is signed for, and services call one
//! another here, in process.

use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;

use http::Response;
use http::header::{CONTENT_TYPE, HOST};
use http::request::Parts;
use hyper::body::Incoming;
use iam::Iam;
use ids::RequestId;
use image::Images;
use lambda::Lambda;
use logs::Logs;
use sqs::Sqs;
use wire::protocol::{Head, Request, RestJson};
use wire::sigv4::Claim;
use wire::{
    Body, BoxFuture, Call, Caller, Dispatch, Limits, Named, Principal, Service, ServiceError,
};

use crate::auth::{Asked, Enforcer, Known, Pending, Verifier};
use crate::body::{Bodies, Room};

/// By what a caller names the trace that its call is part of.
const TRACE: &str = "x-amzn-trace-id";

/// What comes of a request.
type Served = Result<Response<Body>, ServiceError>;

/// A request on its way, of which the head has come.
pub(crate) struct Visit<'r> {
    parts: &'r Parts,
    pub(crate) caller: Caller,
    /// Where signatures are verified: what is left of that until the body has come.
    pub(crate) pending: Option<Pending<'r>>,
    peer: IpAddr,
}

/// Every service that this engine serves.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub(crate) lambda: Lambda,
    pub(crate) images: Images,
    pub(crate) logs: Logs,
    pub(crate) sqs: Sqs,
    pub(crate) iam: Iam,
    /// Where signatures are verified.
    pub(crate) verifier: Option<Verifier>,
    /// Where policies are enforced, which needs the former.
    pub(crate) enforcer: Option<Enforcer>,
    /// The account of callers whose credentials name none.
    pub(crate) account: Arc<str>,
    /// The region of callers whose signature names none.
    pub(crate) region: Arc<str>,
    pub(crate) bodies: Bodies,
}

impl Services {
    /// Serves one signed request from `peer`; whatever comes of it is said in the protocol of its
    /// service.
    pub(crate) async fn serve(
        &self,
        parts: &Parts,
        body: Incoming,
        peer: IpAddr,
        request_id: RequestId,
    ) -> Response<Body> {
        let claim = match Claim::read(parts) {
            Ok(claim) => claim,
            Err(error) => return refusal(error.into(), parts, request_id),
        };
        let name = &claim.scope().service;
        let Some(service) = Service::from_signing_name(name) else {
            return refusal(not_served(name), parts, request_id);
        };
        let served = match self.visit(parts, claim, peer, request_id) {
            Err(error) => Err(error),
            Ok(visit) => match service {
                Service::Lambda => self.lambda(body, &visit).await,
                Service::Logs => self.logs(body, &visit).await,
                Service::Iam => self.iam(body, &visit).await,
                Service::Sts => self.sts(body, &visit).await,
                Service::Sqs => self.sqs(body, &visit).await,
                Service::States | Service::S3 => {
                    return refusal(not_served(service.signing_name()), parts, request_id);
                }
            },
        };
        served.unwrap_or_else(|error| error.into_response_of(service, parts, request_id))
    }

    /// What the head says of who calls.
    ///
    /// # Errors
    /// Signatures are verified, and that of this request cannot be good, whatever the body.
    pub(crate) fn visit<'r>(
        &'r self,
        parts: &'r Parts,
        claim: Claim<'r>,
        peer: IpAddr,
        request_id: RequestId,
    ) -> Result<Visit<'r>, ServiceError> {
        let region = self.region(&claim.scope().region);
        let (account, principal, pending) = match &self.verifier {
            Some(verifier) => {
                let pending = verifier.begin(claim)?;
                let (account, principal) = pending.known.caller();
                (account, principal, Some(pending))
            }
            None => {
                let (account, principal) = self.claimed(&claim.scope().access_key_id);
                (account, principal, None)
            }
        };
        Ok(Visit {
            parts,
            caller: Caller {
                account,
                region,
                principal,
                host: parts.headers.get(HOST).cloned(),
                trace: parts.headers.get(TRACE).cloned(),
                request_id,
            },
            pending,
            peer,
        })
    }

    fn region(&self, named: &str) -> Arc<str> {
        if named == &*self.region || named.is_empty() {
            return Arc::clone(&self.region);
        }
        named.into()
    }

    async fn lambda(&self, body: Incoming, visit: &Visit<'_>) -> Served {
        let head = wire::lambda::head(visit.parts);
        let (operation, request, _room) = self.read(head, body, visit).await?;
        wire::lambda::serve(&self.lambda, operation, &visit.caller, request).await
    }

    async fn logs(&self, body: Incoming, visit: &Visit<'_>) -> Served {
        let head = wire::logs::head(visit.parts);
        let (operation, request, _room) = self.read(head, body, visit).await?;
        wire::logs::serve(&self.logs, operation, &visit.caller, request).await
    }

    async fn sqs(&self, body: Incoming, visit: &Visit<'_>) -> Served {
        let head = wire::sqs::head(visit.parts);
        let (operation, request, _room) = self.read(head, body, visit).await?;
        wire::sqs::serve(&self.sqs, operation, &visit.caller, request).await
    }

    async fn iam(&self, body: Incoming, visit: &Visit<'_>) -> Served {
        let head = wire::iam::head(visit.parts);
        let (operation, request, _room) = self.read(head, body, visit).await?;
        wire::iam::serve(&self.iam, operation, &visit.caller, request).await
    }

    async fn sts(&self, body: Incoming, visit: &Visit<'_>) -> Served {
        let head = wire::sts::head(visit.parts);
        let (operation, request, _room) = self.read(head, body, visit).await?;
        wire::sts::serve(&self.iam, operation, &visit.caller, request).await
    }

    /// The whole request, its operation, and the room that it takes; once this is there, its
    /// signature is verified and its caller may do it, where that is asked for.
    async fn read<'r, Op: Named + Limits>(
        &self,
        head: Result<Head<'r, Op>, ServiceError>,
        body: Incoming,
        visit: &Visit<'_>,
    ) -> Result<(Op, Request<'r>, Room), ServiceError> {
        let head = head?;
        let limit = head.body_limit();
        let (body, room) = self.bodies.read(body, limit, || head.too_large()).await?;
        if let Some(pending) = &visit.pending {
            pending.verify(&body)?;
        }
        let (operation, request) = head.with_body(body)?;
        if let (Some(enforcer), Some(pending)) = (&self.enforcer, &visit.pending) {
            enforcer
                .check(Asked {
                    service: Op::SERVICE,
                    operation: operation.name(),
                    request: &request,
                    caller: &visit.caller,
                    identity: &pending.identity,
                    peer: visit.peer,
                })
                .await?;
        }
        Ok((operation, request, room))
    }

    /// Whose access key it is, and the account that the call is for, where nobody verifies that. Of
    /// a key that nobody has been given, twelve digits choose the account; everything else is the
    /// default one's.
    fn claimed(&self, access_key_id: &str) -> (Arc<str>, Principal) {
        if let Some(known) = Known::find(&self.iam, &self.lambda, access_key_id) {
            return known.caller();
        }
        let digits = access_key_id.len() == 12 && access_key_id.bytes().all(|b| b.is_ascii_digit());
        let account = match digits {
            true => access_key_id.into(),
            false => Arc::clone(&self.account),
        };
        let principal = Principal::Account {
            access_key_id: access_key_id.into(),
        };
        (account, principal)
    }
}

fn not_served(service: &str) -> ServiceError {
    ServiceError::new(
        "UnknownOperationException",
        404,
        format!(
            "This engine does not serve the service `{service}`; `lambdalab api` lists what it \
             serves."
        ),
    )
}

/// The answer to an error that is nobody's yet: only a service has a protocol to say it in, so this
/// takes the one that the request itself looks to be in.
pub(crate) fn refusal(error: ServiceError, parts: &Parts, request_id: RequestId) -> Response<Body> {
    let kind = parts.headers.get(CONTENT_TYPE);
    let is_form = kind.is_some_and(|kind| kind.as_bytes().starts_with(FORM));
    if parts.headers.contains_key("x-amz-target") {
        error.into_response_of(Service::Logs, parts, request_id)
    } else if is_form && parts.uri.path() == "/" {
        error.into_response_of(Service::Sts, parts, request_id)
    } else {
        error.into_response(&RestJson, request_id)
    }
}

/// How bodies of the query protocol are announced.
const FORM: &[u8] = b"application/x-www-form-urlencoded";

impl Services {
    /// Refuses a call that policies do not permit, where they are enforced.
    fn check_call<'s>(
        &'s self,
        call: &Call,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send + use<'s> {
        let checked = self
            .enforcer
            .as_ref()
            .map(|enforcer| enforcer.check_call(call));
        async move {
            match checked {
                Some(checked) => checked.await,
                None => Ok(()),
            }
        }
    }
}

impl Dispatch for Services {
    fn dispatch(&self, call: Call) -> BoxFuture<'_, Result<Box<dyn Any + Send>, ServiceError>> {
        Box::pin(async move {
            self.check_call(&call).await?;
            match call.service {
                Service::Lambda => wire::lambda::dispatch(&self.lambda, call).await,
                Service::Logs => wire::logs::dispatch(&self.logs, call).await,
                Service::Sqs => wire::sqs::dispatch(&self.sqs, call).await,
                Service::Iam => wire::iam::dispatch(&self.iam, call).await,
                Service::Sts => wire::sts::dispatch(&self.iam, call).await,
                other => Err(not_served(other.signing_name())),
            }
        })
    }

    fn permits(&self, call: Call) -> BoxFuture<'_, Result<(), ServiceError>> {
        Box::pin(self.check_call(&call))
    }
}
