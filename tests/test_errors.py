"""Functions that fail: what the caller is told, and that the function works again afterwards."""

import pytest

from support import functions
from test_log_tail import REPORT


def failure(client, name, event=None, **more):
    """The payload of an invocation that must fail, and the invocation."""
    result = functions.invoke(client, name, event, **more)
    assert (result.status, result.error) == (200, "Unhandled")
    assert result.version == "$LATEST"
    return result.payload, result


def test_an_exception(client, deploy):
    source = """
        class Broken(Exception):
            pass

        def handler(event, context):
            raise Broken("on purpose")
    """
    payload, result = failure(client, deploy(source))
    assert payload["errorMessage"] == "on purpose"
    assert payload["errorType"] == "Broken"
    assert payload["requestId"] == result.request_id
    assert len(payload["stackTrace"]) == 1
    where, what = payload["stackTrace"][0].splitlines()
    assert where.startswith('  File "')
    assert where.endswith('main.py", line 6, in handler')
    assert what.strip() == 'raise Broken("on purpose")'


def test_an_exception_leaves_the_environment_as_it_is(client, deploy):
    source = """
        import os

        def handler(event, context):
            if event == "fail":
                raise ValueError("x")
            return os.getpid()
    """
    name = deploy(source)
    before = functions.invoke(client, name).value
    failure(client, name, "fail")
    assert functions.invoke(client, name).value == before


def test_an_import_that_fails(client, deploy):
    payload, _ = failure(client, deploy("import no_such_module\n\ndef handler(e, c):\n    pass\n"))
    assert payload["errorType"] == "Runtime.ImportModuleError"
    assert payload["errorMessage"] == (
        "Unable to import module 'main': No module named 'no_such_module'"
    )
    assert payload["stackTrace"] == []


def test_a_module_that_does_not_exist(client, deploy):
    payload, _ = failure(client, deploy(Handler="absent.handler"))
    assert payload["errorType"] == "Runtime.ImportModuleError"
    assert payload["errorMessage"] == "Unable to import module 'absent': No module named 'absent'"


def test_a_handler_that_does_not_exist(client, deploy):
    payload, _ = failure(client, deploy(Handler="main.absent"))
    assert payload["errorType"] == "Runtime.HandlerNotFound"
    assert payload["errorMessage"] == "Handler 'absent' missing on module 'main'"


def test_a_handler_that_is_no_name(client, deploy):
    payload, _ = failure(client, deploy(Handler="nodots"))
    assert payload["errorType"] == "Runtime.MalformedHandlerName"


def test_a_syntax_error(client, deploy):
    payload, _ = failure(client, deploy("def handler(event, context)\n    pass\n"))
    assert payload["errorType"] == "Runtime.UserCodeSyntaxError"
    assert "Syntax error in module 'main'" in payload["errorMessage"]


def test_an_exception_while_initialising(client, deploy):
    payload, _ = failure(client, deploy("raise Exception('Runtime startup fails')\n"))
    assert payload["errorType"] == "Exception"
    assert payload["errorMessage"] == "Runtime startup fails"
    assert payload["stackTrace"][-1].endswith("raise Exception('Runtime startup fails')\n")


def test_an_answer_that_is_no_json(client, deploy):
    payload, _ = failure(client, deploy("def handler(event, context):\n    return {1, 2}\n"))
    assert payload["errorType"] == "Runtime.MarshalError"
    assert payload["errorMessage"] == (
        "Unable to marshal response: Object of type set is not JSON serializable"
    )


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("sys.exit(0)", "Runtime exited without providing a reason"),
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
    ],
)
def test_a_function_that_exits(client, deploy, statement, reason):
    source = f"""
        import os
        import sys

        def handler(event, context):
            if event == "exit":
                {statement}
            return "fine"
    """
    name = deploy(source)
    payload, result = failure(client, name, "exit", LogType="Tail")
    assert payload == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {result.request_id} Error: {reason}",
    }
    assert functions.invoke(client, name).value == "fine"


def test_exits_while_initialising(client, deploy):
    payload, result = failure(client, deploy("import os\n\nos._exit(7)\n"))
    assert payload == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {result.request_id} Error: Runtime exited with error: exit status 7",
    }


def test_a_timeout(client, deploy):
    source = """
        import time

        def handler(event, context):
            if event == "sleep":
                time.sleep(60)
            return "fine"
    """
    name = deploy(source, Timeout=3)
    payload, result = failure(client, name, "sleep", LogType="Tail")
    assert payload == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {result.request_id} Error: Task timed out after 3.00 seconds",
    }
    report = REPORT.fullmatch(result.log.splitlines()[-1])
    assert report["rest"] == "Status: timeout"
    assert 3000 <= float(report["duration"]) < 8000
    assert functions.invoke(client, name).value == "fine"


def test_after_a_timeout_tmp_is_kept_and_init_runs_again(client, deploy):
    source = """
        import os
        import time

        path = "/tmp/" + os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        started = time.time()

        def handler(event, context):
            if event == "sleep":
                open(path, "w").close()
                time.sleep(60)
            kept = os.path.exists(path)
            return [kept, started, context.log_stream_name]
    """
    name = deploy(source, Timeout=3)
    fresh, started, stream = functions.invoke(client, name).value
    assert fresh is False
    failure(client, name, "sleep")
    kept, restarted, same_stream = functions.invoke(client, name).value
    assert kept is True
    assert restarted > started
    assert same_stream == stream


def test_too_little_memory(client, deploy):
    source = """
        def handler(event, context):
            if event == "fill":
                data = bytearray(600 * 1024 * 1024)
                for page in range(0, len(data), 4096):
                    data[page] = 1
            return "fine"
    """
    name = deploy(source, MemorySize=128)
    payload, result = failure(client, name, "fill", LogType="Tail")
    assert payload["errorType"] == "Runtime.OutOfMemory"
    assert payload["errorMessage"].startswith(
        f"RequestId: {result.request_id} Error: Runtime exited"
    )
    assert "Status: error\tError Type: Runtime.OutOfMemory" in result.log.splitlines()[-1]
    assert functions.invoke(client, name).value == "fine"
