"""Deadlines: what runs past one ends with all that it started, and the next invocation works."""

import pytest

from support import census, functions
from support.waiting import eventually
from test_log_tail import REPORT

# Every way that a program knows to leave its parent, or not to be ended.
TREE = """
    import os
    import signal
    import subprocess
    import sys
    import time

    def leave():
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(600)
            os._exit(0)

    def deafen():
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            time.sleep(600)

    def busy():
        if os.fork() == 0:
            while True:
                pass

    def stopped():
        if os.fork() == 0:
            os.kill(os.getpid(), signal.SIGSTOP)

    def handler(event, context):
        mark = "/tmp/" + context.function_name
        if event is None:
            return os.path.exists(mark)
        open(mark, "w").close()
        for grow in (leave, deafen, busy, stopped):
            grow()
        subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
        print("grown", flush=True)
        time.sleep(600)
"""

# The figure on a quiet host is below 5 ms; a loaded one gets its chance.
LATENESS_MS = 5000


def test_a_timeout_ends_the_whole_tree(engine, client, deploy):
    name = deploy(TREE, Timeout=3)
    assert functions.invoke(client, name).value is False
    result = functions.invoke(client, name, "grow", LogType="Tail")
    assert result.payload["errorType"] == "Sandbox.Timedout"
    assert "grown" in result.log
    report = REPORT.fullmatch(result.log.splitlines()[-1])
    assert report["rest"] == "Status: timeout"
    assert 3000 <= float(report["duration"]) < 3000 + LATENESS_MS
    eventually(lambda: not census.of_function(engine.mark, name), "the tree is gone")

    assert functions.invoke(client, name).value is True, "/tmp is kept"
    assert len(census.of_function(engine.mark, name)) == 1


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_the_end_of_the_runtime_ends_what_it_started(engine, client, deploy, how):
    end = {"exit": "os._exit(1)", "kill": "os.kill(os.getpid(), 9)"}[how]
    head, _ = TREE.split('print("grown", flush=True)')
    name = deploy(f"{head}{end}\n")
    result = functions.invoke(client, name, "grow")
    assert result.payload["errorType"] == "Runtime.ExitError"
    eventually(lambda: not census.of_function(engine.mark, name), "the tree is gone")
    assert functions.invoke(client, name).value is True
