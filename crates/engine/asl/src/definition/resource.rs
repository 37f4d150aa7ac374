//! The `Resource` of Task states, readers and writers: who does the work, and what "done" means.

use std::fmt;
use std::sync::Arc;

/// A resource as it is written, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// As it is written.
    pub text: Arc<str>,
    /// What it is.
    pub integration: Integration,
}

/// Who does a Task's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integration {
    /// A Lambda function by its ARN: the answer is what the function answers.
    Function,
    /// An activity by its ARN: a worker polls for it.
    Activity,
    /// An action of a service.
    Service {
        /// The service as the ARN names it, as `sqs`.
        service: Arc<str>,
        /// The action, as `sendMessage`.
        action: Arc<str>,
        /// Whether it is any action of an SDK (`aws-sdk:`) rather than one that Step Functions knows.
        sdk: bool,
        /// When it is done.
        pattern: Pattern,
    },
    /// Nothing known here: a placeholder of a template, or an ARN of a service that runs no tasks.
    Unknown,
}

/// When an action of a service is done
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// When the service has answered.
    RequestResponse,
    /// When the job that was started has ended (`.sync`).
    Sync,
    /// As `.sync`, with the output as JSON (`.sync:2`).
    Sync2,
    /// When the task's token comes back (`.waitForTaskToken`).
    WaitForTaskToken,
}

impl Pattern {
    /// What stands after the action.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::RequestResponse => "",
            Self::Sync => ".sync",
            Self::Sync2 => ".sync:2",
            Self::WaitForTaskToken => ".waitForTaskToken",
        }
    }

    /// Whether the task goes on after the service has answered.
    pub fn waits(self) -> bool {
        self != Self::RequestResponse
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.suffix())
    }
}

/// What is wrong with a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResourceError {
    #[error(
        "The resource provided {0} is not recognized. The value is not a valid resource ARN, or the resource is not available in this region."
    )]
    NotRecognized(String),
    #[error("Express state machine does not support Activity ARN")]
    ActivityInExpress,
    // AWS writes a blank behind this one (recordings: test_illegal_callbacks).
    #[error("Express state machine does not support '.waitForTaskToken' service integration ")]
    CallbackInExpress,
    #[error("Express state machine does not support '{0}' service integration")]
    JobInExpress(Pattern),
}

/// An action of an integration: its name, whether it may be waited for as a job, and whether by its
/// token.
type Action = (&'static str, bool, bool);

/// The integrations that Step Functions knows by itself, and their actions
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html>).
const OPTIMIZED: &[(&str, &[Action])] = &[
    ("apigateway", &[("invoke", false, true)]),
    (
        "athena",
        &[
            ("startQueryExecution", true, false),
            ("stopQueryExecution", false, false),
            ("getQueryExecution", false, false),
            ("getQueryResults", false, false),
        ],
    ),
    ("batch", &[("submitJob", true, false)]),
    (
        "bedrock",
        &[
            ("invokeModel", false, true),
            ("createModelCustomizationJob", true, false),
        ],
    ),
    (
        "codebuild",
        &[
            ("startBuild", true, false),
            ("stopBuild", false, false),
            ("batchDeleteBuilds", false, false),
            ("batchGetReports", false, false),
            ("startBuildBatch", true, false),
            ("stopBuildBatch", false, false),
            ("retryBuildBatch", true, false),
            ("deleteBuildBatch", false, false),
        ],
    ),
    ("databrew", &[("startJobRun", true, false)]),
    (
        "dynamodb",
        &[
            ("getItem", false, false),
            ("putItem", false, false),
            ("deleteItem", false, false),
            ("updateItem", false, false),
        ],
    ),
    ("ecs", &[("runTask", true, true)]),
    (
        "eks",
        &[
            ("createCluster", true, false),
            ("deleteCluster", true, false),
            ("createNodegroup", true, false),
            ("deleteNodegroup", true, false),
            ("createFargateProfile", true, false),
            ("deleteFargateProfile", true, false),
            ("call", false, true),
            ("runJob", true, true),
        ],
    ),
    (
        "elasticmapreduce",
        &[
            ("addStep", true, false),
            ("cancelStep", false, false),
            ("createCluster", true, false),
            ("modifyInstanceFleetByName", false, false),
            ("modifyInstanceGroupByName", false, false),
            ("setClusterTerminationProtection", false, false),
            ("terminateCluster", true, false),
        ],
    ),
    (
        "emr-containers",
        &[
            ("createVirtualCluster", false, false),
            ("deleteVirtualCluster", true, false),
            ("startJobRun", true, false),
        ],
    ),
    (
        "emr-serverless",
        &[
            ("createApplication", true, false),
            ("startApplication", true, false),
            ("stopApplication", true, false),
            ("deleteApplication", true, false),
            ("startJobRun", true, false),
            ("cancelJobRun", true, false),
        ],
    ),
    ("events", &[("putEvents", false, true)]),
    ("glue", &[("startJobRun", true, false)]),
    ("http", &[("invoke", false, false)]),
    ("lambda", &[("invoke", false, true)]),
    ("mediaconvert", &[("createJob", true, false)]),
    (
        "sagemaker",
        &[
            ("createEndpoint", false, false),
            ("createEndpointConfig", false, false),
            ("createHyperParameterTuningJob", true, false),
            ("createLabelingJob", true, false),
            ("createModel", false, false),
            ("createProcessingJob", true, false),
            ("createTrainingJob", true, false),
            ("createTransformJob", true, false),
            ("updateEndpoint", false, false),
        ],
    ),
    ("sns", &[("publish", false, true)]),
    ("sqs", &[("sendMessage", false, true)]),
    ("states", &[("startExecution", true, true)]),
];

