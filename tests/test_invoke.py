"""Synchronous invocation: payloads, qualifiers, what the function is told, what the caller gets."""

import base64
import json

import pytest

from support import functions
from test_functions import arn
from test_validation import refusal


@pytest.mark.parametrize(
    "event",
    [None, True, 0, -1.5, "", "täst ☃ \U0001f680", [], {}, {"a": {"b": [1, None, "x"]}}],
    ids=lambda event: json.dumps(event)[:12],
)
def test_any_json_goes_in_and_out(client, echo, event):
    result = functions.invoke(client, echo, event)
    assert (result.status, result.error) == (200, None)
    assert result.value == event
    assert result.version == "$LATEST"
    assert result.log is None


def test_no_payload_is_an_empty_event(client, deploy):
    name = deploy("def handler(event, context):\n    return repr(event)\n")
    result = functions.Invocation(client.invoke(FunctionName=name))
    assert result.value == "{}"


def test_the_request_id_is_the_same_for_caller_and_function(client, deploy):
    name = deploy("def handler(event, context):\n    return context.aws_request_id\n")
    result = functions.invoke(client, name)
    assert result.value == result.request_id


def test_the_context(client, deploy):
    source = """
        def handler(event, context):
            return {
                "function_name": context.function_name,
                "function_version": context.function_version,
                "invoked_function_arn": context.invoked_function_arn,
                "memory_limit_in_mb": context.memory_limit_in_mb,
                "log_group_name": context.log_group_name,
                "log_stream_name": context.log_stream_name,
                "remaining": context.get_remaining_time_in_millis(),
                "client_context": context.client_context,
                "identity": context.identity.cognito_identity_id,
            }
    """
    name = deploy(source, MemorySize=256, Timeout=7)
    context = functions.invoke(client, name).value
    assert 5_000 < context.pop("remaining") <= 7_000
    stream = context.pop("log_stream_name")
    assert context == {
        "function_name": name,
        "function_version": "$LATEST",
        "invoked_function_arn": arn(name),
        "memory_limit_in_mb": "256",
        "log_group_name": f"/aws/lambda/{name}",
        "client_context": None,
        "identity": None,
    }
    day, _, version = stream.partition("[")
    assert len(day.split("/")) == 4
    assert version.startswith("$LATEST]")


@pytest.mark.parametrize("indent", [None, 4])
def test_the_client_context_arrives(client, deploy, indent):
    source = """
        def handler(event, context):
            return [context.client_context.custom, context.client_context.env]
    """
    name = deploy(source)
    sent = {"custom": {"trip": "42"}, "env": {"locale": "de"}, "client": {"app_title": "t"}}
    encoded = base64.b64encode(json.dumps(sent, indent=indent).encode()).decode()
    result = functions.invoke(client, name, {}, ClientContext=encoded)
    assert result.value == [{"trip": "42"}, {"locale": "de"}]


def test_the_latest_qualifier_shows_in_the_arn(client, deploy):
    name = deploy("def handler(event, context):\n    return context.invoked_function_arn\n")
    assert functions.invoke(client, name, Qualifier="$LATEST").value == f"{arn(name)}:$LATEST"
    assert functions.invoke(client, arn(name)).value == arn(name)


def test_an_alias_that_does_not_exist(client, echo):
    code, message, status = refusal(client.invoke, FunctionName=echo, Qualifier="nobody")
    assert (code, status) == ("ResourceNotFoundException", 404)
    assert message == f"Function not found: {arn(echo)}:nobody"


def test_dry_run_invokes_nothing(client, deploy):
    source = """
        count = 0

        def handler(event, context):
            global count
            count += 1
            return count
    """
    name = deploy(source)
    assert functions.invoke(client, name).value == 1
    result = functions.invoke(client, name, InvocationType="DryRun")
    assert (result.status, result.raw, result.error, result.version) == (204, b"", None, None)
    assert functions.invoke(client, name).value == 2
    code, _, status = refusal(client.invoke, FunctionName="nobody", InvocationType="DryRun")
    assert (code, status) == ("ResourceNotFoundException", 404)


def test_what_is_not_json(client, echo):
    code, message, status = refusal(client.invoke, FunctionName=echo, Payload=b"{no json")
    assert (code, status) == ("InvalidRequestContentException", 400)
    assert message.startswith("Could not parse request body into json: ")


def test_a_large_event_and_a_large_answer(client, echo):
    event = "x" * (6 * 1024 * 1024 - 2 - 1024)
    assert functions.invoke(client, echo, event).value == event


def test_an_event_that_is_too_large(client, echo):
    event = b'"' + b"x" * (6 * 1024 * 1024) + b'"'
    code, message, status = refusal(client.invoke, FunctionName=echo, Payload=event)
    assert (code, status) == ("RequestEntityTooLargeException", 413)
    assert message == "Request must be smaller than 6291456 bytes for the InvokeFunction operation"


def test_an_answer_that_is_too_large(client, deploy):
    name = deploy("def handler(event, context):\n    return 'x' * (7 * 1024 * 1024)\n")
    for _ in range(2):
        result = functions.invoke(client, name)
        assert (result.status, result.error) == (200, "Unhandled")
        assert result.payload == {
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": (
                "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
            ),
        }


def test_a_handler_in_a_package(client, deploy):
    archive = functions.package(
        {"sub/__init__.py": "", "sub/deep.py": "def run(event, context):\n    return 'deep'\n"}
    )
    assert functions.invoke(client, deploy(archive, Handler="sub.deep.run")).value == "deep"
    assert functions.invoke(client, deploy(archive, Handler="sub/deep.run")).value == "deep"


def test_invocations_reuse_the_warm_environment(client, deploy):
    source = """
        import os

        count = 0

        def handler(event, context):
            global count
            count += 1
            return [os.getpid(), context.log_stream_name, count]
    """
    name = deploy(source)
    answers = [functions.invoke(client, name).value for _ in range(20)]
    assert [count for _, _, count in answers] == list(range(1, 21))
    assert len({(pid, stream) for pid, stream, _ in answers}) == 1


def test_functions_do_not_share_environments(client, deploy):
    source = "import os\n\ndef handler(event, context):\n    return context.log_stream_name\n"
    assert (
        functions.invoke(client, deploy(source)).value
        != functions.invoke(client, deploy(source)).value
    )
