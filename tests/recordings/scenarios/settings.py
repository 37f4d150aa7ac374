"""What is kept beside functions: code signing, recursion, logging, SnapStart, the account.

Rules found here:

- LogFormat JSON brings both levels with it, INFO unless given; Text shows neither.
- SnapStart's OptimizationStatus stays Off on `$LATEST`, whatever ApplyOn says.
- A code signing configuration is shown whole by create, get and update, and by its ARN elsewhere.
"""

from recordings.lab import ACCOUNT, REGION
from recordings.registry import scenario
from support import functions

HANDLERS = {
    "dotnet": "dotnet::Dotnet.Function::FunctionHandler",
    "java": "echo.Handler",
    "python": "handler.handler",
}


@scenario("TestCodeSigningConfig::test_function_code_signing_config")
def code_signing(lab):
    name = lab.deploy()
    profile = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/test"

    def policies(value):
        return {"CodeSigningPolicies": {"UntrustedArtifactOnDeployment": value}}

    created = lab.record(
        "create_code_signing_config",
        "create_code_signing_config",
        Description="Testing CodeSigning Config",
        AllowedPublishers={"SigningProfileVersionArns": [profile]},
        **policies("Enforce"),
    )
    arn = created["CodeSigningConfig"]["CodeSigningConfigArn"]
    signing = {"CodeSigningConfigArn": arn}
    operation = "update_code_signing_config"
    lab.record(operation, operation, **signing, **policies("Warn"))
    for operation, arguments in (
        ("get_code_signing_config", signing),
        ("put_function_code_signing_config", {**signing, "FunctionName": name}),
        ("get_function_code_signing_config", {"FunctionName": name}),
        ("list_functions_by_code_signing_config", signing),
    ):
        lab.record(operation, operation, **arguments)
    listed = lab.call("list_code_signing_configs")["CodeSigningConfigs"]
    ours = [config for config in listed if config["CodeSigningConfigArn"] == arn]
    lab.keep("list_code_signing_configs", ours[0])
    for operation, arguments in (
        ("delete_function_code_signing_config", {"FunctionName": name}),
        ("delete_code_signing_config", signing),
    ):
        lab.record(operation, operation, **arguments)


@scenario("TestLambdaRecursion::test_put_function_recursion_config_invalid_value")
def recursion_invalid_value(lab):
    lab.record(
        "put_recursion_invalid_value_error",
        "put_function_recursion_config",
        FunctionName=lab.deploy(),
        RecursiveLoop="InvalidValue",
    )


def _update_logging(lab, name, suffix, change):
    """Updates, and reads the outcome once it is in effect."""
    lab.record(
        f"updated_config{suffix}",
        "update_function_configuration",
        FunctionName=name,
        LoggingConfig=change,
    )
    lab.updated(name)
    lab.record(f"received_config{suffix}", "get_function_configuration", FunctionName=name)


def _with_logging(lab):
    name = lab.deploy("create_response", MemorySize=256, Timeout=5)
    lab.record("get_function_response", "get_function", FunctionName=name)
    lab.record("function_config", "get_function_configuration", FunctionName=name)
    return name


@scenario("TestLoggingConfig::test_advanced_logging_configuration_format_switch")
def logging_format_switch(lab):
    name = _with_logging(lab)
    _update_logging(lab, name, "", {"LogFormat": "JSON"})
    _update_logging(lab, name, "_v2", {"LogFormat": "Text"})


@scenario("TestLoggingConfig::test_function_partial_advanced_logging_configuration_update")
def logging_partial_update(lab, parameter):
    changes = {
        "partial_config0": {},
        "partial_config1": {"ApplicationLogLevel": "DEBUG"},
        "partial_config2": {"SystemLogLevel": "DEBUG"},
    }
    _update_logging(lab, _with_logging(lab), "", {"LogFormat": "JSON", **changes[parameter]})


def _snapstart(lab, runtime):
    handler = next(value for name, value in HANDLERS.items() if runtime.startswith(name))
    return lab.create(
        "create_function_response",
        Runtime=runtime,
        Handler=handler,
        Code={"ZipFile": functions.package({"handler.py": functions.ECHO})},
        MemorySize=1024,
        Timeout=5,
    )


@scenario("TestLambdaSnapStart::test_snapstart_lifecycle")
def snapstart_lifecycle(lab, runtime):
    name = _snapstart(lab, runtime)
    lab.call("publish_version", FunctionName=name, Description="version1")
    lab.active(name, "1")
    lab.record("get_function_response_latest", "get_function", FunctionName=name)
    lab.record("get_function_response_version_1", "get_function", FunctionName=name, Qualifier="1")


@scenario("TestLambdaSnapStart::test_snapstart_update_function_configuration")
def snapstart_update(lab, runtime):
    lab.record(
        "update_function_response",
        "update_function_configuration",
        FunctionName=_snapstart(lab, runtime),
        SnapStart={"ApplyOn": "PublishedVersions"},
    )


@scenario("TestRuntimeValidation::test_create_deprecated_function_runtime_with_validation_enabled")
def deprecated_runtime(lab, runtime):
    lab.record("deprecation_error", "create_function", **lab.arguments(Runtime=runtime))


@scenario("TestLambdaAccountSettings::test_account_settings")
def account_settings(lab):
    answer = lab.call("get_account_settings")
    for member in ("AccountLimit", "AccountUsage"):
        answer[member] = sorted(answer[member])
    lab.keep("acc_settings_modded", answer)


@scenario("TestLambdaAccountSettings::test_account_settings_total_code_size_config_update")
def total_code_size(lab):
    def used():
        return lab.call("get_account_settings")["AccountUsage"]["TotalCodeSize"]

    sizes = [used()]
    archive = functions.package({"handler.py": functions.ECHO, "data": bytes(range(256)) * 4})
    function = {"FunctionName": lab.deploy(Code={"ZipFile": archive})}
    sizes.append(used())
    lab.call("update_function_configuration", Description="changed", **function)
    lab.updated(function["FunctionName"])
    sizes.append(used())
    lab.call("publish_version", **function)
    sizes.append(used())
    created, updated, published = (after - before for before, after in zip(sizes, sizes[1:]))
    for key, value in {
        "is_total_code_size_diff_create_function_more_than_200": created > 200,
        "total_code_size_diff_update_function_configuration": updated,
        "is_total_code_size_diff_publish_version_after_config_update_more_than_200": published
        > 200,
    }.items():
        lab.keep(key, value)
