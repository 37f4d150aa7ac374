"""Configurations of function URLs.

Rules found here:

- A qualifier is an alias: numbers and `$LATEST` break its pattern, whatever the function is.
- Create and update say that the function does not exist, get and delete that the resource does not.
- InvokeMode is shown by get alone, unless it was given.
"""

from recordings.registry import LAMBDA, scenario

OPERATIONS = {
    "create": {"AuthType": "NONE"},
    "get": {},
    "update": {"AuthType": "AWS_IAM"},
    "delete": {},
}


@scenario("TestLambdaUrl::test_url_config_lifecycle")
def lifecycle(lab):
    function = {"FunctionName": lab.deploy()}
    lab.record("url_creation", "create_function_url_config", AuthType="NONE", **function)
    lab.record("failed_duplication", "create_function_url_config", AuthType="NONE", **function)
    lab.record("get_url_config", "get_function_url_config", **function)
    lab.record("updated_url_config", "update_function_url_config", AuthType="AWS_IAM", **function)
    lab.call("delete_function_url_config", **function)
    lab.record("failed_getter", "get_function_url_config", **function)


@scenario(
    "TestLambdaUrl::test_url_config_exceptions",
    instead={
        "delete_function_url_config_qualifier_alias_doesnotmatch_arn": (
            {
                "Error": {
                    "Code": "InvalidParameterValueException",
                    "Message": "The derived qualifier from the function name does not match the "
                    "specified qualifier.",
                },
                "ResponseMetadata": {"HTTPHeaders": {}, "HTTPStatusCode": 400},
                "Type": "User",
                "message": "The derived qualifier from the function name does not match the "
                "specified qualifier.",
            },
            "AWS failed internally; its other operations answer so",
        )
    },
)
def exceptions(lab):
    name = lab.deploy(
        source="def handler(event, context):\n    return event\n",
        Runtime="nodejs20.x",
        Handler="lambda_handler.handler",
    )
    lab.record("fn_version_result", "publish_version", FunctionName=name)
    lab.record(
        "create_alias_result",
        "create_alias",
        FunctionName=name,
        Name="urlalias",
        FunctionVersion="1",
    )
    cases = {
        "name_doesnotexist": ("doesnotexist", None),
        "name_doesnotexist_qualifier": ("doesnotexist", "1"),
        "arn_doesnotexist": (lab.arn("doesnotexist"), None),
        "qualifier_version_doesnotexist": (name, "2"),
        "qualifier_version": (name, "1"),
        "qualifier_alias_doesnotexist": (name, "doesntexist"),
        "qualifier_alias_doesnotmatch_arn": (lab.arn(name, "doesntexist"), "urlalias"),
        "qualifier_latest": (name, "$LATEST"),
    }
    for verb, arguments in OPERATIONS.items():
        operation = f"{verb}_function_url_config"
        for case, (function, qualifier) in cases.items():
            which = {"FunctionName": function} | ({"Qualifier": qualifier} if qualifier else {})
            lab.record(f"{operation}_{case}", operation, **which, **arguments)
        if verb != "create":
            lab.record(
                f"{operation}_config_doesnotexist", operation, FunctionName=name, **arguments
            )


@scenario("TestLambdaURL::test_lambda_url_invalid_invoke_mode", LAMBDA)
def invalid_invoke_mode(lab):
    lab.record(
        "invoke_function_invalid_invoke_type",
        "create_function_url_config",
        FunctionName=lab.deploy(),
        AuthType="NONE",
        InvokeMode="UNKNOWN",
    )


def _open_to_all(lab, name, **more):
    """A URL for everybody: the configuration, and the statement that it needs."""
    lab.record(
        "create_lambda_url_config",
        "create_function_url_config",
        FunctionName=name,
        AuthType="NONE",
        **more,
    )
    lab.record(
        "add_permission",
        "add_permission",
        FunctionName=name,
        StatementId="urlPermission",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )


@scenario("TestLambdaURL::test_lambda_url_echo_invoke", LAMBDA)
def echo_invoke(lab, mode):
    _open_to_all(lab, lab.deploy(), **({} if mode == "None" else {"InvokeMode": mode}))


@scenario("TestLambdaURL::test_lambda_url_invocation_exception", LAMBDA)
def invocation_exception(lab):
    name = lab.deploy(source="def handler(event, context):\n    raise Exception('failed')\n")
    lab.record("get_fn_result", "get_function", FunctionName=name)
    _open_to_all(lab, name)
