"""What a function finds in its environment: everything that AWS sets, and nothing of the host."""

import re

import pytest

from support import functions
from support.engine import REGION

SOURCE = """
    import os

    TRACE = os.environ["_X_AMZN_TRACE_ID"]

    def handler(event, context):
        return dict(os.environ, _STREAM=context.log_stream_name, _TRACE_AT_START=TRACE)
"""


@pytest.fixture(scope="module")
def variables(client, names):
    """The environment that a function sees, with the function's name."""
    name = next(names)
    client.create_function(
        **functions.create_arguments(
            name,
            functions.python(SOURCE),
            MemorySize=512,
            Environment={"Variables": {"OWN": "value", "ALSO_OWN": "a=b c"}},
        )
    )
    functions.wait_active(client, name)
    yield name, functions.invoke(client, name).value
    client.delete_function(FunctionName=name)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("_HANDLER", "main.handler"),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_python3.11"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
        ("_AWS_XRAY_DAEMON_PORT", "2000"),
        ("LANG", "en_US.UTF-8"),
        ("SHLVL", "0"),
        ("TZ", ":UTC"),
        ("OWN", "value"),
        ("ALSO_OWN", "a=b c"),
    ],
)
def test_fixed_values(variables, variable, value):
    _, environment = variables
    assert environment[variable] == value


@pytest.mark.parametrize(
    "variable",
    [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
        "LD_LIBRARY_PATH",
        "PATH",
        "PYTHONPATH",
        "_X_AMZN_TRACE_ID",
    ],
)
def test_set_to_something(variables, variable):
    _, environment = variables
    assert environment[variable]


def test_values_that_name_the_function(variables):
    name, environment = variables
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert environment["AWS_LAMBDA_LOG_GROUP_NAME"] == f"/aws/lambda/{name}"
    assert environment["AWS_LAMBDA_LOG_STREAM_NAME"] == environment["_STREAM"]
    assert re.fullmatch(
        r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", environment["AWS_LAMBDA_LOG_STREAM_NAME"]
    )


def test_the_runtime_api_is_an_address(variables):
    _, environment = variables
    assert re.fullmatch(r"[\w.]+:\d+", environment["AWS_LAMBDA_RUNTIME_API"])


def test_the_tracing_daemon_shares_the_runtime_apis_host(variables):
    _, environment = variables
    host = environment["AWS_LAMBDA_RUNTIME_API"].rpartition(":")[0]
    assert environment["_AWS_XRAY_DAEMON_ADDRESS"] == host
    assert environment["AWS_XRAY_DAEMON_ADDRESS"] == f"{host}:2000"


@pytest.mark.parametrize("variable", ["_X_AMZN_TRACE_ID", "_TRACE_AT_START"])
def test_the_trace_header_has_xrays_form(variables, variable):
    _, environment = variables
    assert re.match(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};", environment[variable])


def test_every_invocation_has_a_trace_of_its_own(variables):
    _, environment = variables
    assert environment["_X_AMZN_TRACE_ID"] != environment["_TRACE_AT_START"]


def test_it_starts_at_the_task_root(variables):
    _, environment = variables
    assert environment["PWD"] == environment["LAMBDA_TASK_ROOT"]


def test_text_is_no_log_format_to_tell_of(variables):
    _, environment = variables
    assert {"AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL"} & set(environment) == set()


def test_the_sdk_is_pointed_at_the_engine(variables):
    _, environment = variables
    assert environment["AWS_ENDPOINT_URL"].startswith("http://")


def test_nothing_of_the_host_comes_through(variables):
    _, environment = variables
    own = {"LAMBDALAB_HOME", "LAMBDALAB_RUNTIMES", "LAMBDALAB_TEST_MARK", "HOME", "USER", "LOGNAME"}
    assert own & set(environment) == set()


def test_code_lies_at_the_task_root(client, deploy):
    source = """
        import os

        def handler(event, context):
            root = os.environ["LAMBDA_TASK_ROOT"]
            return [os.path.samefile(root, os.path.dirname(__file__)), os.path.samefile(root, os.getcwd())]
    """
    assert functions.invoke(client, deploy(source)).value == [True, True]


def test_versions_and_aliases(client, deploy):
    name = deploy(SOURCE)
    client.publish_version(FunctionName=name)
    environment = functions.invoke(client, name, Qualifier="1").value
    assert environment["AWS_LAMBDA_FUNCTION_VERSION"] == "1"
    assert "/[1]" in environment["AWS_LAMBDA_LOG_STREAM_NAME"]
