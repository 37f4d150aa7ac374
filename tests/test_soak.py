"""Mixed load for minutes: nothing leaks, and every acknowledged invocation is accounted for.

`LAMBDALAB_SOAK_SECONDS` says for how long; 1800 is the half hour that a release goes through.
"""

import collections
import os
import random
import resource
import threading
import time
from pathlib import Path

import pytest

from support import census, functions
from support.waiting import eventually
from test_function_logs import function_events

SECONDS = float(os.environ.get("LAMBDALAB_SOAK_SECONDS", "120"))
CALLERS = 256
# How long each caller rests between two calls: the machine is not only ours.
PAUSE = 4.0
# What each of a hundred calls is. The lost environments cost an init phase each.
MIX = {"echo": 88, "raise": 8.5, "exit": 2, "sleep": 0.5, "fill": 1}

SOURCE = """
    import os
    import time

    def handler(event, context):
        kind, number = event
        print(f"{kind} {number}", flush=True)
        if kind == "raise":
            raise ValueError(number)
        if kind == "exit":
            os._exit(1)
        if kind == "sleep":
            time.sleep(60)
        if kind == "fill":
            block = bytearray(300 << 20)
            block[::4096] = b"x" * len(block[::4096])
        return [number, context.aws_request_id]
"""

ERRORS = {
    "raise": "ValueError",
    "exit": "Runtime.ExitError",
    "sleep": "Sandbox.Timedout",
    "fill": "Runtime.OutOfMemory",
}


