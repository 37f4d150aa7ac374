"""Versions, and how answers change while a function or an update settles.

Rules found here:

- An update that changes nothing still makes a revision, and so does its settling.
- ListVersionsByFunction shows neither states nor RuntimeVersionConfig, and qualifies `$LATEST`.
- UpdateFunctionCode with Publish answers with the version, which is Pending at first.
"""

from recordings.registry import LAMBDA, scenario
from support import functions


@scenario("TestLambdaVersions::test_publish_with_update")
def publish_with_update(lab):
    name = lab.create("create_response")
    lab.record("get_function_result", "get_function", FunctionName=name)
    other = functions.package({"index.py": "def handler(event, context):\n    return 2\n"})
    lab.record(
        "update_function_code_result",
        "update_function_code",
        FunctionName=name,
        ZipFile=other,
        Publish=True,
    )
    lab.record("get_function_version_result", "get_function", FunctionName=name, Qualifier="1")
    lab.record("get_function_latest_result", "get_function", FunctionName=name, Qualifier="$LATEST")


@scenario("TestLambdaVersions::test_version_lifecycle")
def version_lifecycle(lab):
    name = lab.create("create_response", Description="No version :(")
    function = {"FunctionName": name}
    lab.record("get_function_result", "get_function", **function)
    lab.record("list_versions_result", "list_versions_by_function", **function)

    lab.record(
        "first_update_response",
        "update_function_configuration",
        Description="First version :)",
        **function,
    )
    lab.updated(name)
    lab.record("first_update_get_function", "get_function", **function)
    lab.record(
        "first_publish_response",
        "publish_version",
        Description="First version description :)",
        **function,
    )
    first = {**function, "Qualifier": "1"}
    lab.record("first_publish_get_function", "get_function", **first)
    lab.record("first_publish_get_function_config", "get_function_configuration", **first)

    lab.record(
        "second_update_response",
        "update_function_configuration",
        Description="Second version :))",
        **function,
    )
    lab.updated(name)
    lab.record("first_publish_get_function_after_update", "get_function", **first)
    lab.record("second_publish_response", "publish_version", **function)
    lab.record("third_publish_response", "publish_version", **function)
    lab.record("list_versions_result_after_third_publish", "list_versions_by_function", **function)
    lab.call("delete_function", **first)
    lab.record(
        "list_versions_result_after_deletion_of_first_version",
        "list_versions_by_function",
        **function,
    )


@scenario("TestLambdaFunction::test_redundant_updates")
def redundant_updates(lab):
    name = lab.deploy("create_response", Description="Initial description")
    function = {"FunctionName": name}
    change = {**function, "Description": "1st update description"}
    lab.record("first_update_result", "update_function_configuration", **change)
    lab.updated(name)
    lab.record("get_fn_config_result", "get_function_configuration", **function)
    lab.record("get_fn_result", "get_function", **function)
    lab.record("redundant_update_result", "update_function_configuration", **change)
    lab.updated(name)
    lab.record("get_fn_result_after_redundant_update", "get_function", **function)


@scenario("TestLambdaCleanup::test_recreate_function", LAMBDA)
def recreate_function(lab):
    name = lab.name()
    code = {"ZipFile": functions.package({"lambda_echo.py": functions.ECHO})}
    for key in ("create_function_response_one", "create_function_response_two"):
        lab.deploy(key, name=name, Handler="lambda_echo.handler", Code=code)
        lab.call("delete_function", FunctionName=name)


@scenario("TestLambdaBehavior::test_mixed_architecture", LAMBDA)
def mixed_architecture(lab):
    name = lab.deploy("create_function_response")
    lab.record(
        "update_function_code_response",
        "update_function_code",
        FunctionName=name,
        ZipFile=functions.package({"handler.py": functions.ECHO}),
        Architectures=["arm64"],
    )


@scenario("TestLambdaFunction::test_vpc_config")
def vpc_config(lab):
    def network(number):
        return {
            "SubnetIds": [f"subnet-{number:017x}"],
            "SecurityGroupIds": [f"sg-{number:017x}"],
        }

    name = lab.deploy("create_response", MemorySize=256, Timeout=5, VpcConfig=network(1))
    lab.record("get_function_response", "get_function", FunctionName=name)
    for key, change in {
        "update_vpcconfig": network(2),
        "delete_vpcconfig": {"SubnetIds": [], "SecurityGroupIds": []},
    }.items():
        lab.record(
            f"{key}_update_response",
            "update_function_configuration",
            FunctionName=name,
            VpcConfig=change,
        )
        lab.updated(name)
        lab.record(f"{key}_get_function_response", "get_function", FunctionName=name)
