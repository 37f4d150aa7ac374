//! The services, mounted: a request goes to the one it is signed for, and services call one
//! another here, in process.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use ids::RequestId;
use lambda::Lambda;
use wire::lambda::LambdaOperation;
use wire::protocol::Request;
use wire::{BoxFuture, Call, Caller, Dispatch, Principal, Service, ServiceError};

use crate::body_budget::BodyBudget;
use crate::credentials;

/// Every service that this engine serves.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub(crate) lambda: Lambda,
    /// The account of callers whose credentials name none.
    pub(crate) account: Arc<str>,
    /// The region of callers whose signature names none.
    pub(crate) region: Arc<str>,
    /// What all request bodies together may take.
    pub(crate) bodies: BodyBudget,
}

impl Services {
    /// Serves one signed request.
    pub(crate) async fn serve(
        &self,
        parts: &Parts,
        body: Incoming,
        request_id: RequestId,
    ) -> Result<Response<Bytes>, ServiceError> {
        let scope = credentials::scope(parts)?;
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
        match Service::from_signing_name(&scope.service) {
            Some(Service::Lambda) => self.lambda(parts, body, &caller).await,
            _ => Err(ServiceError::new(
                "UnknownOperationException",
                404,
                format!(
                    "This engine does not serve the service `{}`; `lambdalab api` lists what it \
                     serves.",
                    scope.service
                ),
            )),
        }
    }

    async fn lambda(
        &self,
        parts: &Parts,
        body: Incoming,
        caller: &Caller,
    ) -> Result<Response<Bytes>, ServiceError> {
        let (operation, labels) = LambdaOperation::route(&parts.method, &parts.uri)
            .map_err(|miss| miss.error(&parts.method, &parts.uri))?;
        let limit = operation.body_limit(&parts.headers);
        let too_large = || operation.too_large(&parts.headers);
        let _room = self.bodies.reserve(&parts.headers, limit).await;
        let body = read(body, limit, too_large).await?;
        wire::lambda::serve(
            &self.lambda,
            operation,
            caller,
            Request {
                parts,
                labels,
                body,
            },
        )
        .await
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
            Some(arn) => Principal::Function { arn },
            None => Principal::Account {
                access_key_id: access_key_id.into(),
            },
        }
    }
}

/// How much of too long a body is read and thrown away before the refusal is sent: most clients
/// read the answer only once they have sent everything.
const PATIENCE: usize = 128 << 20;

/// The whole body, unless it exceeds `limit`; then `too_large`. A body that is announced to be far
/// longer is refused without reading it.
async fn read(
    mut body: Incoming,
    limit: usize,
    too_large: impl FnOnce() -> ServiceError,
) -> Result<Bytes, ServiceError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced <= limit {
        match Limited::new(&mut body, limit).collect().await {
            Ok(whole) => return Ok(whole.to_bytes()),
            Err(error) if !error.is::<LengthLimitError>() => {
                return Err(ServiceError::serialization("The request body ended early."));
            }
            Err(_) => {}
        }
    }
    if announced <= PATIENCE {
        let mut left = PATIENCE;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    }
    Err(too_large())
}

impl Dispatch for Services {
    fn dispatch(&self, call: Call) -> BoxFuture<'_, Result<Box<dyn Any + Send>, ServiceError>> {
        Box::pin(async move {
            match call.service {
                Service::Lambda => wire::lambda::dispatch(&self.lambda, call).await,
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