impl Resource {
    /// Reads the resource of a Task state.
    pub(super) fn of_task(text: &str, express: bool) -> Result<Self, ResourceError> {
        let unrecognized = || ResourceError::NotRecognized(text.to_owned());
        let integration = integration(text).ok_or_else(unrecognized)?;
        match &integration {
            Integration::Activity if express => return Err(ResourceError::ActivityInExpress),
            Integration::Service {
                pattern: Pattern::WaitForTaskToken,
                ..
            } if express => {
                return Err(ResourceError::CallbackInExpress);
            }
            Integration::Service { pattern, .. } if express && pattern.waits() => {
                return Err(ResourceError::JobInExpress(*pattern));
            }
            Integration::Service {
                service,
                action,
                sdk: false,
                pattern,
            } if !is_known(service, action, *pattern) => {
                return Err(unrecognized());
            }
            // No job is known of an SDK's action, and so none can be waited for.
            Integration::Service {
                sdk: true,
                pattern: Pattern::Sync | Pattern::Sync2,
                ..
            } => {
                return Err(unrecognized());
            }
            _ => {}
        }
        Ok(Self {
            text: text.into(),
            integration,
        })
    }

    /// Reads the resource of an ItemReader or a ResultWriter, which is one of these actions of S3.
    pub(super) fn of_map(text: &str, actions: &[&str]) -> Result<Self, ResourceError> {
        let known = match integration(text) {
            Some(Integration::Service {
                service,
                action,
                sdk: false,
                pattern: Pattern::RequestResponse,
            }) => &*service == "s3" && actions.contains(&&*action),
            Some(Integration::Unknown) => text.contains("${"),
            _ => false,
        };
        match integration(text).filter(|_| known) {
            Some(integration) => Ok(Self {
                text: text.into(),
                integration,
            }),
            None => Err(ResourceError::NotRecognized(text.to_owned())),
        }
    }
}

fn is_known(service: &str, action: &str, pattern: Pattern) -> bool {
    let actions = OPTIMIZED
        .iter()
        .find(|(known, _)| *known == service)
        .map_or(&[][..], |(_, actions)| actions);
    actions.iter().any(|(known, job, token)| {
        *known == action
            && match pattern {
                Pattern::RequestResponse => true,
                Pattern::Sync => *job,
                Pattern::Sync2 => service == "states",
                Pattern::WaitForTaskToken => *token,
            }
    })
}

