"""An engine of the test's own, as a user starts it: `lambdalab up` on a free port."""

import contextlib
import json
import os
import signal
import subprocess
import uuid
from pathlib import Path

import boto3
from botocore.config import Config

from support import census, host, raw
from support.waiting import eventually

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("LAMBDALAB_BIN", REPOSITORY / "target/debug/lambdalab"))
RUNTIMES = Path(os.environ.get("LAMBDALAB_RUNTIMES", REPOSITORY / ".cache/runtimes"))
REGION = "us-east-1"
ACCOUNT = "000000000000"


# How this machine reaches package registries, from which runtimes' clients are installed.
NETWORK = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "npm_config_registry",
)

# Homes of the tests' own hide the developer's interpreters, which lie there.
PYENV = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))


def command_environment(home, **more):
    """The environment for a command of ours: nothing of the developer's, but for the path and the
    way to the package registries."""
    return {
        **{name: os.environ[name] for name in NETWORK if name in os.environ},
        "PATH": os.environ["PATH"],
        "PYENV_ROOT": PYENV,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "LAMBDALAB_HOME": str(home),
        "LAMBDALAB_RUNTIMES": str(RUNTIMES),
        **more,
    }


class NotStarted(AssertionError):
    """The engine ended before it answered."""


@contextlib.contextmanager
def skipping_where_functions_share_the_network():
    """Skips what starts an engine with `--egress none` or `nat` on a host that cannot hold it."""
    try:
        yield
    except NotStarted as refused:
        if "--egress lets functions reach" in str(refused):
            host.lacks(str(refused))
        raise


class Engine:
    """A running engine. `stop` proves that nothing of it is left."""

    def __init__(self, data_dir, *arguments, listen="127.0.0.1:0"):
        self.data_dir = Path(data_dir)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.mark = f"t{uuid.uuid4().hex[:12]}"
        self.arguments = arguments
        self.listen = listen
        self.process = None
        self.start()

    def start(self):
        """Starts it on its data folder, for the first time or again."""
        self.log = self.data_dir / f"up-{uuid.uuid4().hex[:6]}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment(LAMBDALAB_TEST_MARK=self.mark),
                start_new_session=True,
                **self.identity(),
            )
        description = eventually(self._answering, "the engine writes engine.json", timeout=30)
        self.endpoint = description["endpoint"]
        self.pid = description["pid"]
        self.version = description["version"]

    def command(self):
        """The program and its arguments."""
        where = ["--listen", self.listen, "--data-dir", self.data_dir]
        return [BINARY, "up", *where, *self.arguments]

    def identity(self):
        """As whom it runs, for Popen: as the tests do."""
        return {}

    def _answering(self):
        if self.process.poll() is not None:
            raise NotStarted(f"up ended with {self.process.returncode}:\n{self.output()}")
        try:
            description = json.loads((self.data_dir / "engine.json").read_text())
        except FileNotFoundError:
            return None
        # After kill -9 the file of the last engine lies there until the next one answers.
        return description if description["pid"] == self.process.pid else None

    def output(self):
        """What `up` has printed so far."""
        return self.log.read_text(errors="replace")

    @property
    def address(self):
        """Host and port, for raw connections."""
        host, _, port = self.endpoint.removeprefix("http://").partition(":")
        return host, int(port)

    def environment(self, **more):
        """For commands that are to use this engine's data folder."""
        return command_environment(self.data_dir, **more)

    def sdk_environment(self, **more):
        """For programs that use an AWS SDK: exactly what `up` tells users to export."""
        return self.environment(
            AWS_ENDPOINT_URL=self.endpoint,
            AWS_ACCESS_KEY_ID="lambdalab",
            AWS_SECRET_ACCESS_KEY="lambdalab",
            AWS_DEFAULT_REGION=REGION,
            AWS_EC2_METADATA_DISABLED="true",
            **more,
        )

    def client(self, service="lambda", *, region=REGION, access_key="lambdalab", **config):
        """A boto3 client that hides nothing: no retries, and no validation of its own if asked.

        Twelve digits as the access key choose the account.
        """
        settings = {
            "retries": {"total_max_attempts": 1},
            "max_pool_connections": 200,
            "read_timeout": 60,
            **config,
        }
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key="lambdalab",
            config=Config(**settings),
        )

    def health(self):
        """What the engine says of itself, on its control API."""
        answer = raw.request(self.address, "GET", "/_lambdalab/v1/health", signed=False)
        assert answer.status == 200, answer
        return answer.json

    def spawner(self):
        """The pid of the engine's spawner: its child of that name.

        A child that the spawner has just forked still bears the same name, until it has its own.
        """
        named = [pid for pid, comm in census.processes(self.mark).items() if comm == "lambdalab-spawn"]
        (pid,) = [pid for pid in named if census.parent(pid) == self.pid]
        return pid

    def kill(self):
        """Kills the engine alone, as the out-of-memory killer would."""
        self.process.kill()
        self.process.wait(timeout=10)

    def stop(self, number=signal.SIGTERM, timeout=15):
        """Stops it in good order and returns its exit code."""
        self.process.send_signal(number)
        try:
            code = self.process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the engine did not stop within {timeout} s:\n{self.output()}")
        self.assert_nothing_left()
        return code

    def assert_nothing_left(self):
        """No process, control group or mount of this engine remains."""
        eventually(
            lambda: not census.processes(self.mark),
            f"no process of the engine is left; there are {census.processes(self.mark)}",
        )
        eventually(
            lambda: not census.cgroups(self.pid),
            f"no control group of the engine is left; there are {census.cgroups(self.pid)}",
        )
        assert census.mounts(str(self.data_dir)) == []

    def close(self):
        """For fixtures: stops it if it still runs, and checks that it ended well."""
        if self.process.poll() is None:
            assert self.stop() == 0, self.output()
        assert "panicked at" not in self.output(), self.output()
