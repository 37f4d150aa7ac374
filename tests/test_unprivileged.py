"""An engine that a user runs who is not root: the main job, its limits, and hosts that refuse."""

import contextlib
import os
import shutil

import pytest
from support import functions, unprivileged
from support.waiting import eventually

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
    arguments = functions.create_arguments("ask", functions.python(SOURCE), Timeout=2)
    client.create_function(**arguments)
    functions.wait_active(client, "ask")
    return lambda event=None: functions.invoke(client, "ask", event)


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
