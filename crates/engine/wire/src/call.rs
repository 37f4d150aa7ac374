//! Calls between services, in process.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderValue;
use ids::RequestId;

use crate::ServiceError;

/// A future on the heap, as [`Dispatch`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The AWS services whose API this engine speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// AWS Lambda.
    Lambda,
    /// AWS Step Functions.
    States,
    /// Amazon CloudWatch Logs.
    Logs,
    /// Amazon S3.
    S3,
    /// Amazon SQS.
    Sqs,
    /// AWS Identity and Access Management.
    Iam,
    /// AWS Security Token Service.
    Sts,
}

impl Service {
    /// Every service, in declaration order.
    pub const ALL: [Self; 7] = [
        Self::Lambda,
        Self::States,
        Self::Logs,
        Self::S3,
        Self::Sqs,
        Self::Iam,
        Self::Sts,
    ];

    /// The name in a SigV4 credential scope and in an ARN, which is also the endpoint's prefix.
    #[must_use]
    pub const fn signing_name(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::States => "states",
            Self::Logs => "logs",
            Self::S3 => "s3",
            Self::Sqs => "sqs",
            Self::Iam => "iam",
            Self::Sts => "sts",
        }
    }

    /// The service that signs as `name`.
    #[must_use]
    pub fn from_signing_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|service| service.signing_name() == name)
    }
}

/// Who calls, and on whose behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A program outside, with credentials of the account.
    Account {
        /// The id half of its access key.
        access_key_id: Arc<str>,
    },
    /// Code inside an execution environment.
    Function {
        /// The function it belongs to.
        arn: Arc<str>,
        /// The ARN of the role that the function runs as; there may be none of that ARN.
        role: Arc<str>,
    },
    /// Another service of this engine, in its own name: resource policies decide what it may do.
    Service(ServicePrincipal),
}

/// A service that calls in its own name, and what it calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// Its host name in AWS: `s3.amazonaws.com`.
    pub name: Arc<str>,
    /// The resource that made it call, such as a bucket: `aws:SourceArn` in conditions.
    pub source_arn: Option<Arc<str>>,
    /// The account of that resource: `aws:SourceAccount` in conditions.
    pub source_account: Option<Arc<str>>,
}

/// The context of one call. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account the call is for.
    pub account: Arc<str>,
    /// The region the call is for.
    pub region: Arc<str>,
    /// Who calls.
    pub principal: Principal,
    /// By which host and port the caller reaches this engine, where it says so: inside the network of
    /// an environment they are others than on the host.
    pub host: Option<HeaderValue>,
    /// The trace that the call is part of (`X-Amzn-Trace-Id`), where the caller names one.
    pub trace: Option<HeaderValue>,
    /// The id that the answer and every log line carry.
    pub request_id: RequestId,
}

/// One operation of one service, as a type.
pub trait Operation: 'static {
    /// What the caller sends.
    type Input: Send + 'static;
    /// What it gets back.
    type Output: Send + 'static;
    /// The service that serves it.
    const SERVICE: Service;
    /// The name in the service's model.
    const NAME: &'static str;
}

/// A call on its way to the service that serves it.
#[derive(Debug)]
pub struct Call {
    /// The service called.
    pub service: Service,
    /// The operation called, by its name in the service's model.
    pub operation: &'static str,
    /// The context.
    pub caller: Caller,
    /// The operation's [`Operation::Input`].
    pub input: Box<dyn Any + Send>,
}

impl Call {
    /// A call of `O`.
    #[must_use]
    pub fn new<O: Operation>(caller: Caller, input: O::Input) -> Self {
        Self {
            service: O::SERVICE,
            operation: O::NAME,
            caller,
            input: Box::new(input),
        }
    }

    /// Opens the call as one of `O`.
    ///
    /// # Errors
    /// An internal error when it is not one: a mistake in the program, never in a request.
    pub fn open<O: Operation>(self) -> Result<(Caller, O::Input), ServiceError> {
        match self.input.downcast::<O::Input>() {
            Ok(input) => Ok((self.caller, *input)),
            Err(_) => Err(ServiceError::internal(format!(
                "a call of {}:{} carried another operation's input",
                O::SERVICE.signing_name(),
                O::NAME
            ))),
        }
    }
}

/// What carries calls from one service to another.
///
/// Services never know one another; each is given this instead. Use it through [`call`].
pub trait Dispatch: Send + Sync + 'static {
    /// Hands the call to its service. The answer is the operation's [`Operation::Output`].
    fn dispatch(&self, call: Call) -> BoxFuture<'_, Result<Box<dyn Any + Send>, ServiceError>>;

    /// Asks whether policies would let the call through, and makes none. Without any to enforce, all
    /// calls are let through.
    fn permits(&self, _call: Call) -> BoxFuture<'_, Result<(), ServiceError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Calls operation `O` through `dispatch`.
///
/// # Errors
/// Whatever error the operation answers.
pub async fn call<O: Operation>(
    dispatch: &dyn Dispatch,
    caller: Caller,
    input: O::Input,
) -> Result<O::Output, ServiceError> {
    let output = dispatch.dispatch(Call::new::<O>(caller, input)).await?;
    match output.downcast::<O::Output>() {
        Ok(output) => Ok(*output),
        Err(_) => Err(ServiceError::internal(format!(
            "{}:{} answered with another operation's output",
            O::SERVICE.signing_name(),
            O::NAME
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Double;

    impl Operation for Double {
        type Input = u32;
        type Output = u64;
        const SERVICE: Service = Service::Sts;
        const NAME: &'static str = "Double";
    }

    struct Halve;

    impl Operation for Halve {
        type Input = u32;
        type Output = String;
        const SERVICE: Service = Service::Sts;
        const NAME: &'static str = "Halve";
    }

    /// Serves `Double`, and answers every other call as if it were one.
    struct Loop;

    impl Dispatch for Loop {
        fn dispatch(&self, call: Call) -> BoxFuture<'_, Result<Box<dyn Any + Send>, ServiceError>> {
            Box::pin(async move {
                let (_, input) = call.open::<Double>()?;
                Ok(Box::new(u64::from(input) * 2) as Box<dyn Any + Send>)
            })
        }
    }

    fn caller() -> Caller {
        Caller {
            account: ids::DEFAULT_ACCOUNT.into(),
            region: ids::DEFAULT_REGION.into(),
            principal: Principal::Service(ServicePrincipal {
                name: "s3.amazonaws.com".into(),
                source_arn: Some("arn:aws:s3:::bucket".into()),
                source_account: None,
            }),
            host: None,
            trace: None,
            request_id: RequestId::draw(&ids::SeededEntropy::new(1)),
        }
    }

    #[tokio::test]
    async fn a_call_arrives_typed() {
        assert_eq!(call::<Double>(&Loop, caller(), 21).await.unwrap(), 42);
    }

    #[tokio::test]
    async fn a_wrong_answer_is_an_internal_error_not_a_panic() {
        let error = call::<Halve>(&Loop, caller(), 21).await.unwrap_err();
        assert_eq!(error.status, http::StatusCode::INTERNAL_SERVER_ERROR);
        assert!(error.to_string().contains("sts:Halve"), "{error}");
    }

    #[test]
    fn signing_names_lead_back() {
        for service in Service::ALL {
            assert_eq!(
                Service::from_signing_name(service.signing_name()),
                Some(service)
            );
        }
        assert_eq!(Service::from_signing_name("ec2"), None);
    }
}
