//! Calls between services, from before all of them are there.

use std::any::Any;
use std::sync::{Arc, OnceLock, Weak};

use wire::{BoxFuture, Call, Dispatch, ServiceError};

use crate::services::Services;

/// Carries calls to [`Services`] once it is connected.
///
/// A service is given this when it is made, at which time not every other one is. It does not keep
/// the services alive, since some of them keep it.
#[derive(Debug, Default)]
pub(crate) struct Switchboard {
    services: OnceLock<Weak<Services>>,
}

impl Switchboard {
    /// Carries calls to `services` from now on.
    pub(crate) fn connect(&self, services: &Arc<Services>) {
        self.services.get_or_init(|| Arc::downgrade(services));
    }
}

impl Dispatch for Switchboard {
    fn dispatch(&self, call: Call) -> BoxFuture<'_, Result<Box<dyn Any + Send>, ServiceError>> {
        Box::pin(async move {
            match self.services.get().and_then(Weak::upgrade) {
                Some(services) => services.dispatch(call).await,
                None => Err(unavailable()),
            }
        })
    }

    fn permits(&self, call: Call) -> BoxFuture<'_, Result<(), ServiceError>> {
        Box::pin(async move {
            match self.services.get().and_then(Weak::upgrade) {
                Some(services) => services.permits(call).await,
                None => Err(unavailable()),
            }
        })
    }
}

fn unavailable() -> ServiceError {
    ServiceError::new(
        "ServiceUnavailableException",
        503,
        "The engine is starting or stopping.",
    )
}
