"""Engines that start, stop, are killed and come back: nothing outlives them, nothing is lost."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from support import census, functions
from support.engine import BINARY
from support.waiting import eventually

# Leaves a grandchild that gave up its parent and its session.
DAEMON = """
    import os
    import time

    def handler(event, context):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.close(1)
                os.close(2)
                time.sleep(600)
            os._exit(0)
        os.wait()
        return os.getpid()
"""

SLEEPER = """
    import time

    def handler(event, context):
        time.sleep(600)
"""


def deploy(engine, source, suffix, **more):
    """A function on an engine of the test's own, named so that the census finds it."""
    client, name = engine.client(), f"{engine.mark}-{suffix}"
    archive = functions.python(source)
    client.create_function(**functions.create_arguments(name, archive, Timeout=600, **more))
    functions.wait_active(client, name)
    return name


def busy_engine(engine):
    """Gives the engine a running, an idle and a daemonising function; returns how many ran."""
    client = engine.client(read_timeout=600)
    daemon = deploy(engine, DAEMON, "daemon")
    functions.invoke(client, daemon)
    idle = deploy(engine, functions.ECHO, "idle")
    functions.invoke(client, idle)
    running = deploy(engine, SLEEPER, "running")

    def invoke():
        try:
            functions.invoke(client, running)
        except Exception:
            pass  # the engine is about to be killed under it

    threading.Thread(target=invoke, daemon=True).start()
    # Three runtimes and the daemon.
    return eventually(
        lambda: len(census.functions(engine.mark)) >= 4 and len(census.functions(engine.mark)),
        "all functions run",
    )


def test_the_census_sees_what_runs(own_engine):
    """Without this, the tests that find nothing left would prove nothing."""
    engine = own_engine()
    assert busy_engine(engine) >= 4
    assert engine.pid in census.processes(engine.mark)
    for pid in census.functions(engine.mark):
        if any("lambdalab" in group for group in census.cgroups_of(pid)):
            assert census.cgroups(engine.pid) != []


@pytest.mark.parametrize(
    "victims", [("engine",), ("spawner",), ("engine", "spawner"), ("spawner", "engine")]
)
def test_nothing_outlives_kill_9(own_engine, victims):
    engine = own_engine()
    busy_engine(engine)
    spawner = engine.spawner()
    for victim in victims:
        try:
            os.kill({"engine": engine.pid, "spawner": spawner}[victim], signal.SIGKILL)
        except ProcessLookupError:
            pass  # the other's end took it along
    eventually(
        lambda: not census.functions(engine.mark),
        "no function process outlives it",
    )
    # An engine without its spawner cannot run functions: it ends by itself.
    engine.process.wait(timeout=15)
    engine.assert_nothing_left()


def test_after_all_were_killed_the_next_start_sweeps(own_engine):
    engine = own_engine()
    busy_engine(engine)
    servants = set(census.processes(engine.mark)) - set(census.functions(engine.mark))
    # Stopped first, so that none sees the others die.
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in servants:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
    engine.process.wait(timeout=10)
    dead_mark, dead_pid = engine.mark, engine.pid
    engine.start()
    assert engine.stop() == 0
    eventually(lambda: not census.functions(dead_mark), "what the dead engine left is gone")
    assert census.cgroups(dead_pid) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(own_engine, number):
    engine = own_engine()
    client = engine.client()
    functions.invoke(client, deploy(engine, functions.ECHO, "echo"))
    begin = time.monotonic()
    assert engine.stop(number) == 0
    assert time.monotonic() - begin < 10
    assert not (engine.data_dir / "engine.json").exists()


def test_what_still_ran_leaves_no_folder(own_engine):
    engine = own_engine()
    busy_engine(engine)
    folders = engine.data_dir / "environments"
    assert len(list(folders.iterdir())) >= 3
    assert engine.stop(signal.SIGINT) == 0
    assert not folders.exists()
    engine.assert_nothing_left()


def test_an_invocation_in_flight_is_answered_before_it_stops(own_engine):
    engine = own_engine()
    name = deploy(
        engine, "import time\n\ndef handler(e, c):\n    time.sleep(1)\n    return 'done'\n", "slow"
    )
    answers = []
    client = engine.client()
    thread = threading.Thread(target=lambda: answers.append(functions.invoke(client, name).value))
    thread.start()
    eventually(lambda: census.functions(engine.mark), "the function runs")
    assert engine.stop() == 0
    thread.join()
    assert answers == ["done"]


