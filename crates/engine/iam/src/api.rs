//! The operations, all of them: each is a method of the same name of `Inner`.

use wire::{Caller, ServiceError};

use crate::Iam;

macro_rules! methods {
    ($($name:ident: $input:ty => $output:ty,)+) => {$(
        async fn $name(&self, caller: &Caller, input: $input) -> Result<$output, ServiceError> {
            Ok(self.inner.$name(caller, input).await?)
        }
    )+};
}

mod iam {
    use super::{Caller, Iam, ServiceError};
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
    use super::{Caller, Iam, ServiceError};
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
