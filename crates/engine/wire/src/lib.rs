//! AWS's protocols, as a server speaks them.
//!
//! The shapes of each service (structures, enums, constraints, errors, routes) are generated from
//! AWS's own service models by `cargo xtask codegen`; they live under [`lambda`] and, later, its
//! sisters. What they are written against is here, by hand:
//!
//! - [`Operation`], [`Call`] and [`Dispatch`]: a typed call from one service to another, in
//!   process and without serialisation.
//! - [`ServiceError`]: an AWS error (code, message, status), before a protocol has encoded it.
//! - [`validation::Violations`]: the constraints of a model, checked and reported in AWS's words.
//! - [`protocol`]: requests into shapes, shapes into responses; [`route`] finds the operation.
//!   An invocation's [`payload`] passes through as the bytes it came as.
//!
//! The way of a request: [`lambda::LambdaOperation::route`] names the operation, its
//! [`body_limit`](lambda::LambdaOperation::body_limit) bounds what may be read,
//! [`lambda::serve`] decodes, validates, calls the [`lambda::LambdaApi`] and encodes the answer, and
//! [`ServiceError::into_response`] encodes what went wrong.
//!
//! This crate does no I/O, knows nothing of what an operation does, and checks no signature.

mod blob;
mod call;
mod error;
mod generated;
mod limits;
pub mod payload;
pub mod protocol;
pub mod route;
mod shape;
mod timestamp;
pub mod validation;

pub use blob::Blob;
pub use call::{
    BoxFuture, Call, Caller, Dispatch, Operation, Principal, Service, ServicePrincipal, call,
};
pub use error::{ErrorShape, Fault, ServiceError};
pub use generated::lambda;
pub use shape::StringEnum;
pub use timestamp::EpochSeconds;

/// Every operation of every service that this engine knows of: its service, its name in the model,
/// and whether it is served.
pub fn operations() -> impl Iterator<Item = (Service, &'static str, bool)> {
    lambda::LambdaOperation::ALL
        .iter()
        .map(|operation| (Service::Lambda, operation.name(), operation.served()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_listed() {
        let listed: Vec<_> = operations().collect();
        assert_eq!(listed.len(), lambda::LambdaOperation::ALL.len());
        assert!(listed.contains(&(Service::Lambda, "Invoke", true)));
    }
}
