"""Who is still there? Finds what an engine started, whatever became of the engine.

Every engine of these tests runs with a mark of its own in its environment, and every function
deployed on it carries the mark in its name, which Lambda puts into the function's environment.
Both are inherited, so the mark finds the engine, its servants, every function process and their
children, also those that left the session, were adopted, or are frozen.
"""

import contextlib
import os
import re
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
# Where the unified hierarchy is mounted: alone, or beside the older ones.
UNIFIED = (CGROUPS, CGROUPS / "unified")


def processes(mark):
    """The pids, with command names, of all living processes whose environment holds the mark."""
    needle = mark.encode()
    found = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        folder = Path(entry.path)
        try:
            if needle in (folder / "environ").read_bytes():
                found[int(entry.name)] = (folder / "comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # ended meanwhile, a zombie, or another user's
    return found


def functions(mark):
    """Those of `processes` that run in an execution environment."""
    return {
        pid: name
        for pid, name in processes(mark).items()
        if "AWS_LAMBDA_RUNTIME_API" in environment(pid)
    }


def of_function(mark, name):
    """The pids of those that run the function of that name."""
    return [
        pid
        for pid in functions(mark)
        if environment(pid).get("AWS_LAMBDA_FUNCTION_NAME") == name
    ]


def environment(pid):
    """The environment that a process was started with; empty when it is gone."""
    try:
        block = Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    pairs = (item.partition(b"=") for item in block.split(b"\0") if item)
    return {name.decode(): value.decode(errors="replace") for name, _, value in pairs}


def parent(pid):
    """The pid of a process's parent; None when it is gone."""
    try:
        return int(_status(pid)[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _status(pid):
    """What the kernel says of a process: its state, its parent and more."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    # The command's name, in parentheses, may hold anything; the state and the parent follow it.
    return stat.rpartition(")")[2].split()


def stands_still(pid):
    """Whether a process is frozen by its control group or, on hosts without those, stopped."""
    groups = [group.lstrip("/") for group in cgroups_of(pid)]
    for events in (root / group / "cgroup.events" for root in UNIFIED for group in groups):
        if events.is_file() and "frozen 1" in events.read_text().splitlines():
            return True
    return _status(pid)[0] == "T"


def cgroups(engine_pid):
    """The control group folders that an engine made: they carry its pid in their names."""
    of_engine = re.compile(rf"lambdalab.*(?<!\d){engine_pid}(?!\d)")
    found = []
    for folder, names, _ in os.walk(CGROUPS):
        found += [os.path.join(folder, name) for name in names if of_engine.search(name)]
    return found


def cgroups_of(pid):
    """The control groups in which a process is, as the kernel names them."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return [line.split(":", 2)[2] for line in lines]


def mounts(text):
    """The mounts whose source or target holds the text."""
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if text in line]


def loop_devices(folder):
    """The files below the folder that lie behind loop devices."""
    found = []
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        # The device may have been let go since it was listed.
        with contextlib.suppress(OSError):
            found.append(file.read_text())
    return [file for file in found if file.startswith(str(folder))]
