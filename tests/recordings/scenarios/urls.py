"""Configurations of function URLs.

Rules found here:

- A qualifier is an alias: numbers and `$LATEST` break its pattern, whatever the function is.
- Create and update say that the function does not exist, get and delete that the resource does not.
- InvokeMode is shown by get alone, unless it was given.
- What a function returns that is no response is the body of one: a text as it reads, everything else
  as JSON without spaces, always as application/json.

AWS asked for less when these were recorded: since October 2025 a public URL needs a second statement,
which `_open_to_all` adds without a record.
"""

import http.client
import json

from recordings.registry import LAMBDA, scenario
from support.waiting import eventually

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
    lab.call(
        "add_permission",
        FunctionName=name,
        StatementId="functionPermission",
        Action="lambda:InvokeFunction",
        Principal="*",
        InvokedViaFunctionUrl=True,
    )


def _call(lab, name, method="GET", path="/", body=None, headers=None):
    """Sends a request to the function's URL."""
    url = lab.call("get_function_url_config", FunctionName=name)["FunctionUrl"]
    host = url.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(*lab.engine.address, timeout=20)
    try:
        connection.request(method, path, body, {"Host": host, **(headers or {})})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@scenario("TestLambdaURL::test_lambda_url_echo_invoke", LAMBDA)
def echo_invoke(lab, mode):
    _open_to_all(lab, lab.deploy(), **({} if mode == "None" else {"InvokeMode": mode}))


@scenario("TestLambdaURL::test_lambda_url_invocation_exception", LAMBDA)
def invocation_exception(lab):
    name = lab.deploy(source="def handler(event, context):\n    raise Exception('failed')\n")
    lab.record("get_fn_result", "get_function", FunctionName=name)
    _open_to_all(lab, name)


RETURNED = {
    "boolean": True,
    "dict": {"hello": "world"},
    "float": 3.1,
    "http-response": {"statusCode": 200, "body": "body123"},
    "integer": 3,
    "string": "hello",
}


@scenario("TestLambdaURL::test_lambda_url_invocation", LAMBDA)
def invocation(lab, returned):
    name = lab.deploy(source=f"def handler(event, context):\n    return {RETURNED[returned]!r}\n")
    _open_to_all(lab, name)
    answer, body = _call(lab, name)
    lab.keep(
        "lambda_url_invocation",
        {
            "content": json.loads(body) if returned == "dict" else body.decode(),
            "headers": {
                header: answer.getheader(header) for header in ("Content-Length", "Content-Type")
            },
            "statuscode": answer.status,
        },
    )


REFLECT = """
import base64, json

def handler(event, context):
    http = event["requestContext"]["http"]
    body = event.get("body", "")
    if event["isBase64Encoded"]:
        body = base64.b64decode(body).decode()
    said = {
        "args": event.get("queryStringParameters", {}),
        "data": json.loads(body),
        "domain": event["requestContext"]["domainName"],
        "headers": event["headers"],
        "method": http["method"],
        "origin": http["sourceIp"],
        "path": http["path"],
    }
    return {"statusCode": 200, "body": json.dumps(said)}
"""


def _reflected(lab, path):
    """What a function saw of a request, with its domain as its host, for there is no port on AWS."""
    name = lab.deploy(source=REFLECT)
    lab.call("create_function_url_config", FunctionName=name, AuthType="NONE")
    for statement, action, more in (
        ("url", "lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
        ("function", "lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
    ):
        lab.call(
            "add_permission",
            FunctionName=name,
            StatementId=statement,
            Action=action,
            Principal="*",
            **more,
        )
    headers = {
        "Accept": "*/*",
        "Accept-Encoding": "gzip, deflate",
        "Connection": "keep-alive",
        "Content-Type": "application/json",
        "ExTrA-HeadErs": "With WeiRd CapS",
        "User-Agent": "test/echo",
    }
    said = json.loads(_call(lab, name, "POST", path, b'{"foo": "bar"}', headers)[1])
    said["headers"]["host"] = said["headers"]["host"].partition(":")[0]
    return said


@scenario("TestLambdaURL::test_lambda_url_echo_http_fixture_default", LAMBDA)
def echo_http_fixture_default(lab):
    lab.keep("url_response", _reflected(lab, "/pa2%Fth/1?q=query&multiQuery=foo&multiQuery=%2Fbar"))


@scenario("TestLambdaURL::test_lambda_url_echo_http_fixture_trim_x_headers", LAMBDA)
def echo_http_fixture_trim_x_headers(lab):
    said = _reflected(lab, "/path/1?q=query")
    said["headers"] = {k: v for k, v in said["headers"].items() if not k.startswith("x-")}
    lab.keep("url_response", said)


@scenario("TestRequestIdHandling::test_request_id_invoke_url", LAMBDA)
def request_id(lab):
    name = lab.deploy(source="def handler(event, context):\n    return 'hi'\n")
    _open_to_all(lab, name)
    answer, body = _call(lab, name)
    lab.keep(
        "lambda_url_invocation",
        {
            "content": body.decode(),
            "headers": {"x-amzn-RequestId": answer.getheader("x-amzn-RequestId")},
            "statuscode": answer.status,
        },
    )

    def ended():
        found = lab.ask("logs.filter_log_events", logGroupName=f"/aws/lambda/{name}")
        lines = [event["message"].strip() for event in found.get("events", [])]
        return [line for line in lines if line.startswith("END ")]

    lab.keep("end_log_entries", eventually(ended, "the log has the end of the invocation"))
