//! Which resources an operation is about.
//!
//! The operation decides which member names its resource, never what members a request has: the
//! operation itself ignores those that it does not know. And a resource is judged by the name that
//! the engine gives it, not by what the caller wrote: who leaves the partition or a leading zero to
//! the caller leaves it to him which policies apply.
//!
//! The forms are those of the Service Authorization Reference and of AWS's own messages:
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html>.

mod identity;
mod lambda;
mod logs;
mod sqs;

use iam::Iam;
use wire::{Call, Caller, Service, ServiceError};

use super::fields::Fields;

pub(super) use lambda::{code_signing_config, layer_version};

/// A resource, by the ARN that messages name, and further ones that policies may name it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) arn: String,
    pub(super) also: Vec<String>,
}

impl Resource {
    pub(super) fn new(arn: impl Into<String>) -> Self {
        Self {
            arn: arn.into(),
            also: Vec::new(),
        }
    }

    /// For actions that know no resources.
    fn all() -> Self {
        Self::new("*")
    }

    /// Every ARN that it goes by.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.arn)
            .chain(&self.also)
            .map(String::as_str)
    }
}

/// The resources of `operation`; each of them must be permitted.
pub(super) async fn of(
    service: Service,
    operation: &str,
    fields: &Fields<'_>,
    caller: &Caller,
    iam: &Iam,
) -> Result<Vec<Resource>, ServiceError> {
    Ok(match service {
        Service::Lambda => vec![lambda::of(operation, fields, caller)],
        Service::Logs => logs::of(operation, fields, caller),
        Service::Iam => vec![identity::of(operation, fields, caller, iam).await?],
        Service::Sqs => vec![sqs::of(operation, fields, caller)],
        Service::Sts | Service::States | Service::S3 => vec![Resource::all()],
    })
}

/// The resource of what a service does in the name of a function.
pub(super) fn of_call(call: &Call) -> Resource {
    let arn = match call.service {
        Service::Lambda => lambda::of_call(call),
        Service::Sqs => sqs::of_call(call),
        _ => None,
    };
    arn.map_or_else(Resource::all, Resource::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::{RequestId, SeededEntropy};
    use wire::Principal;

    pub(super) fn caller() -> Caller {
        Caller {
            account: "111122223333".into(),
            region: "eu-west-1".into(),
            principal: Principal::Account {
                access_key_id: "X".into(),
            },
            host: None,
            trace: None,
            request_id: RequestId::draw(&SeededEntropy::new(1)),
        }
    }

    /// Each operation that is served must stand in exactly one of the tables, and they name none
    /// that there is not.
    pub(super) fn assert_complete(service: Service, tables: &[&[&str]]) {
        let of_service = |(of, name, served)| (of == service).then_some((name, served));
        let known: Vec<_> = wire::operations().filter_map(of_service).collect();
        for name in tables.iter().copied().flatten() {
            assert!(known.iter().any(|(known, _)| known == name), "{name}");
        }
        for (name, served) in known {
            let tables = tables.iter().filter(|table| table.contains(&name)).count();
            assert!(tables == 1 || (tables == 0 && !served), "{name}: {tables}");
        }
    }
}
