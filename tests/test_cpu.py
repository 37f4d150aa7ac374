"""CPU in proportion to memory, as control groups count it: noise on the machine does not matter."""

import statistics
import subprocess
import threading
from pathlib import Path

import pytest

from support import census, functions
from support.engine import BINARY
from support.waiting import eventually
from test_function_logs import until_reported
from test_log_tail import REPORT

# Two threads' worth of work that never waits, for as long as it is told.
SPIN = """
    import subprocess
    import sys
    import time

    def spin(seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pass

    def handler(seconds, context):
        code = f"import time\\nu = time.monotonic() + {seconds}\\nwhile time.monotonic() < u: pass"
        child = subprocess.Popen([sys.executable, "-S", "-c", code])
        spin(seconds)
        child.wait()
        return "done"
"""

SIZES = [128, 256, 512, 1024, 1769]
PERIOD = 0.02
CPU = [Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/cpu,cpuacct"), Path("/sys/fs/cgroup")]


class Account:
    """What the kernel counts for the environment of a function."""

    def __init__(self, mark, name):
        pid = eventually(lambda: census.of_function(mark, name), "the function runs")[0]
        groups = [group.lstrip("/") for group in census.cgroups_of(pid) if "lambdalab" in group]
        self.files = [
            file
            for root in {*CPU, *census.UNIFIED}
            for group in groups
            if (file := root / group / "cpu.stat").is_file()
        ]

    def read(self):
        """Periods, those in which the quota ran out, and seconds of CPU, of one moment: who is held
        up between two files reads again."""
        while True:
            found, again = self._read(), self._read()
            if found[0] == again[0]:
                return found

    def _read(self):
        found = {}
        for file in self.files:
            for line in file.read_text().splitlines():
                key, value = line.split()
                found[key] = max(found.get(key, 0), int(value))
        return found["nr_periods"], found["nr_throttled"], found["usage_usec"] / 1e6


def share(account):
    """Cores used while the quota was what held the function back; None where it was not."""
    periods, throttled, used = account.read()
    eventually(lambda: account.read()[0] >= periods + 30, "it runs for 30 periods")
    after = account.read()
    periods, throttled = after[0] - periods, after[1] - throttled
    if throttled < 0.9 * periods:
        return None
    return (after[2] - used) / (periods * PERIOD)


def shares(engine, client, name):
    """The shares of a busy function."""
    functions.invoke(client, name, 0)
    account = Account(engine.mark, name)
    if not account.files or "nr_periods" not in "".join(f.read_text() for f in account.files):
        pytest.skip("this host cannot limit CPU")
    busy = threading.Thread(target=functions.invoke, args=(client, name, 2.5))
    busy.start()
    try:
        return [found for found in (share(account) for _ in range(3)) if found]
    finally:
        busy.join()


def test_cpu_is_in_proportion_to_memory(engine, client, deploy):
    measured = {size: shares(engine, client, deploy(SPIN, MemorySize=size)) for size in SIZES}
    told = {size: found for size, found in measured.items() if found}
    if len(told) < 2:
        pytest.skip("this machine has no time for what the quotas allow")
    for size, found in told.items():
        # The counters lie in several files: a reader that is held up between two errs once.
        middle = statistics.median(found)
        assert middle == pytest.approx(size / 1769, rel=0.15), measured


def test_the_scale_is_for_faster_and_slower_cores(own_engine):
    engine = own_engine("--cpu-scale", "0.5")
    client, name = engine.client(), f"{engine.mark}-spin"
    client.create_function(
        **functions.create_arguments(name, functions.python(SPIN), MemorySize=1024)
    )
    functions.wait_active(client, name)
    if found := shares(engine, client, name):
        assert statistics.median(found) == pytest.approx(1024 / 1769 / 2, rel=0.15)
    else:
        pytest.skip("this machine has no time for what the quota allows")


@pytest.mark.parametrize("wrong", ["0", "-1", "11", "nan", "fast", ""])
def test_scales_that_cannot_be_meant(tmp_path, engine, wrong):
    refused = subprocess.run(
        [BINARY, "up", "--listen", "127.0.0.1:0", "--data-dir", tmp_path, f"--cpu-scale={wrong}"],
        env=engine.environment(),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert refused.returncode == 2
    assert "--cpu-scale" in refused.stderr and "0.1 to 10" in refused.stderr


def test_an_init_phase_is_not_throttled_by_the_memory_size(client, deploy):
    """At 128 MB it gets what two vCPUs give, and the handler a fourteenth of one."""
    burn = "end = time.process_time() + 0.3\n    while time.process_time() < end:\n        pass"
    source = f"""
    import time
    began = time.monotonic()
    {burn}
    took = time.monotonic() - began

    def handler(event, context):
        began = time.monotonic()
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        return [took, time.monotonic() - began]
    """
    name = deploy(source, MemorySize=128)
    result = functions.invoke(client, name, LogType="Tail")
    init, handler = result.value
    assert handler >= 1.0, "0.1 s at a fourteenth of a vCPU"
    # On a busy machine it waits for its turn, but never for a quota.
    assert init / 0.3 < handler / 0.1 / 2
    assert REPORT.fullmatch(result.log.splitlines()[-1])["init"]


def test_sizes_that_the_host_cannot_honour_are_told(own_engine):
    engine = own_engine("--cpu-scale", "10", "--memory-budget", "1024")
    client, name = engine.client(), f"{engine.mark}-large"
    source = functions.python(functions.ECHO)
    client.create_function(**functions.create_arguments(name, source, MemorySize=10_240))
    functions.wait_active(client, name)
    configuration = client.get_function_configuration(FunctionName=name)
    assert configuration["State"] == "Active", "it runs, with less than on AWS"
    reason = configuration["StateReason"]
    assert "CPU: 10240 MB have 57.8" in reason
    assert "memory: this host has 1024 MB for all functions (--memory-budget)" in reason
    whole = client.get_function(FunctionName=name)["Configuration"]
    assert whole["StateReason"] == configuration["StateReason"]
    listed = client.list_functions()["Functions"]
    assert all("StateReason" not in it for it in listed), "as on AWS, lists tell no states"
    smaller = client.update_function_configuration(FunctionName=name, MemorySize=2048)
    assert "CPU: 2048 MB have 11.5" in smaller["StateReason"], "from the answer on"
    functions.wait_updated(client, name)
    client.update_function_configuration(FunctionName=name, MemorySize=10_240)
    functions.wait_updated(client, name)

    shown = subprocess.run(
        [BINARY, "function", "show", name],
        env=engine.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout
    assert "CPU: 10240 MB have 57.8" in shown
    assert "memory: this host has 1024 MB for all functions" in shown
    functions.invoke(client, name, 1)
    events = until_reported(engine.client("logs"), name)
    assert any("CPU is less than on AWS: 10240 MB have 57.8" in it["message"] for it in events)


def test_calibration_is_for_optimised_builds(engine):
    done = subprocess.run(
        [BINARY, "doctor", "--calibrate"],
        env=engine.environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode == 0:
        assert "--cpu-scale" in done.stdout
    else:
        assert done.returncode == 3 and "not optimised" in done.stderr
