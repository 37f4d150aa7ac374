use std::collections::BTreeMap;

use super::*;
use crate::Blob;
use crate::lambda::{
    AliasRoutingConfiguration, Architecture, CreateAliasRequest, CreateFunctionRequest,
    Environment, FileSystemConfig, FunctionCode, InvocationRequest, InvocationType, LoggingConfig,
    PackageType, VpcConfig,
};

fn function() -> CreateFunctionRequest {
    CreateFunctionRequest {
        function_name: Some("f".to_owned()),
        role: Some("arn:aws:iam::123456789012:role/r".to_owned()),
        code: Some(FunctionCode {
            zip_file: Some(Blob::from(vec![1])),
            ..FunctionCode::default()
        }),
        ..CreateFunctionRequest::default()
    }
}

fn message(input: &impl Validate) -> String {
    let error = input.check().unwrap_err();
    assert_eq!(error.code, "ValidationException");
    assert_eq!(error.status, 400);
    error.message.unwrap()
}

#[test]
fn a_good_request_passes() {
    let input = CreateFunctionRequest {
        memory_size: Some(10240),
        timeout: Some(900),
        architectures: Some(vec![Architecture::Arm64]),
        tags: Some(BTreeMap::from([("Team-1".to_owned(), String::new())])),
        layers: Some(vec![
            "arn:aws:lambda:eu-west-1:123456789012:layer:l:3".to_owned(),
        ]),
        ..function()
    };
    assert_eq!(input.check(), Ok(()));
}

#[test]
fn several_violations_are_one_message() {
    let input = CreateFunctionRequest {
        function_name: Some("a b".to_owned()),
        role: None,
        memory_size: Some(10241),
        ..function()
    };
    assert_eq!(
        message(&input),
        "3 validation errors detected: Value 'a b' at 'functionName' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?\
         ((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?\
         ([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?; \
         Value null at 'role' failed to satisfy constraint: Member must not be null; \
         Value '10241' at 'memorySize' failed to satisfy constraint: \
         Member must have value less than or equal to 10240"
    );
}

#[test]
fn length_goes_before_pattern() {
    let input = InvocationRequest {
        function_name: String::new(),
        ..InvocationRequest::default()
    };
    let message = message(&input);
    let (length, pattern) = message.split_once("; ").unwrap();
    assert_eq!(
        length,
        "2 validation errors detected: Value '' at 'functionName' failed to satisfy constraint: \
         Member must have length greater than or equal to 1"
    );
    assert!(
        pattern.starts_with("Value '' at 'functionName'"),
        "{pattern}"
    );
}

#[test]
fn enums_name_what_they_take() {
    let input = CreateFunctionRequest {
        package_type: Some(PackageType::from("Tar")),
        logging_config: Some(LoggingConfig {
            log_format: Some("XML".into()),
            ..LoggingConfig::default()
        }),
        ..function()
    };
    assert_eq!(
        message(&input),
        "2 validation errors detected: Value 'Tar' at 'packageType' failed to satisfy constraint: \
         Member must satisfy enum value set: [Zip, Image]; \
         Value 'XML' at 'loggingConfig.logFormat' failed to satisfy constraint: \
         Member must satisfy enum value set: [JSON, Text]"
    );
    let invocation = InvocationRequest {
        function_name: "f".to_owned(),
        invocation_type: Some(InvocationType::from("Later")),
        ..InvocationRequest::default()
    };
    assert_eq!(
        message(&invocation),
        "1 validation error detected: Value 'Later' at 'invocationType' failed to satisfy \
         constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]"
    );
}

#[test]
fn a_bad_element_is_the_lists_violation() {
    let input = CreateFunctionRequest {
        architectures: Some(vec![Architecture::from("mips"), Architecture::X86_64]),
        ..function()
    };
    assert_eq!(
        message(&input),
        "2 validation errors detected: Value '[mips, x86_64]' at 'architectures' failed to satisfy \
         constraint: Member must have length less than or equal to 1; \
         Value '[mips, x86_64]' at 'architectures' failed to satisfy constraint: \
         Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], \
         Member must not be null]"
    );
}

