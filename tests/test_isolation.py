"""What a function sees of the machine, and that it gets no further: one test for each attempt."""

import contextlib
import http.server
import io
import json
import os
import subprocess
import threading
import zipfile
from unittest.mock import ANY

import pytest
from support import census, cloudwatch, functions, raw
from support.engine import BINARY, Engine
from support.waiting import eventually

LOOK = """
    import os
    import pwd
    import signal
    import socket
    import urllib.request

    import boto3

    def attempt(what, *arguments):
        match what:
            case "read":
                return open(arguments[0]).read()
            case "list":
                return sorted(os.listdir(arguments[0]))
            case "write":
                with open(arguments[0], "w") as file:
                    file.write("here")
            case "kill":
                os.kill(arguments[0], 9)
            case "connect":
                socket.create_connection((arguments[0], arguments[1]), 5).close()
            case "crowd":
                crowd = []
                for _ in range(arguments[1]):
                    one = socket.socket()
                    one.settimeout(0.2)
                    crowd.append(one)
                    try:
                        one.connect(("127.0.0.1", arguments[0]))
                    except OSError:
                        break
                return len(crowd)
            case "get":
                return urllib.request.urlopen(arguments[0], timeout=5).read().decode()
            case "fill":
                with open("/tmp/full", "wb") as file:
                    for _ in range(arguments[0]):
                        file.write(bytes(1 << 20))
            case "hurry":
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            case "push":
                os.setpriority(os.PRIO_PROCESS, 0, -1)
            case "fork":
                while True:
                    if os.fork() == 0:
                        signal.pause()
            case "describe":
                return {
                    "user": pwd.getpwuid(os.getuid()).pw_name,
                    "root": sorted(os.listdir("/")),
                    "task": os.environ["LAMBDA_TASK_ROOT"],
                    "api": os.environ["AWS_LAMBDA_RUNTIME_API"],
                    "endpoint": os.environ["AWS_ENDPOINT_URL"],
                    "pids": [name for name in os.listdir("/proc") if name.isdigit()],
                    "library": os.__file__,
                    "free": os.statvfs("/tmp").f_bavail * os.statvfs("/tmp").f_frsize >> 20,
                }
            case "room":
                return os.statvfs("/tmp").f_ffree
            case "whoami":
                return boto3.client("sts").get_caller_identity()["Arn"]

    def handler(event, context):
        try:
            return {"done": attempt(*event)}
        except OSError as error:
            return {"refused": type(error).__name__, "why": str(error)}
"""


@pytest.fixture(scope="module")
def look(secluded):
    """Has a function attempt something; the engine must then serve the next one."""
    client = secluded.client()
    archive = functions.python(LOOK)
    client.create_function(**functions.create_arguments("look", archive, Timeout=60))
    functions.wait_active(client, "look")

    def attempt(*what):
        return functions.invoke(client, "look", list(what)).value

    yield attempt
    assert "done" in attempt("describe")


def test_it_sees_what_aws_shows(look):
    seen = look("describe")["done"]
    assert seen["user"] == "sbx_user1051"
    assert seen["task"] == "/var/task"
    assert seen["api"] == "127.0.0.1:9001"
    assert seen["endpoint"] == "http://127.0.0.1:4566"
    assert seen["library"].startswith("/var/lang/lib/python3")
    assert seen["pids"] == ["2"]
    assert 512 <= seen["free"] < 540
    assert not {"work", "mnt", "srv", "boot", "media"} & set(seen["root"])


def test_it_is_itself_to_the_engine(look):
    assert look("whoami")["done"].split(":")[5].startswith("assumed-role/")


@pytest.mark.parametrize("path", ["/etc/shadow", "/proc/1/environ", "~/.aws/credentials"])
def test_it_cannot_read_the_hosts_secrets(look, path):
    assert look("read", os.path.expanduser(path))["refused"] in {
        "FileNotFoundError",
        "PermissionError",
    }


def test_it_cannot_read_other_functions_files(look, secluded):
    assert look("list", str(secluded.data_dir))["refused"] == "FileNotFoundError"


@pytest.mark.parametrize("folder", ["/", "/var/task", "/opt", "/usr", "/etc", "/var/lang", "/dev"])
def test_it_cannot_write_outside_of_tmp(look, folder):
    assert look("write", f"{folder}/here")["refused"] in {"OSError", "PermissionError"}


def test_it_cannot_signal_the_engine(look, secluded):
    assert look("kill", secluded.process.pid)["refused"] == "ProcessLookupError"
    # The init may be of the same user, but no signal from inside reaches one.
    assert look("kill", 1) in ({"done": None}, {"refused": "PermissionError", "why": ANY})


