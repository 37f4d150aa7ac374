"""The `lambdalab` commands: what they print, and with which code they end."""

import json
import os
import signal
import subprocess

import pytest

from support import census, functions, streams, urls
from support.engine import BINARY, command_environment
from support.waiting import eventually

YES, NO, USAGE, TARGET_FAILED = 0, 1, 2, 4


@pytest.fixture
def run(engine, tmp_path):
    """Runs a command against the shared engine, in an empty folder, and checks its exit code."""

    def run(*arguments, code=YES, stdin=None, environment=None):
        done = subprocess.run(
            [BINARY, *map(str, arguments)],
            env=environment or engine.environment(),
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, (arguments, done)
        assert "panicked at" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture
def folder(tmp_path):
    """A folder with a function that answers with its event and logs."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "main.py").write_text(
        "def handler(event, context):\n    print('hello log')\n    return event\n"
    )
    return source


@pytest.fixture
def created(run, folder, names, client):
    """A function made by the CLI."""
    name = next(names)
    run(
        "function",
        "create",
        name,
        "--dir",
        folder,
        "--handler",
        "main.handler",
        "--runtime",
        "python3.11",
    )
    yield name
    try:
        client.delete_function(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        pass  # deleted by the test


def test_a_function_from_a_folder_to_its_end(run, created, folder):
    answer = run("function", "invoke", created, "--payload", '{"n": [1, 2]}')
    assert json.loads(answer.stdout) == {"n": [1, 2]}

    shown = run("function", "show", created)
    assert created in shown.stdout
    assert "Active" in shown.stdout

    assert created in run("function", "list").stdout

    (folder / "main.py").write_text(
        "import os\n\ndef handler(event, context):\n    return os.environ['KEY']\n"
    )
    run("function", "update", created, "--dir", folder, "--env", "KEY=b=c", "--timeout", "7")
    assert json.loads(run("function", "invoke", created).stdout) == "b=c"

    run("function", "delete", created)
    gone = run("function", "show", created, code=NO)
    assert "Function not found" in gone.stderr
    assert gone.stdout == ""


def test_a_function_from_a_zip(run, names, tmp_path, client):
    name = next(names)
    (tmp_path / "f.zip").write_bytes(functions.python(functions.ECHO))
    run("function", "create", name, "--zip", "f.zip", "--handler", "main.handler",
        "--runtime", "python3.11", "--memory", "256", "--timeout", "5", "--env", "ONE=1", "--env", "TWO=2")  # fmt: skip
    configuration = client.get_function_configuration(FunctionName=name)
    assert configuration["MemorySize"] == 256
    assert configuration["Timeout"] == 5
    assert configuration["Environment"]["Variables"] == {"ONE": "1", "TWO": "2"}
    run("function", "delete", name)


def test_json_output_is_json(run, created):
    for command in (
        ("function", "list"),
        ("function", "show", created),
        ("doctor",),
        ("config", "show"),
        ("api",),
        ("runtime", "list"),
    ):
        done = run(*command, "--output", "json")
        assert json.loads(done.stdout), command


def test_a_name_with_a_qualifier(run, created, client):
    client.publish_version(FunctionName=created)
    shown = json.loads(run("function", "show", f"{created}:1", "--output", "json").stdout)
    assert shown["Version"] == "1"
    run("function", "invoke", created, "--qualifier", "1", "--payload", "1")
    run("function", "invoke", created, "--qualifier", "7", code=NO)


def test_the_tail_goes_to_standard_error(run, created):
    done = run("function", "invoke", created, "--payload", "1", "--tail")
    assert json.loads(done.stdout) == 1
    assert "hello log" in done.stderr


def test_payloads_from_files_and_from_standard_input(run, created, tmp_path):
    (tmp_path / "event.json").write_text('{"from": "file"}')
    done = run("function", "invoke", created, "--payload-file", "event.json")
    assert json.loads(done.stdout) == {"from": "file"}
    done = run("function", "invoke", created, "--payload-file", "-", stdin='{"from": "stdin"}')
    assert json.loads(done.stdout) == {"from": "stdin"}


def test_a_function_error_is_a_no(run, deploy):
    name = deploy("def handler(event, context):\n    raise ValueError('no')\n")
    done = run("function", "invoke", name, code=NO)
    assert json.loads(done.stdout)["errorType"] == "ValueError"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("function", "invoke", "f", "--payload", "{no json"), ["--payload", "JSON"]),
        (("function", "invoke", "f", "--payload-file", "absent.json"), ["absent.json"]),
        (
            (
                "function",
                "create",
                "f",
                "--zip",
                "absent.zip",
                "--handler",
                "a.b",
                "--runtime",
                "python3.11",
            ),
            ["absent.zip"],
        ),
        (
            (
                "function",
                "create",
                "f",
                "--dir",
                "absent",
                "--handler",
                "a.b",
                "--runtime",
                "python3.11",
            ),
            ["absent"],
        ),
        (
            (
                "function",
                "create",
                "f",
                "--dir",
                ".",
                "--handler",
                "a.b",
                "--runtime",
                "python3.11",
                "--memory",
                "64",
            ),
            ["64", "128"],
        ),
        (
            (
                "function",
                "create",
                "f",
                "--dir",
                ".",
                "--handler",
                "a.b",
                "--runtime",
                "python3.11",
                "--timeout",
                "0",
            ),
            ["0", "1", "900"],
        ),
        (
            (
                "function",
                "create",
                "f",
                "--dir",
                ".",
                "--handler",
                "a.b",
                "--runtime",
                "python3.11",
                "--env",
                "NOEQUALS",
            ),
            ["NOEQUALS"],
        ),
        (("function", "create", "f"), ["--handler"]),
        (("function",), ["Usage"]),
        (("nothing",), ["nothing"]),
        (("function", "list", "--output", "yaml"), ["yaml", "table", "json"]),
        (("up", "--listen", "nowhere"), ["nowhere"]),
        (("up", "--idle-exit", "soon"), ["soon"]),
    ],
    ids=lambda value: " ".join(value)[:60],
)
def test_wrong_usage(run, arguments, words):
    done = run(*arguments, code=USAGE)
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr, done.stderr


def test_a_target_that_does_not_answer(run, tmp_path):
    environment = command_environment(tmp_path / "home")
    done = run(
        "function",
        "list",
        "--endpoint-url",
        "http://127.0.0.1:9",
        code=TARGET_FAILED,
        environment=environment,
    )
    assert "http://127.0.0.1:9" in done.stderr


def test_every_command_says_which_target_it_used(run, engine):
    assert engine.endpoint in run("function", "list").stderr


def test_credentials_in_the_environment_do_not_mean_aws(run, engine):
    environment = engine.environment(
        AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE", AWS_SECRET_ACCESS_KEY="x", AWS_PROFILE="prod"
    )
    assert engine.endpoint in run("function", "list", environment=environment).stderr


def test_api_lists_what_is_served(run):
    served = run("api").stdout
    for operation in ("CreateFunction", "PublishLayerVersion", "FilterLogEvents", "AssumeRole"):
        assert operation in served
    assert "CreateCapacityProvider" not in served


def test_config_says_where_values_come_from(run, engine, tmp_path):
    (tmp_path / "lambdalab.toml").write_text('region = "eu-central-1"\n')
    shown = run("config", "show", "--output", "json")
    assert "eu-central-1" in shown.stdout
    assert "lambdalab.toml" in shown.stdout
    assert "LAMBDALAB_HOME" in shown.stdout


def test_a_wrong_setting_is_named(run, tmp_path):
    (tmp_path / "lambdalab.toml").write_text('reigon = "eu-central-1"\n')
    done = run("config", "show", code=USAGE)
    for word in ("lambdalab.toml", "reigon", "region"):
        assert word in done.stderr


def test_doctor(run):
    report = run("doctor").stdout
    for word in ("cores", "memory", "process limit", "python3.11", "provided.al2023"):
        assert word in report
    checks = json.loads(run("doctor", "--output", "json").stdout)["checks"]
    assert {check["subject"] for check in checks} == {"host", "isolation", "limits", "runtimes"}
    for check in checks:
        assert check["found"], check
        assert ("remedy" in check) == (check["state"] != "ok"), check


def test_help_names_every_command(run):
    text = run("--help").stdout
    for command in ("up", "down", "function", "demo", "doctor", "runtime", "config", "api"):
        assert f"\n  {command} " in text, command


def test_up_prints_the_endpoint_and_the_lines_to_export(engine):
    output = engine.output()
    assert engine.endpoint in output
    assert f"export AWS_ENDPOINT_URL={engine.endpoint}" in output
    assert "export AWS_ACCESS_KEY_ID=" in output
    assert "export AWS_SECRET_ACCESS_KEY=" in output
    assert "export AWS_DEFAULT_REGION=" in output


def test_up_detached_and_down(run, tmp_path):
    home, mark = tmp_path / "home", f"mark{tmp_path.name}"
    environment = command_environment(home, LAMBDALAB_TEST_MARK=mark)
    try:
        first = run(
            "up",
            "--detach",
            "--listen",
            "127.0.0.1:0",
            "--idle-exit",
            "1m",
            environment=environment,
        )
        description = json.loads((home / "engine.json").read_text())
        assert description["endpoint"] in first.stdout + first.stderr
        run("function", "list", environment=environment)
        # A second one leaves the first as it is.
        run("up", "--detach", "--listen", "127.0.0.1:0", environment=environment)
        assert json.loads((home / "engine.json").read_text()) == description
        run("down", environment=environment)
        eventually(lambda: census.processes(mark) == {}, "the engine has gone")
        assert not (home / "engine.json").exists()
    finally:
        for pid in census.processes(mark):
            os.kill(pid, signal.SIGKILL)


def test_a_command_starts_the_engine_that_it_needs(run, tmp_path):
    home, mark = tmp_path / "home", f"mark{tmp_path.name}"
    environment = command_environment(home, LAMBDALAB_TEST_MARK=mark)
    try:
        assert "no functions" in run("function", "list", environment=environment).stdout
        assert (home / "engine.json").exists()
        run("down", environment=environment)
    finally:
        for pid in census.processes(mark):
            os.kill(pid, signal.SIGKILL)


def test_an_event_is_handed_over(run, engine):
    name = f"{engine.mark}-cli-event"
    client = engine.client()
    archive = functions.python(functions.ECHO)
    client.create_function(**functions.create_arguments(name, archive))
    functions.wait_active(client, name)
    handed = run("function", "invoke", name, "--event")
    assert handed.stdout.strip() == "the event is accepted"
    run("function", "invoke", name, "--event", "--tail", code=USAGE)
    client.delete_function(FunctionName=name)


def test_what_has_no_effect_here_is_shown(run, engine):
    name = f"{engine.mark}-cli-effects"
    client = engine.client()
    archive = functions.python(functions.ECHO)
    arguments = functions.create_arguments(
        name,
        archive,
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        TracingConfig={"Mode": "Active"},
    )
    client.create_function(**arguments)
    shown = run("function", "show", name).stdout
    assert "no local effect  VPC: " in shown
    assert "no local effect  tracing: " in shown
    assert "KMS" not in shown
    client.delete_function(FunctionName=name)


def test_a_url_from_its_making_to_its_end(run, engine, created):
    url = run("function", "url", "create", created, "--auth", "none").stdout.strip()
    host = url.removeprefix("http://").rstrip("/")
    assert urls.call(engine, host).status == 200
    shown = json.loads(run("function", "url", "show", created, "--output", "json").stdout)
    assert (shown["FunctionUrl"], shown["InvokeMode"]) == (url, "BUFFERED")
    run("function", "url", "delete", created)
    assert urls.call(engine, host).status == 404
    # The policy stays, and is no hindrance.
    again = run("function", "url", "create", created, "--auth", "none", "--stream").stdout.strip()
    assert urls.call(engine, again.removeprefix("http://").rstrip("/")).status == 200
    run("function", "url", "delete", created)


def test_an_answer_is_printed_as_it_is_written(run, engine, deploy, client):
    name = streams.rust(deploy)
    command = [BINARY, "function", "invoke", name, "--stream", "--tail"]
    order = streams.order(chunks=2, size=2, gate=True)
    process = subprocess.Popen(
        [*command, "--payload", order],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=engine.environment(),
    )
    with process:
        first = b""
        while not first.endswith(b"\0" * 10):
            first += process.stdout.read(1)
        streams.open_gate(client, name)
        rest, told = process.communicate(timeout=20)
    assert process.returncode == YES
    assert rest == b"\1\1\n"
    assert b"REPORT RequestId" in told


def test_a_stream_that_fails_is_a_no(run, deploy):
    name = deploy("def handler(event, context):\n    raise ValueError('no')\n")
    told = run("function", "invoke", name, "--stream", code=NO).stderr
    assert "the function failed (Unhandled)" in told
    assert "ValueError" in told
