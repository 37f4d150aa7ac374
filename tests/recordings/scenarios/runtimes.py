"""What holds for every runtime: what it sees, how it fails, how it is wrapped.

Much of this was recorded from CreateFunction alone, and is compared for every runtime, run here or
not.
"""

from recordings.registry import COMMON, RUNTIMES, scenario
from recordings.scenarios.sources import OURS, language, package, runnable
from support import functions
from support.waiting import eventually

HANDLERS = {
    "dotnet": "dotnet::Dotnet.Function::FunctionHandler",
    "java": "echo.Handler",
    "nodejs": "index.handler",
    "provided": "function.handler",
    "python": "handler.handler",
    "ruby": "function.handler",
}
LARGE = {"MemorySize": 1024}

INTROSPECTION = {
    "python": """
        import os

        NAMES = "aws_request_id function_name function_version invoked_function_arn log_group_name"
        NAMES += " log_stream_name memory_limit_in_mb"

        def handler(event, context):
            ctx = {name: getattr(context, name) for name in NAMES.split()}
            ctx["remaining_time_in_millis"] = context.get_remaining_time_in_millis()
            return {"ctx": ctx, "environment": dict(os.environ), "packages": []}
    """,
    "nodejs": """
        exports.handler = async (event, context) => ({
            ctx: {
                function_name: context.functionName,
                function_version: context.functionVersion,
                invoked_function_arn: context.invokedFunctionArn,
                aws_request_id: context.awsRequestId,
                log_group_name: context.logGroupName,
                log_stream_name: context.logStreamName,
                remaining_time_in_millis: context.getRemainingTimeInMillis(),
            },
            environment: process.env,
            packages: [],
        });
    """,
}

FAILING = {
    "python": """
        def handler(event, context):
            raise Exception(f"Failed: {event['error_msg']}")
    """,
    "nodejs": """
        exports.handler = async (event) => {
            throw new Error(`Error: ${event.error_msg}`);
        };
    """,
}

# A runtime of its own, which reports a failure as the Go one does.
BOOTSTRAP = """\
#!/usr/bin/env python3
import json, os, urllib.request

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
while True:
    with urllib.request.urlopen(f"{API}/next") as event:
        identifier = event.headers["Lambda-Runtime-Aws-Request-Id"]
        message = json.load(event)["error_msg"]
    body = {"errorMessage": f"Error: {message}", "errorType": "errorString"}
    urllib.request.urlopen(f"{API}/{identifier}/error", json.dumps(body).encode()).close()
"""


def _create(lab, runtime, archive, **more):
    return lab.create(
        "create_function_result",
        Runtime=runtime,
        Handler=HANDLERS[language(runtime)],
        Code={"ZipFile": archive},
        **LARGE,
        **more,
    )


def _package(runtime, sources):
    """As `package`, with Node's file named as its handler here is."""
    if language(runtime) == "nodejs":
        return functions.package({"index.js": sources["nodejs"]})
    return package(runtime, sources)


@scenario("TestLambdaRuntimesCommon::test_introspection_invoke", COMMON, grown=OURS)
def introspection(lab, runtime):
    runnable(runtime)
    name = _create(
        lab,
        runtime,
        _package(runtime, INTROSPECTION),
        Environment={"Variables": {"TEST_KEY": "TEST_VAL"}},
    )
    for key, qualified in {
        "invocation_result_payload": {},
        "invocation_result_payload_qualified": {"Qualifier": "$LATEST"},
    }.items():
        lab.keep(key, lab.call("invoke", FunctionName=name, **qualified)["Payload"])


@scenario("TestLambdaRuntimesCommon::test_runtime_wrapper_invoke", COMMON)
def wrapper(lab, runtime):
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/environment_wrapper"}
    _create(lab, runtime, _package(runtime, FAILING), Environment={"Variables": variables})


@scenario("TestLambdaRuntimesCommon::test_uncaught_exception_invoke", COMMON)
def uncaught_exception(lab, runtime):
    runnable(runtime)
    name = _create(lab, runtime, _package(runtime, FAILING))
    lab.invoke("error_result", name, {"error_msg": "some_error_msg"})


@scenario("TestGoProvidedRuntimes::test_uncaught_exception_invoke", RUNTIMES)
def uncaught_exception_in_go(lab, runtime):
    name = _create(lab, runtime, functions.package({"bootstrap": BOOTSTRAP}))
    lab.invoke("error_result", name, {"error_msg": "some_error_msg"})


@scenario("TestJavaRuntimes::test_java_lambda_subscribe_sns_topic", RUNTIMES)
def subscribe_to_topic(lab):
    name = lab.deploy(Runtime="java11", Handler="cloud.localstack.sample.LambdaHandler")
    lab.record("get-function", "get_function", FunctionName=name)
    lab.record(
        "add-permission",
        "add_permission",
        FunctionName=name,
        StatementId="statement-0123",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn="arn:aws:sns:us-east-1:111111111111:topic",
    )


@scenario("TestNodeJSRuntimes::test_invoke_nodejs_es6_lambda", RUNTIMES)
def es6(lab, runtime):
    runnable(runtime)
    source = """
        export const handler = async (event) => ({
            statusCode: 200,
            body: JSON.stringify(`response from localstack lambda: ${JSON.stringify(event)}`),
        });
    """
    name = lab.deploy(
        "creation-result",
        Runtime=runtime,
        Handler="lambda_handler_es6.handler",
        Code={"ZipFile": functions.package({"lambda_handler_es6.mjs": source})},
    )
    lab.invoke("invocation-result", name, {"event_type": "test_lambda"})


@scenario("TestCloudwatchLogs::test_multi_line_prints", RUNTIMES)
def multi_line_prints(lab):
    source = r"""
        def handler(event, context):
            print("multi\nline\nstring")
            print("another\rline")
    """
    name = lab.deploy(Runtime="python3.13", source=source)
    lab.call("invoke", FunctionName=name)

    def complete():
        answer = lab.ask("logs.filter_log_events", logGroupName=f"/aws/lambda/{name}")
        events = answer.get("events", [])
        return events if any(event["message"].startswith("REPORT") for event in events) else None

    lab.keep("log-events", eventually(complete, "the log is complete"))
