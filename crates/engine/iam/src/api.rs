//! The operations, all of them: each is a method of the same name of `Inner`.

use tokio::task::JoinError;
use wire::iam::errors::service_failure_exception;
use wire::{Caller, ServiceError};

use crate::Iam;

/// Each operation runs in a task of its own, so that it ends as it should when its caller hangs up
/// half way: what is kept in memory changes after what is on disk.
macro_rules! methods {
    ($($name:ident: $input:ty => $output:ty,)+) => {$(
        async fn $name(&self, caller: &Caller, input: $input) -> Result<$output, ServiceError> {
            let (inner, caller) = (Arc::clone(&self.inner), caller.clone());
            let task = tokio::spawn(async move { inner.$name(&caller, input).await });
            match task.await {
                Ok(done) => Ok(done?),
                Err(error) => Err(broken_off(&error)),
            }
        }
    )+};
}

fn broken_off(error: &JoinError) -> ServiceError {
    tracing::error!(%error, "an operation broke off");
    service_failure_exception("The operation broke off.")
}

mod iam {
    use std::sync::Arc;

    use super::{Caller, Iam, ServiceError, broken_off};
    use wire::iam::*;

    macro_rules! implement {
        ($($operations:tt)+) => {
            impl IamApi for Iam {
                methods! { $($operations)+ }
            }
        };
    }

    wire::iam_methods! { implement }
}

mod sts {
    use std::sync::Arc;

    use super::{Caller, Iam, ServiceError, broken_off};
    use wire::sts::*;

    macro_rules! implement {
        ($($operations:tt)+) => {
            impl StsApi for Iam {
                methods! { $($operations)+ }
            }
        };
    }

    wire::sts_methods! { implement }
}
