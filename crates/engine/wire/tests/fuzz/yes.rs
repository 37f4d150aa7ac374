//! Services that succeed at everything, so that every error is the decoder's.

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::request::Parts;
use http::{Request, Response};
use ids::{RequestId, SeededEntropy};
use proptest::prelude::*;
use wire::{Body, Caller, Principal, Service, ServiceError};

macro_rules! yes {
    ($($method:ident: $input:ty => $output:ty,)*) => {$(
        async fn $method(&self, _: &Caller, _: $input) -> Result<$output, ServiceError> {
            Ok(<$output>::default())
        }
    )*};
}

macro_rules! service {
    ($service:ident, $api:ident, $methods:ident) => {
        mod $service {
            use wire::$service::*;
            use wire::{Caller, ServiceError};

            pub(super) struct Yes;

            impl $api for Yes {
                wire::$methods! { yes }
            }
        }
    };
}

service! { lambda, LambdaApi, lambda_methods }
service! { logs, LogsApi, logs_methods }
service! { iam, IamApi, iam_methods }
service! { sqs, SqsApi, sqs_methods }
service! { sts, StsApi, sts_methods }

/// The way of a request through the crate, as a server goes it.
async fn served(
    service: Service,
    parts: &Parts,
    body: Bytes,
    caller: &Caller,
) -> Result<Response<Body>, ServiceError> {
    macro_rules! serve {
        ($service:ident) => {{
            let head = wire::$service::head(parts)?;
            if body.len() > head.body_limit() {
                return Err(head.too_large());
            }
            let (operation, request) = head.with_body(body)?;
            wire::$service::serve(&$service::Yes, operation, caller, request).await
        }};
    }
    match service {
        Service::Lambda => serve!(lambda),
        Service::Logs => serve!(logs),
        Service::Iam => serve!(iam),
        Service::Sqs => serve!(sqs),
        Service::Sts => serve!(sts),
        other => Err(ServiceError::internal(format!(
            "{other:?} has no operations"
        ))),
    }
}

/// Sends a request to a service and reads the whole answer, which is no fault of the service's.
pub(crate) fn check(
    service: Service,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, TestCaseError> {
    let shown = format!("{request:?}");
    let (parts, body) = request.into_parts();
    let caller = Caller {
        account: ids::DEFAULT_ACCOUNT.into(),
        region: ids::DEFAULT_REGION.into(),
        principal: Principal::Account {
            access_key_id: "test".into(),
        },
        host: None,
        trace: None,
        request_id: RequestId::draw(&SeededEntropy::new(1)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let response = runtime.block_on(async {
        let served = served(service, &parts, body, &caller).await;
        let (head, body) = served
            .unwrap_or_else(|error| error.into_response_of(service, &parts, caller.request_id))
            .into_parts();
        let whole = match body {
            Body::Empty => Bytes::new(),
            Body::Whole(bytes) => bytes,
            Body::Stream(parts) => {
                let parts: Vec<_> = parts.map(Result::unwrap).collect().await;
                parts.concat().into()
            }
        };
        Response::from_parts(head, whole)
    });
    let status = response.status();
    prop_assert!(
        status.is_client_error() || status.is_success(),
        "{shown}\n{response:?}"
    );
    Ok(response)
}