#[test]
fn nested_members_and_elements_have_paths() {
    let mount = |path: &str| FileSystemConfig {
        arn: None,
        local_mount_path: Some(path.to_owned()),
        ..FileSystemConfig::default()
    };
    let input = CreateFunctionRequest {
        vpc_config: Some(VpcConfig {
            subnet_ids: Some(vec!["net".to_owned()]),
            ..VpcConfig::default()
        }),
        file_system_configs: Some(vec![mount("/mnt/a"), mount("/mnt/b")]),
        ..function()
    };
    assert_eq!(
        message(&input),
        "4 validation errors detected: Value '[net]' at 'vpcConfig.subnetIds' failed to satisfy \
         constraint: Member must satisfy constraint: [Member must have length less than or equal \
         to 1024, Member must have length greater than or equal to 0, Member must satisfy regular \
         expression pattern: subnet-[0-9a-z]*, Member must not be null]; \
         Value '[FileSystemConfig(localMountPath=/mnt/a), FileSystemConfig(localMountPath=/mnt/b)]' \
         at 'fileSystemConfigs' failed to satisfy constraint: \
         Member must have length less than or equal to 1; \
         Value null at 'fileSystemConfigs.1.member.arn' failed to satisfy constraint: \
         Member must not be null; \
         Value null at 'fileSystemConfigs.2.member.arn' failed to satisfy constraint: \
         Member must not be null"
    );
}

#[test]
fn sensitive_values_are_not_repeated() {
    let variables = BTreeMap::from([("1A".to_owned(), "secret".to_owned())]);
    let input = CreateFunctionRequest {
        environment: Some(Environment {
            variables: Some(variables),
        }),
        ..function()
    };
    assert_eq!(
        message(&input),
        "1 validation error detected: Value at 'environment.variables' failed to satisfy \
         constraint: Map keys must satisfy constraint: [Member must satisfy regular expression \
         pattern: [a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]"
    );
    assert!(!format!("{input:?}").contains("secret"));
}

#[test]
fn maps_are_checked_by_key_and_value() {
    let weights = BTreeMap::from([("x".to_owned(), 1.5)]);
    let input = CreateAliasRequest {
        function_name: "f".to_owned(),
        name: Some("prod".to_owned()),
        function_version: Some("1".to_owned()),
        routing_config: Some(AliasRoutingConfiguration {
            additional_version_weights: Some(weights),
        }),
        ..CreateAliasRequest::default()
    };
    assert_eq!(
        message(&input),
        "2 validation errors detected: Value '{x=1.5}' at 'routingConfig.additionalVersionWeights' \
         failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length \
         less than or equal to 1024, Member must have length greater than or equal to 1, Member \
         must satisfy regular expression pattern: [0-9]+, Member must not be null]; \
         Value '{x=1.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: \
         Map value must satisfy constraint: [Member must have value less than or equal to 1.0, \
         Member must have value greater than or equal to 0.0, Member must not be null]"
    );
}

#[test]
fn a_request_cannot_make_the_message_endless() {
    let input = CreateFunctionRequest {
        file_system_configs: Some(vec![FileSystemConfig::default(); 1000]),
        ..function()
    };
    let message = message(&input);
    assert!(
        message.starts_with("2001 validation errors detected"),
        "{message}"
    );
    assert_eq!(message.matches("failed to satisfy").count(), LISTED);
}

#[test]
fn a_maps_structures_have_paths_by_key() {
    let bad = FileSystemConfig {
        local_mount_path: Some("/mnt/a".to_owned()),
        ..FileSystemConfig::default()
    };
    let map = BTreeMap::from([("Event".to_owned(), bad)]);
    let mut found = Violations::default();
    let keys = KeyChoice::<InvocationType>(std::marker::PhantomData);
    found.structure_map(&Place::ROOT, "systems", Some(&map), Size::ANY, &keys);
    assert_eq!(
        found.verdict().unwrap_err(),
        "1 validation error detected: Value null at 'systems.Event.member.arn' failed to satisfy \
         constraint: Member must not be null"
    );
    let map = BTreeMap::from([("event".to_owned(), FileSystemConfig::default())]);
    let size = Size {
        min: Some(2),
        max: None,
    };
    let mut found = Violations::default();
    found.structure_map(&Place::ROOT, "systems", Some(&map), size, &keys);
    let message = found.verdict().unwrap_err();
    assert!(
        message.starts_with(
            "4 validation errors detected: Value '{event=FileSystemConfig()}' at 'systems' failed \
             to satisfy constraint: Member must have length greater than or equal to 2; \
             Value '{event=FileSystemConfig()}' at 'systems' failed to satisfy constraint: Map \
             keys must satisfy constraint: [Member must satisfy enum value set: [Event, "
        ),
        "{message}"
    );
}
