//! The managed policies of AWS that tools attach.
//!
//! They permit what AWS's of the same name permit of the services that matter to functions; the
//! descriptions and dates are ours, and each has one version. Others of AWS's policies can be
//! attached, and permit nothing.

use std::sync::LazyLock;

use ids::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::unique_id::{Prefix, derived};

/// 2015-02-06T18:40:58Z: when the first of them came to be on AWS.
pub(crate) const CREATED: Timestamp = Timestamp(1_423_248_058_000_000);

/// Their only version.
pub(crate) const VERSION: &str = "v1";

/// A managed policy of AWS's.
#[derive(Debug)]
pub(crate) struct AwsManaged {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) document: String,
}

#[derive(Debug, Deserialize)]
struct Entry {
    name: String,
    path: String,
    description: String,
    statements: Value,
}

static ALL: LazyLock<Vec<AwsManaged>> = LazyLock::new(|| {
    // A test proves that the text can be read.
    let entries: Vec<Entry> =
        serde_json::from_str(include_str!("aws_managed.json")).unwrap_or_default();
    entries.into_iter().map(AwsManaged::from).collect()
});

impl From<Entry> for AwsManaged {
    fn from(entry: Entry) -> Self {
        let document = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": entry.statements,
        });
        Self {
            id: derived(Prefix::Policy, &entry.name),
            document: document.to_string(),
            name: entry.name,
            path: entry.path,
            description: entry.description,
        }
    }
}

impl AwsManaged {
    /// All of them.
    pub(crate) fn all() -> &'static [Self] {
        &ALL
    }

    /// The one of that ARN.
    pub(crate) fn of(arn: &str) -> Option<&'static Self> {
        let rest = arn.strip_prefix("arn:aws:iam::aws:policy")?;
        Self::all()
            .iter()
            .find(|policy| rest.strip_prefix(policy.path.as_str()) == Some(policy.name.as_str()))
    }

    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:iam::aws:policy{}{}", self.path, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::{Kind, Policy};

    #[test]
    fn every_one_of_them_is_a_policy_and_is_found() {
        assert!(AwsManaged::all().len() > 20);
        for managed in AwsManaged::all() {
            Policy::parse(&managed.document, Kind::Identity).unwrap();
            let found = AwsManaged::of(&managed.arn()).unwrap();
            assert_eq!(found.name, managed.name);
        }
    }

    #[test]
    fn those_that_tools_attach_are_there() {
        for name in [
            "service-role/AWSLambdaBasicExecutionRole",
            "service-role/AWSLambdaVPCAccessExecutionRole",
            "service-role/AWSLambdaSQSQueueExecutionRole",
            "service-role/AWSLambdaRole",
            "AdministratorAccess",
            "ReadOnlyAccess",
            "AWSStepFunctionsFullAccess",
            "AmazonS3ReadOnlyAccess",
            "AmazonS3FullAccess",
            "CloudWatchLogsFullAccess",
            "AWSLambda_FullAccess",
            "AWSXRayDaemonWriteAccess",
        ] {
            let arn = format!("arn:aws:iam::aws:policy/{name}");
            assert!(AwsManaged::of(&arn).is_some(), "{name}");
        }
        assert!(AwsManaged::of("arn:aws:iam::aws:policy/AWSLambdaRole").is_none());
    }
}