/// What a resource is by its form alone; `None` for what is no ARN.
fn integration(text: &str) -> Option<Integration> {
    // A template of CloudFormation or SAM puts the ARN in later.
    if text.contains("${") && text.contains('}') {
        return Some(Integration::Unknown);
    }
    let mut parts = text.splitn(6, ':');
    let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (_region, _account, rest) = (parts.next()?, parts.next()?, parts.next()?);
    if arn != "arn" || !partition.starts_with("aws") || rest.is_empty() {
        return None;
    }
    match service {
        "lambda" => {
            let mut name = rest.strip_prefix("function:")?.splitn(2, ':');
            let fits = |part: &str, extra: &str| {
                !part.is_empty()
                    && part
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
            };
            let function = name.next().is_some_and(|it| fits(it, "-_"));
            let qualifier = name
                .next()
                .is_none_or(|it| it == "$LATEST" || fits(it, "-_"));
            (function && qualifier).then_some(Integration::Function)
        }
        "states" => match rest.strip_prefix("activity:") {
            Some(name) => (!name.is_empty()).then_some(Integration::Activity),
            None => service_action(rest),
        },
        _ => Some(Integration::Unknown),
    }
}

fn service_action(rest: &str) -> Option<Integration> {
    let (sdk, rest) = match rest.strip_prefix("aws-sdk:") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let (service, action) = rest.split_once(':')?;
    let patterns = [Pattern::Sync2, Pattern::Sync, Pattern::WaitForTaskToken];
    let (action, pattern) = patterns
        .into_iter()
        .find_map(|pattern| Some((action.strip_suffix(pattern.suffix())?, pattern)))
        .unwrap_or((action, Pattern::RequestResponse));
    let named = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    (named(service) && named(action)).then(|| Integration::Service {
        service: service.into(),
        action: action.into(),
        sdk,
        pattern,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str, express: bool) -> String {
        Resource::of_task(text, express)
            .expect_err("refused")
            .to_string()
    }

    #[test]
    fn resources_are_told_apart() {
        let service = |text: &str| match Resource::of_task(text, false).expect(text).integration {
            Integration::Service {
                service,
                action,
                sdk,
                pattern,
            } => format!("{service} {action} {sdk} {pattern}"),
            other => format!("{other:?}"),
        };
        assert_eq!(
            service("arn:aws:states:::lambda:invoke.waitForTaskToken"),
            "lambda invoke false .waitForTaskToken"
        );
        assert_eq!(
            service("arn:aws:states:::states:startExecution.sync:2"),
            "states startExecution false .sync:2"
        );
        assert_eq!(
            service("arn:aws:states:::aws-sdk:s3:getObject"),
            "s3 getObject true "
        );
        assert_eq!(
            service("arn:aws:lambda:us-east-1:1:function:f:$LATEST"),
            "Function"
        );
        assert_eq!(service("arn:aws:states:us-east-1:1:activity:a"), "Activity");
        assert_eq!(service("${Function}"), "Unknown");
    }

    // As AWS answered (recordings: test_invalid_integration, test_illegal_callbacks, test_illegal_activity_task).
    #[test]
    fn refusals_read_as_aws_has_them() {
        assert_eq!(
            error("arn:aws:states:::dynamodb:query", false),
            "The resource provided arn:aws:states:::dynamodb:query is not recognized. The value is not a valid resource ARN, or the resource is not available in this region."
        );
        assert_eq!(
            error("arn:aws:states:::sns:publish.waitForTaskToken", true),
            "Express state machine does not support '.waitForTaskToken' service integration "
        );
        assert_eq!(
            error("arn:aws:states:::states:startExecution.sync", true),
            "Express state machine does not support '.sync' service integration"
        );
        assert_eq!(
            error("arn:aws:states:us-east-1:1:activity:a", true),
            "Express state machine does not support Activity ARN"
        );
        // https://github.com/aws/aws-cdk/issues/19174
        assert!(
            error("arn:aws:states:::aws-sdk:codebuild:startBuild.sync", false)
                .contains("is not recognized")
        );
    }
}
