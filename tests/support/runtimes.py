"""Which runtimes this machine can run."""

import fcntl
import functools
import json
import os
import subprocess
import tempfile

from support.engine import BINARY, RUNTIMES, command_environment

def _command(*arguments):
    with tempfile.TemporaryDirectory() as home:
        # Version managers keep their interpreters in the home folder.
        environment = command_environment(home, HOME=os.environ["HOME"])
        return subprocess.run(
            [BINARY, *arguments], env=environment, check=True, capture_output=True, text=True
        ).stdout


@functools.cache
def listed():
    """What `lambdalab runtime list` says of each runtime."""
    states = json.loads(_command("runtime", "list", "--output", "json"))
    return {state["runtime"]: state for state in states}


def exact(language):
    """The runtimes of a language whose own interpreter is here."""
    return [
        name
        for name, state in listed().items()
        if name.startswith(language) and state["interpreter"] and not state["substituted"]
    ]


def absent(language):
    """The runtimes of a language whose interpreter is missing, the newest last."""
    here = exact(language)
    return [name for name in listed() if name.startswith(language) and name not in here]


@functools.cache
def install(runtime):
    """Installs the client of a runtime, once for all engines."""
    with open(RUNTIMES / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _command("runtime", "install", runtime)
    return runtime