class Census:
    """Everything that an engine and its functions hold of the machine."""

    def __init__(self, engine):
        process = Path(f"/proc/{engine.pid}")
        own = census.processes(engine.mark)
        self.counts = {
            "processes": len(own),
            "control groups": len(census.cgroups(engine.pid)),
            **descriptors(process),
            "spawner's descriptors": len(os.listdir(f"/proc/{engine.spawner()}/fd")),
            "threads": len(os.listdir(process / "task")),
            "mounts": len((process / "mountinfo").read_text().splitlines()),
            "mounts of this machine": len(Path("/proc/self/mountinfo").read_text().splitlines()),
            "loop devices": len(census.loop_devices(engine.data_dir)),
            "namespaces": len(namespaces(own)),
            "environments' folders": len(os.listdir(engine.data_dir / "environments")),
        }
        status = (process / "status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        self.resident_mb = int(line.split()[1]) / 1024


def descriptors(process):
    """How many descriptors of each kind a process has: `socket`, `pipe`, `anon_inode`, `/sys`, …"""
    found = collections.Counter()
    for link in (process / "fd").iterdir():
        try:
            target = os.readlink(link)
        except OSError:
            continue  # closed meanwhile
        found[target.partition(":")[0] if ":" in target else "/" + target.split("/")[1]] += 1
    return {f"descriptors of {kind}": count for kind, count in found.items()}


def namespaces(pids):
    """The namespaces that these processes are in."""
    found = set()
    for pid in pids:
        for kind in ("mnt", "pid", "net", "ipc", "uts", "user"):
            try:
                found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
            except OSError:
                continue  # ended meanwhile
    return found


def empty(engine):
    """Waits until no environment is left, and takes the census of what stays."""
    eventually(
        lambda: engine.health()["environments"] == 0 == engine.health()["invocations"],
        "no environment is left",
        timeout=60,
        pause=0.2,
    )
    # Blanks are prepared ahead of need, some time after they were last needed.
    last = Census(engine)
    for _ in range(100):
        time.sleep(0.2)
        now = Census(engine)
        if now.counts == last.counts:
            return now
        last = now
    raise AssertionError(f"it does not come to rest: {last.counts}")


class Load:
    """Callers, and what became of each of their calls."""

    def __init__(self, engine, name):
        self.client = engine.client(max_pool_connections=CALLERS, read_timeout=120)
        self.name = name
        self.lock = threading.Lock()
        # Of each acknowledged call: its request id, kind and number.
        self.answered = []
        self.throttled = 0
        self.wrong = []
        self.numbers = iter(range(1 << 62))

    def run(self, seconds, callers=CALLERS):
        until = time.monotonic() + seconds
        threads = [
            threading.Thread(target=self.call_until, args=(until, random.Random(seed)))
            for seed in range(callers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds + 180)
        assert not any(thread.is_alive() for thread in threads), "every call has ended"

    def call_until(self, until, chance):
        time.sleep(chance.random() * PAUSE)
        while time.monotonic() < until:
            (kind,) = chance.choices(list(MIX), MIX.values())
            self.call(kind)
            time.sleep(chance.random() * 2 * PAUSE)

    def call(self, kind):
        with self.lock:
            number = next(self.numbers)
        try:
            result = functions.invoke(self.client, self.name, [kind, number])
        except self.client.exceptions.TooManyRequestsException:
            with self.lock:
                self.throttled += 1
            return
        except Exception as error:
            with self.lock:
                self.wrong.append((kind, number, repr(error)))
            return
        answer = result.payload
        right = (
            answer == [number, result.request_id]
            if kind == "echo"
            else result.error and answer["errorType"] == ERRORS[kind]
        )
        with self.lock:
            self.answered.append((result.request_id, kind, number))
            if not right:
                self.wrong.append((kind, number, answer))


def accounted(logs, load):
    """Each call that was answered has one START, END and REPORT, and what it printed in between."""
    events = function_events(logs, load.name)
    seen = collections.defaultdict(collections.Counter)
    printed = collections.Counter()
    for event in events:
        words = event["message"].split()
        if words[:1] in (["START"], ["END"], ["REPORT"]):
            seen[words[2]][words[0]] += 1
        elif words[:1] and words[0] in MIX and len(words) == 2:
            printed[event["message"].strip()] += 1
    once = {"START": 1, "END": 1, "REPORT": 1}
    ids = {request_id for request_id, _, _ in load.answered}
    assert len(ids) == len(load.answered), "no request id is given twice"
    missing = [one for one in ids if dict(seen[one]) != once]
    if missing:
        return False
    assert set(seen) <= ids, "nothing ran that nobody asked for"
    said = {f"{kind} {number}" for _, kind, number in load.answered}
    assert said == set(printed) and set(printed.values()) == {1}
    return True


@pytest.mark.timeout(SECONDS + 420)
def test_mixed_load_leaks_nothing_and_loses_nothing(own_engine):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    engine = own_engine()
    client, logs = engine.client(), engine.client("logs")

    def deploy(suffix):
        name = f"{engine.mark}-{suffix}"
        client.create_function(
            **functions.create_arguments(
                name, functions.python(SOURCE), MemorySize=256, Timeout=10
            )
        )
        functions.wait_active(client, name)
        return name

    def soak(name, seconds):
        load = Load(engine, name)
        load.run(seconds)
        # Its connections are descriptors of the engine's.
        load.client.close()
        assert load.wrong == []
        eventually(lambda: accounted(logs, load), "every call is in the log", timeout=60, pause=1)
        # Its environments end with it.
        client.delete_function(FunctionName=name)
        return load, empty(engine)

    # What is made at first need and kept (threads, connections, statements) is there afterwards.
    _, before = soak(deploy("warm"), min(20, SECONDS / 4))
    load, after = soak(deploy("soak"), SECONDS - min(20, SECONDS / 4))

    kinds = collections.Counter(kind for _, kind, _ in load.answered)
    assert set(kinds) == set(MIX), kinds
    assert load.throttled < len(load.answered) / 10
    # Idle threads, connections and readers of the store come and go; what leaks, leaks with each of
    # the environments that were lost.
    def slack(what):
        return 8 if what == "threads" else 4 if what.startswith("descriptors") else 0

    grown = {
        what: (before.counts.get(what, 0), count)
        for what, count in after.counts.items()
        if count > before.counts.get(what, 0) + slack(what)
    }
    assert grown == {}, f"after {sum(kinds.values())} calls"
    assert after.resident_mb < before.resident_mb * 1.25 + 24, "the engine's memory does not grow"
