//! The services, mounted: a request goes to the one it is signed for, and services call one
//! another here, in process.

use std::any::Any;
use std::sync::Arc;

use http::Response;
use http::request::Parts;
use hyper::body::Incoming;
use ids::RequestId;
use lambda::Lambda;
use logs::Logs;
use wire::protocol::{Head, Request, RestJson};
use wire::{
    Body, BoxFuture, Call, Caller, Dispatch, Limits, Named, Principal, Service, ServiceError,
};

use crate::body::{Bodies, Room};
use crate::credentials;

/// Every service that this engine serves.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub(crate) lambda: Lambda,
    pub(crate) logs: Logs,
    /// The account of callers whose credentials name none.
    pub(crate) account: Arc<str>,
    /// The region of callers whose signature names none.
    pub(crate) region: Arc<str>,
    pub(crate) bodies: Bodies,
}

impl Services {
    /// Serves one signed request; whatever comes of it is said in the protocol of its service.
    pub(crate) async fn serve(
        &self,
        parts: &Parts,
        body: Incoming,
        request_id: RequestId,
    ) -> Response<Body> {
        let scope = match credentials::scope(parts) {
            Ok(scope) => scope,
            Err(error) => return refusal(error, request_id),
        };
        let caller = Caller {
            account: self.account_of(&scope.access_key_id),
            region: if scope.region == *self.region || scope.region.is_empty() {
                Arc::clone(&self.region)
            } else {
                scope.region.as_str().into()
            },
            principal: self.principal(&scope.access_key_id),
            request_id,
        };
        let not_served = || {
            ServiceError::new(
                "UnknownOperationException",
                404,
                format!(
                    "This engine does not serve the service `{}`; `lambdalab api` lists what it \
                     serves.",
                    scope.service
                ),
            )
        };
        let Some(service) = Service::from_signing_name(&scope.service) else {
            return refusal(not_served(), request_id);
        };
        let served = match service {
            Service::Lambda => self.lambda(parts, body, &caller).await,
            Service::Logs => self.logs(parts, body, &caller).await,
            _ => Err(not_served()),
        };
        served.unwrap_or_else(|error| error.into_response_of(service, request_id))
    }

    async fn lambda(
        &self,
        parts: &Parts,
        body: Incoming,
        caller: &Caller,
    ) -> Result<Response<Body>, ServiceError> {
        let (operation, request, _room) = self.read(wire::lambda::head(parts), body).await?;
        wire::lambda::serve(&self.lambda, operation, caller, request).await
    }

    async fn logs(
        &self,
        parts: &Parts,
        body: Incoming,
        caller: &Caller,
    ) -> Result<Response<Body>, ServiceError> {
        let (operation, request, _room) = self.read(wire::logs::head(parts), body).await?;
        wire::logs::serve(&self.logs, operation, caller, request).await
    }

    /// The whole request, its operation, and the room that it takes.
    async fn read<'r, Op: Named + Limits>(
        &self,
        head: Result<Head<'r, Op>, ServiceError>,
        body: Incoming,
    ) -> Result<(Op, Request<'r>, Room), ServiceError> {
        let head = head?;
        let limit = head.body_limit();
        let (body, room) = self.bodies.read(body, limit, || head.too_large()).await?;
        let (operation, request) = head.with_body(body)?;
        Ok((operation, request, room))
    }

    /// Twelve digits as an access key id choose the account; everything else is the default one's.
    fn account_of(&self, access_key_id: &str) -> Arc<str> {
        let digits = access_key_id.len() == 12 && access_key_id.bytes().all(|b| b.is_ascii_digit());
        if digits {
            access_key_id.into()
        } else {
            Arc::clone(&self.account)
        }
    }

    fn principal(&self, access_key_id: &str) -> Principal {
        match self.lambda.function_of(access_key_id) {
            Some(function) => Principal::Function {
                arn: Arc::clone(&function.arn),
                role: Arc::clone(&function.role),
            },
            None => Principal::Account {
                access_key_id: access_key_id.into(),
            },
        }
    }
}

/// The answer to an error that is nobody's yet: only a service has a protocol to say it in, so this
/// uses the one whose errors most clients can read.
pub(crate) fn refusal(error: ServiceError, request_id: RequestId) -> Response<Body> {
    error.into_response(&RestJson, request_id)
}

impl Dispatch for Services {
    fn dispatch(&self, call: Call) -> BoxFuture<'_, Result<Box<dyn Any + Send>, ServiceError>> {
        Box::pin(async move {
            match call.service {
                Service::Lambda => wire::lambda::dispatch(&self.lambda, call).await,
                Service::Logs => wire::logs::dispatch(&self.logs, call).await,
                other => Err(ServiceError::new(
                    "UnknownOperationException",
                    404,
                    format!(
                        "This engine does not serve the service `{}`.",
                        other.signing_name()
                    ),
                )),
            }
        })
    }
}
