"""An engine as a user without root's rights would run it, for tests that are root."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from support.engine import BINARY, RUNTIMES, Engine, command_environment
from support.functions import RUNTIME

# An id that no system hands out.
USER = 1_878_999_999

# Installed by that user, for it may not read the interpreter of the others.
ITS_RUNTIMES = RUNTIMES.parent / "runtimes-unprivileged"
IDENTITY = {"user": USER, "group": USER, "extra_groups": []}


def its_environment(home, **more):
    """As `command_environment`, with interpreters that every user has."""
    settings = command_environment(home, **{**more, "LAMBDALAB_RUNTIMES": str(ITS_RUNTIMES)})
    return {**settings, "PATH": "/usr/local/bin:/usr/bin:/bin", "PYENV_ROOT": str(home)}


class UnprivilegedEngine(Engine):
    """Runs as that user, in a folder of its own on a way that is open to it."""

    def __init__(self, *arguments):
        folder = Path(tempfile.mkdtemp(prefix="lambdalab-unprivileged-"))
        os.chown(folder, USER, USER)
        try:
            install(folder)
            super().__init__(folder, *arguments)
        except BaseException:
            shutil.rmtree(folder)
            raise

    def environment(self, **more):
        return its_environment(self.data_dir, **more)

    def identity(self):
        return IDENTITY

    def close(self):
        super().close()
        shutil.rmtree(self.data_dir)


def start(tmp_path_factory, *arguments):
    """An engine of a user without root's rights: where the tests are not root, of theirs."""
    if os.geteuid() == 0:
        return UnprivilegedEngine(*arguments)
    return Engine(tmp_path_factory.mktemp("unprivileged"), *arguments)


def install(home):
    """Installs what that user's engine needs, once; skips the test where it cannot have it."""
    ITS_RUNTIMES.mkdir(parents=True, exist_ok=True)
    os.chown(ITS_RUNTIMES, USER, USER)
    try:
        installed = subprocess.run(
            [BINARY, "runtime", "install", RUNTIME],
            env=its_environment(home),
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
            **IDENTITY,
        )
    except PermissionError:
        pytest.skip(f"other users may not execute {BINARY}")
    if installed.returncode != 0:
        pytest.skip(f"other users cannot have {RUNTIME}: {installed.stderr.strip()}")
