"""The real AWS CLI, pointed at an engine by the environment alone."""

import functools
import json
import subprocess
import sys
from pathlib import Path

AWS = Path(sys.executable).parent / "aws"


class AwsCli:
    """`aws SERVICE …`, run in a folder in which it finds and leaves files."""

    def __init__(self, engine, folder, service):
        self._environment = engine.sdk_environment(AWS_PAGER="", AWS_MAX_ATTEMPTS="1")
        self._run = functools.partial(
            subprocess.run, cwd=folder, capture_output=True, text=True, timeout=60
        )
        self._command = [sys.executable, AWS, service]

    def __call__(self, *arguments, **environment):
        """What it prints of an answer; None where that is nothing."""
        done = self.fails(*arguments, **environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def fails(self, *arguments, **environment):
        """The finished process of a call that is not expected to succeed."""
        return self._run([*self._command, *arguments], env={**self._environment, **environment})
