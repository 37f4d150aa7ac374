//! AWS's protocols, as a server speaks them.
//!
//! The shapes of each service (structures, enums, constraints, errors, routes) are generated from
//! AWS's own service models by `cargo xtask codegen`; they live under [`lambda`], [`logs`], [`sqs`],
//! [`iam`] and [`sts`]. What they are written against is here, by hand:
//!
//! - [`Operation`], [`Call`] and [`Dispatch`]: a typed call from one service to another, in
//!   process and without serialisation.
//! - [`ServiceError`]: an AWS error (code, message, status), before a protocol has encoded it.
//! - [`validation::Violations`]: the constraints of a model, checked and reported in AWS's words.
//! - [`protocol`]: requests into shapes, shapes into responses; [`route`] finds the operation.
//!   An invocation's [`payload`] passes through as the bytes it came as.
//! - [`Body`] and [`EventStream`]: answers that are a stream.
//! - [`sigv4`]: who says to have signed a request, and whether that is true.
//!
//! The way of a request, the same for every service (here CloudWatch Logs): [`logs::head`] reads
//! the [`protocol::Head`], which bounds the body and, once it has it, names the operation;
//! [`logs::serve`] decodes, validates, calls the [`logs::LogsApi`] and encodes the answer, and
//! [`ServiceError::into_response`] encodes what went wrong, as [`logs::PROTOCOL`] does it.
//!
//! This crate does no I/O and knows nothing of what an operation does.

mod blob;
mod body;
mod call;
mod error;
mod event_stream;
mod generated;
mod limits;
pub mod payload;
pub mod protocol;
pub mod route;
mod shape;
pub mod sigv4;
mod timestamp;
pub mod validation;

pub use blob::Blob;
pub use body::{Body, BrokenOff};
pub use call::{
    BoxFuture, Call, Caller, Dispatch, Operation, Principal, Service, ServicePrincipal, call,
};
pub use error::{ErrorShape, Fault, ServiceError};
pub use event_stream::{Event, EventStream, Frame};
pub use generated::{iam, lambda, logs, sqs, sts};
pub use limits::Limits;
pub use route::Named;
pub use shape::StringEnum;
pub use timestamp::{DateTime, EpochSeconds};

/// Every operation of every service that this engine knows of: its service, its name in the model,
/// and whether it is served.
pub fn operations() -> impl Iterator<Item = (Service, &'static str, bool)> {
    fn of<Op: Named>() -> impl Iterator<Item = (Service, &'static str, bool)> {
        Op::ALL
            .iter()
            .map(|operation| (Op::SERVICE, operation.name(), operation.served()))
    }
    of::<lambda::LambdaOperation>()
        .chain(of::<logs::LogsOperation>())
        .chain(of::<iam::IamOperation>())
        .chain(of::<sts::StsOperation>())
        .chain(of::<sqs::SqsOperation>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_listed() {
        let listed: Vec<_> = operations().collect();
        for known in [
            (Service::Lambda, "Invoke", true),
            (Service::Logs, "PutLogEvents", true),
            (Service::Iam, "CreateGroup", false),
            (Service::Sts, "AssumeRole", true),
            (Service::Sqs, "ReceiveMessage", true),
        ] {
            assert!(listed.contains(&known), "{known:?}");
        }
    }

    #[test]
    fn every_operation_is_found_by_its_name() {
        fn check<Op: Named + PartialEq>() {
            for operation in Op::ALL {
                assert_eq!(Op::named(operation.name()), Some(*operation));
            }
            assert!(Op::named("").is_none() && Op::named("Brew").is_none());
        }
        check::<lambda::LambdaOperation>();
        check::<logs::LogsOperation>();
        check::<iam::IamOperation>();
        check::<sts::StsOperation>();
        check::<sqs::SqsOperation>();
    }
}
