//! Roles that services make for themselves.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html>

/// Services whose role is not called after the first part of their host name.
const NAMES: [(&str, &str); 11] = [
    ("autoscaling", "AutoScaling"),
    (
        "dynamodb.application-autoscaling",
        "ApplicationAutoScaling_DynamoDBTable",
    ),
    ("ecs", "ECS"),
    (
        "ecs.application-autoscaling",
        "ApplicationAutoScaling_ECSService",
    ),
    ("elasticloadbalancing", "ElasticLoadBalancing"),
    (
        "lambda.application-autoscaling",
        "ApplicationAutoScaling_LambdaConcurrency",
    ),
    ("lex", "LexBots"),
    ("ops.apigateway", "APIGateway"),
    ("rds", "RDS"),
    ("replicator.lambda", "LambdaReplicator"),
    ("support", "Support"),
];

/// The name of the role that `service` (a host name such as `ecs.amazonaws.com`) has; `None` where
/// that is no host name of a service.
pub(crate) fn role_name(service: &str, suffix: Option<&str>) -> Option<String> {
    let label = service.strip_suffix(".amazonaws.com")?;
    let known = NAMES.iter().find(|(known, _)| *known == label);
    let name = match known {
        Some((_, name)) => (*name).to_owned(),
        None => {
            let mut letters = label.chars().filter(char::is_ascii_alphanumeric);
            let first = letters.next()?.to_ascii_uppercase();
            std::iter::once(first).chain(letters).collect()
        }
    };
    Some(match suffix {
        Some(suffix) => format!("AWSServiceRoleFor{name}_{suffix}"),
        None => format!("AWSServiceRoleFor{name}"),
    })
}

/// The trust policy: the service alone.
pub(crate) fn trust(service: &str) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": "sts:AssumeRole",
        }],
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_called_after_their_service() {
        let name = |service| role_name(service, None);
        assert_eq!(
            name("ecs.amazonaws.com").as_deref(),
            Some("AWSServiceRoleForECS")
        );
        assert_eq!(
            name("kafka.amazonaws.com").as_deref(),
            Some("AWSServiceRoleForKafka")
        );
        assert_eq!(
            role_name("autoscaling.amazonaws.com", Some("a")).as_deref(),
            Some("AWSServiceRoleForAutoScaling_a")
        );
        assert_eq!(name("example.com"), None);
        assert_eq!(name(".amazonaws.com"), None);
    }
}
