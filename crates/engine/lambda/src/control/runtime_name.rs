//! `Runtime` as the API takes it: which names there are, and what may still be created.
//!
//! Whether this host can run one is not asked here: that is seen when the first invocation comes.

use wire::lambda::{FunctionConfiguration, Runtime as RuntimeName, RuntimeVersionConfig, errors};
use wire::{ServiceError, StringEnum};

/// Runtimes that functions can be created with or updated to, in the order in which AWS lists them
/// when it is asked for another, also by PublishLayerVersion (which takes deprecated ones all the
/// same).
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html> and AWS's answers.
pub(super) const SUPPORTED: [&str; 25] = [
    "nodejs20.x",
    "python3.14",
    "provided.al2023",
    "python3.12",
    "python3.13",
    "nodejs24.x",
    "nodejs22.x",
    "java25",
    "python3.10",
    "python3.11",
    "java21",
    "ruby3.3",
    "ruby3.4",
    "ruby3.2",
    "python3.8",
    "python3.9",
    "java17",
    "nodejs16.x",
    "dotnet10",
    "dotnet8",
    "java11",
    "dotnet6",
    "nodejs18.x",
    "provided.al2",
    "java8.al2",
];

/// Refuses a runtime that AWS does not know, or no longer takes.
pub(super) fn check(name: &RuntimeName) -> Result<(), ServiceError> {
    if SUPPORTED.contains(&name.as_str()) {
        return Ok(());
    }
    let message = if name.is_known() {
        format!(
            "The runtime parameter of {name} is no longer supported for creating or updating AWS \
             Lambda functions. We recommend you use a supported runtime while creating or \
             updating functions."
        )
    } else {
        format!(
            "Value {name} at 'runtime' failed to satisfy constraint: Member must satisfy enum \
             value set: [{}] or be a valid ARN",
            SUPPORTED.join(", ")
        )
    };
    Err(errors::invalid_parameter_value_exception(message))
}

/// That a function from a package must name a runtime and a handler.
pub(super) fn mandatory() -> ServiceError {
    errors::invalid_parameter_value_exception(
        "Runtime and Handler are mandatory parameters for functions created with deployment \
         packages.",
    )
}

/// Shows the version of the runtime under which a function runs: a stable digest of the runtime's
/// name and architecture stands where AWS has the digest of an image.
pub(super) fn show_version(region: &str, configuration: &mut FunctionConfiguration) {
    let architecture = configuration
        .architectures
        .as_deref()
        .and_then(<[_]>::first);
    let (Some(runtime), Some(architecture)) = (&configuration.runtime, architecture) else {
        return;
    };
    let digest = store::Digest::of(format!("{runtime}/{architecture}").as_bytes());
    configuration.runtime_version_config = Some(RuntimeVersionConfig {
        runtime_version_arn: Some(format!("arn:aws:lambda:{region}::runtime:{digest}")),
        error: None,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str) -> String {
        check(&name.to_owned().into()).unwrap_err().to_string()
    }

    #[test]
    fn old_runtimes_are_told_from_unknown_ones() {
        assert!(check(&"java25".to_owned().into()).is_ok());
        let old = refusal("nodejs14.x");
        assert!(
            old.contains("parameter of nodejs14.x is no longer supported"),
            "{old}"
        );
        let unknown = refusal("cobol");
        assert!(unknown.contains("Value cobol at 'runtime'"), "{unknown}");
        assert!(
            unknown.ends_with("provided.al2, java8.al2] or be a valid ARN"),
            "{unknown}"
        );
    }
}
