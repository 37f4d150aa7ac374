//! Which action of IAM an operation is.
//!
//! Most are called alike; the table has those that are not, as the Service Authorization Reference
//! gives them: <https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html>.

use wire::Service;

const RENAMED: [(Service, &str, &str); 6] = [
    (Service::Lambda, "Invoke", "InvokeFunction"),
    (
        Service::Lambda,
        "InvokeWithResponseStream",
        "InvokeFunction",
    ),
    (Service::Lambda, "GetLayerVersionByArn", "GetLayerVersion"),
    // A batch is permitted to whoever may do what is in it.
    (Service::Sqs, "SendMessageBatch", "SendMessage"),
    (Service::Sqs, "DeleteMessageBatch", "DeleteMessage"),
    (
        Service::Sqs,
        "ChangeMessageVisibilityBatch",
        "ChangeMessageVisibility",
    ),
];

/// Operations that everybody may call who has credentials.
const FREE: [(Service, &str); 2] = [
    (Service::Sts, "GetCallerIdentity"),
    (Service::Sts, "GetSessionToken"),
];

/// The action that `operation` is; `None` where nobody needs a permission for it.
pub(super) fn of(service: Service, operation: &str) -> Option<String> {
    if FREE.contains(&(service, operation)) {
        return None;
    }
    let renamed = RENAMED
        .iter()
        .find(|(of, name, _)| (*of, *name) == (service, operation));
    let name = renamed.map_or(operation, |(_, _, action)| action);
    Some(format!("{}:{name}", service.signing_name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_called_as_in_the_reference() {
        let of = |service, operation| of(service, operation);
        assert_eq!(
            of(Service::Lambda, "Invoke").as_deref(),
            Some("lambda:InvokeFunction")
        );
        assert_eq!(
            of(Service::Lambda, "GetFunction").as_deref(),
            Some("lambda:GetFunction")
        );
        assert_eq!(
            of(Service::Logs, "PutLogEvents").as_deref(),
            Some("logs:PutLogEvents")
        );
        assert_eq!(of(Service::Sts, "GetCallerIdentity"), None);
    }

    #[test]
    fn the_table_names_operations_that_there_are() {
        let known: Vec<_> = wire::operations()
            .map(|(service, name, _)| (service, name))
            .collect();
        let named = RENAMED.iter().map(|(service, name, _)| (*service, *name));
        for operation in named.chain(FREE) {
            assert!(known.contains(&operation), "{operation:?}");
        }
    }
}