def test_it_cannot_reach_a_server_of_the_host(look):
    class Secret(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

    with http.server.HTTPServer(("127.0.0.1", 0), Secret) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert look("connect", *server.server_address)["refused"] == "ConnectionRefusedError"
        server.shutdown()


def test_it_cannot_reach_the_metadata_address(look):
    assert "refused" in look("connect", "169.254.169.254", 80)


def test_it_cannot_reach_the_control_api(look):
    assert look("get", "http://127.0.0.1:4566/_lambdalab/v1/lease")["refused"] == "HTTPError"


def test_it_cannot_fill_the_hosts_disk(look):
    full = look("fill", 600)
    assert (full["refused"], "No space left" in full["why"]) == ("OSError", True)


def test_it_cannot_exhaust_the_hosts_processes(look):
    assert look("fork")["refused"] == "BlockingIOError"


@pytest.mark.parametrize("what", ["hurry", "push"])
def test_it_cannot_go_before_others(look, what):
    assert look(what)["refused"] == "PermissionError"


@pytest.mark.parametrize(
    "file", ["/proc/keys", "/proc/key-users", "/proc/cmdline", "/proc/diskstats", "/proc/kallsyms"]
)
def test_it_does_not_see_what_is_the_hosts(look, file):
    assert look("read", file)["done"] == ""


@pytest.mark.parametrize("folder", ["/usr/local", "/var/lang/local"])
def test_it_does_not_see_what_the_hosts_owner_has_installed(look, folder):
    assert set(look("list", folder).get("done", [])) <= {"lib", "lib32", "lib64"}


def test_files_do_not_run_out_before_space_does(look):
    assert look("room")["done"] >= 131_000


@pytest.mark.parametrize(
    "file",
    ["/proc/kcore", "/proc/kmsg", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"],
)
def test_it_has_no_hand_in_the_kernel(look, file):
    expected = {"PermissionError", "FileNotFoundError", "OSError"}
    assert look("write", file)["refused"] in expected
    if file in ("/proc/kcore", "/proc/kmsg"):
        assert look("read", file)["refused"] in expected


def test_doctor_and_the_log_tell_how_far_it_goes(secluded):
    told = subprocess.run(
        [BINARY, "doctor", "--output", "json"],
        env=secluded.environment(LAMBDALAB_EGRESS="none"),
        cwd=secluded.data_dir,
        capture_output=True,
        check=False,
        **secluded.identity(),
    )
    checks = {check["name"]: check for check in json.loads(told.stdout)["checks"]}
    check = checks["functions cannot see the host"]
    assert "run only code that you trust" not in secluded.output()
    if check["state"] != "ok":
        assert "share the engine's user" in check["remedy"]
        assert check["remedy"] in secluded.output()


def test_a_function_shown_tells_what_its_host_cannot_give(secluded, look):
    shown = subprocess.run(
        [BINARY, "function", "show", "look"],
        env=secluded.environment(),
        cwd=secluded.data_dir,
        capture_output=True,
        check=True,
        text=True,
        **secluded.identity(),
    ).stdout
    measures = raw.request(secluded.address, "GET", "/_lambdalab/v1/measures", signed=False).json
    assert {"isolation", "network", "scratch", "memory"} <= {each["name"] for each in measures}
    for each in measures:
        told = f"{each['name']}: {each['missing']}"
        assert (told in " ".join(shown.split())) == (each["missing"] is not None), each


def test_a_killed_engine_leaves_no_device(tmp_path):
    engine = Engine(tmp_path / "killed")
    client = engine.client()
    client.create_function(**functions.create_arguments("echo", functions.python(functions.ECHO)))
    functions.wait_active(client, "echo")
    assert functions.invoke(client, "echo", 1).value == 1
    assert census.loop_devices(engine.data_dir)
    engine.kill()
    eventually(lambda: not census.loop_devices(engine.data_dir), "files and devices of environments go with it")


def test_it_is_a_choice(tmp_path):
    with contextlib.closing(Engine(tmp_path, "--isolation", "none")) as engine:
        client = engine.client()
        code = functions.python("import os\ndef handler(event, context):\n    return os.getuid()\n")
        client.create_function(**functions.create_arguments("open", code))
        functions.wait_active(client, "open")
        assert functions.invoke(client, "open").value == 0
        assert "(isolation was turned off)" in engine.output()


def test_a_package_that_only_its_owner_may_read_runs_with_a_warning(secluded):
    """What Python's zipfile writes unless told otherwise."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("main.py", "def handler(event, context):\n    return event\n")
    client = secluded.client()
    client.create_function(**functions.create_arguments("private", archive.getvalue()))
    functions.wait_active(client, "private")
    assert functions.invoke(client, "private", {"a": 1}).value == {"a": 1}
    logs = secluded.client("logs")

    def warned():
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            found = logs.filter_log_events(logGroupName="/aws/lambda/private")
            return [line for line in cloudwatch.messages(found) if "could not read it" in line]

    assert "main.py" in eventually(warned, "the function's log says so")[0]


def test_it_cannot_use_up_the_engines_connections(look, secluded):
    """What it opens beyond its share waits outside; the engine has descriptors for others."""
    descriptors = f"/proc/{secluded.pid}/fd"
    before = len(os.listdir(descriptors))
    assert look("crowd", 4566, 600)["done"] >= 128
    assert len(os.listdir(descriptors)) < before + 200
