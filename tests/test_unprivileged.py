"""An engine that a user runs who is not root: the main job, its limits, and hosts that refuse."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile

import pytest
from support import functions, unprivileged
from support.engine import BINARY
from support.waiting import eventually
from test_log_tail import REPORT

SOURCE = """
    import os
    import subprocess
    import time

    def handler(event, context):
        if event == "fail":
            raise ValueError("as asked")
        if event == "hang":
            subprocess.Popen(["sleep", "300"], start_new_session=True)
            time.sleep(300)
        if event == "exit":
            os._exit(3)
        if event == "take 140":
            # More than its 128 MB, and no more than one process may have for its own.
            kept = b"x" * (140 << 20)
            time.sleep(300)
        if event == "eat":
            return len(bytearray(3 << 30))
        return {"uid": os.getuid(), "count": len(os.listdir("/proc/self/task"))}
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = unprivileged.start(tmp_path_factory)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def ask(engine):
    client = engine.client()
    code = functions.python(SOURCE)
    arguments = functions.create_arguments("ask", code, Timeout=5, MemorySize=128)
    client.create_function(**arguments)
    functions.wait_active(client, "ask")
    return lambda event=None: functions.invoke(client, "ask", event, LogType="Tail")


def test_it_answers(ask, engine):
    answer = ask().value
    assert answer["uid"] not in (0, engine.process.pid)


def test_errors_are_the_functions(ask):
    assert ask("fail").payload["errorMessage"] == "as asked"
    assert ask().error is None


def test_a_timeout_ends_all_that_was_started(ask, engine):
    assert ask("hang").payload["errorType"] == "Sandbox.Timedout"
    eventually(lambda: "sleep" not in names(engine), "what left its session ends too")
    assert ask().error is None


def test_a_process_that_ends_is_replaced(ask):
    assert ask("exit").payload["errorType"] == "Runtime.ExitError"
    assert ask().error is None


def test_memory_has_a_limit(ask):
    assert ask("eat").error == "Unhandled"
    assert ask().error is None


def test_whoever_exceeds_its_memory_is_ended_and_told(engine, ask):
    if "no memory control group" not in engine.output():
        pytest.skip("a control group limits memory here")
    ended = ask("take 140")
    assert ended.payload["errorType"] == "Runtime.OutOfMemory"
    report = REPORT.fullmatch(ended.log.splitlines()[-1])
    assert 128 < int(report["used"]) <= 256
    assert ask().error is None


def test_doctor_names_folders_that_others_own():
    if os.geteuid() != 0:
        pytest.skip("takes a folder of somebody else's: the tests are not root")
    with tempfile.TemporaryDirectory() as its_home:
        os.chown(its_home, unprivileged.USER, unprivileged.USER)
        # On a way that is open to everybody, and yet not theirs.
        with tempfile.TemporaryDirectory() as foreign:
            os.chmod(foreign, 0o755)
            own = doctor(its_home, LAMBDALAB_RUNTIMES=its_home)
            assert (own["data folder"]["state"], own["runtimes folder"]["state"]) == ("ok", "ok")
            refused = doctor(
                its_home, LAMBDALAB_HOME=f"{foreign}/data", LAMBDALAB_RUNTIMES=foreign, exit=1
            )
            for name, state, remedy in (
                ("data folder", "missing", "--data-dir"),
                ("runtimes folder", "short", "LAMBDALAB_RUNTIMES"),
            ):
                check = refused[name]
                assert check["state"] == state
                assert f"{foreign} cannot be written to: Permission denied" in check["found"]
                assert remedy in check["remedy"]


def doctor(home, exit=0, **settings):
    """What it tells that user, by name."""
    try:
        told = subprocess.run(
            [BINARY, "doctor", "--output", "json"],
            env=unprivileged.its_environment(home) | settings,
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
            **unprivileged.IDENTITY,
        )
    except PermissionError:
        pytest.skip(f"other users may not execute {BINARY}")
    assert told.returncode == exit, told
    return {check["name"]: check for check in json.loads(told.stdout)["checks"]}


def names(engine):
    """What the engine's user runs now, by name."""
    found = []
    for folder in os.scandir("/proc"):
        # Processes end while they are looked at.
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and folder.stat().st_uid == os.stat(engine.data_dir).st_uid:
                with open(f"{folder.path}/comm") as file:
                    found.append(file.read().strip())
    return found


class RefusingHost(unprivileged.UnprivilegedEngine):
    """On a host where nobody may have user namespaces: made by one that holds a limit of its own."""

    def command(self):
        limit = "echo 0 > /proc/sys/user/max_user_namespaces"
        engine = super().command()
        shell = f'{limit} && exec setpriv --ambient-caps=-all --inh-caps=-all "$@"'
        unshare = ["unshare", "--user", "--map-current-user", "--keep-caps"]
        return [*unshare, "sh", "-c", shell, "sh", *engine]


@pytest.mark.skipif(os.geteuid() != 0, reason="the tests are not root")
@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare is not installed")
def test_a_host_that_refuses_is_told_of_with_a_remedy():
    with contextlib.closing(RefusingHost()) as engine:
        told = engine.output()
        assert "run only code that you trust" in told
        assert "sudo sysctl -w user.max_user_namespaces=10000" in told
        client = engine.client()
        client.create_function(**functions.create_arguments("open", functions.python(SOURCE)))
        functions.wait_active(client, "open")
        assert functions.invoke(client, "open").value["uid"] == unprivileged.USER