def test_two_engines_on_one_data_folder(own_engine):
    engine = own_engine()
    second = subprocess.run(
        [BINARY, "up", "--listen", "127.0.0.1:0", "--data-dir", engine.data_dir],
        env=engine.environment(),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert second.returncode not in (0, 101)
    assert str(engine.data_dir) in second.stderr
    assert str(engine.pid) in second.stderr
    assert json.loads((engine.data_dir / "engine.json").read_text())["pid"] == engine.pid
    engine.client().list_functions()


def test_a_port_that_is_taken(own_engine, tmp_path):
    engine = own_engine()
    host, port = engine.address
    second = subprocess.run(
        [BINARY, "up", "--listen", f"{host}:{port}", "--data-dir", tmp_path / "other"],
        env=engine.environment(),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert second.returncode not in (0, 101)
    assert str(port) in second.stderr
    assert "in use" in second.stderr


def test_listening_beyond_loopback_is_refused(tmp_path, own_engine):
    engine = own_engine()
    refused = subprocess.run(
        [BINARY, "up", "--listen", "0.0.0.0:0", "--data-dir", tmp_path / "other"],
        env=engine.environment(),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert refused.returncode == 2
    assert "loopback" in refused.stderr


def test_idle_exit(own_engine):
    engine = own_engine("--idle-exit", "1s")
    engine.client().list_functions()
    assert engine.process.wait(timeout=20) == 0
    engine.assert_nothing_left()


def test_what_was_acknowledged_is_there_after_kill_9(own_engine):
    engine = own_engine()
    client = engine.client()
    name = deploy(
        engine, "def handler(event, context):\n    return 'first'\n", "kept", Description="d"
    )
    client.publish_version(FunctionName=name, Description="one")
    client.create_alias(FunctionName=name, Name="prod", FunctionVersion="1")
    client.update_function_code(
        FunctionName=name,
        ZipFile=functions.python("def handler(event, context):\n    return 'second'\n"),
    )
    functions.wait_updated(client, name)
    doomed = deploy(engine, functions.ECHO, "doomed")
    client.delete_function(FunctionName=doomed)
    before = state(client, name)
    engine.kill()

    engine.start()
    client = engine.client()
    functions.wait_active(client, name)
    assert state(client, name) == before
    assert functions.invoke(client, name).value == "second"
    assert functions.invoke(client, name, Qualifier="prod").value == "first"
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName=doomed)


def state(client, name):
    """Everything that the API shows of a function, its versions and its aliases."""
    return {
        "function": client.get_function(FunctionName=name)["Configuration"],
        "versions": client.list_versions_by_function(FunctionName=name)["Versions"],
        "aliases": client.list_aliases(FunctionName=name)["Aliases"],
    }


def test_kill_9_under_load_loses_no_acknowledged_function(own_engine):
    """Several times over: creates until the kill, then every acknowledged name must be there."""
    engine = own_engine()
    acknowledged = []
    archive = functions.python(functions.ECHO)
    for generation in range(5):
        target = len(acknowledged) + 8 + 3 * generation

        def create(client, generation=generation):
            for number in range(1000):
                name = f"{engine.mark}-{generation}-{threading.get_ident()}-{number}"
                try:
                    client.create_function(**functions.create_arguments(name, archive))
                except Exception:
                    return  # the kill
                acknowledged.append(name)

        client = engine.client()
        threads = [threading.Thread(target=create, args=(client,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(acknowledged) >= target, "functions are created", pause=0.001)
        engine.kill()
        for thread in threads:
            thread.join()
        engine.start()
        pages = engine.client().get_paginator("list_functions").paginate()
        present = {function["FunctionName"] for page in pages for function in page["Functions"]}
        assert set(acknowledged) <= present


def test_figures_at_rest(own_engine):
    """Generous limits, for any build on any machine; `make bench` measures the real ones."""
    engine = own_engine()
    status = Path(f"/proc/{engine.pid}/status").read_text().splitlines()
    (resident,) = [int(line.split()[1]) for line in status if line.startswith("VmRSS:")]
    assert resident < 120 * 1024
