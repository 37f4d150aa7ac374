"""The two servers under measurement, each on a free port with data of its own."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib import metadata
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "release"
BINARY = RELEASE / "lambdalab"
LOAD = RELEASE / "lambdalab-bench-load"
RUNTIMES = Path(os.environ.get("LAMBDALAB_RUNTIMES", REPOSITORY / ".cache/runtimes"))
MINISTACK = REPOSITORY / ".cache/ministack"


def runtime_client_folder():
    """Where the engine has put AWS's runtime interface client for Python 3.11."""
    found = sorted(RUNTIMES.glob("**/awslambdaric/__main__.py"))
    matching = [path for path in found if "3.11" in str(path)] or found
    if not matching:
        raise SystemExit(f"no runtime client in {RUNTIMES}: run `make runtimes`")
    return matching[-1].parents[1]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process that serves HTTP; `start_ms` is the time until its first answer."""

    health = "/"

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.endpoint = f"http://{self.address}"
        self.log = self.folder / "log"
        self.start()
        return self

    def start(self):
        """Starts it on its folder and waits for its first answer."""
        begin = time.perf_counter()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                self.command(),
                env=self.environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while not self.answers():
            if self.process.poll() is not None or time.perf_counter() - begin > 60:
                self.process.kill()
                raise SystemExit(f"{self.command()[0]} did not start:\n{self.log.read_text()}")
            time.sleep(0.001)
        self.start_ms = (time.perf_counter() - begin) * 1e3

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def restart(self):
        """Stops it and starts it again on the same data."""
        self.stop()
        self.start()

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def answers(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", self.health)
            return connection.getresponse().status == 200
        except (ConnectionError, http.client.HTTPException, TimeoutError):
            return False
        finally:
            connection.close()

    def resident_mb(self):
        """Resident memory of the process itself."""
        return _kilobytes(f"/proc/{self.process.pid}/status", "VmRSS:") / 1024


class Engine(Server):
    """`lambdalab up`, release build."""

    health = "/_lambdalab/v1/health"

    def __init__(self, *arguments):
        self.arguments = arguments

    def command(self):
        place = ["--listen", self.address, "--data-dir", self.folder / "data"]
        return [BINARY, "up", *place, *self.arguments]

    def environment(self):
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LAMBDALAB_RUNTIMES": str(RUNTIMES),
            "LAMBDALAB_BENCH": str(self.folder),
        }

    @property
    def version(self):
        return json.loads((self.folder / "data/engine.json").read_text())["version"]

    def proportional_mb(self):
        """Proportional memory of the engine and all its servants, found by their environment."""
        mark = f"LAMBDALAB_BENCH={self.folder}".encode()
        total = 0
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and mark in (folder / "environ").read_bytes():
                    total += _kilobytes(folder / "smaps_rollup", "Pss:")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue  # ended meanwhile, or another user's
        return total / 1024


class Ministack(Server):
    """ministack with its own Python executor, which needs no containers."""

    health = "/_ministack/health"

    def command(self):
        return [MINISTACK / "bin/ministack"]

    def environment(self):
        # Its workers run the `python3` of its own virtual environment: the same 3.11.
        return {
            "PATH": f"{MINISTACK / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "GATEWAY_PORT": str(self.port),
            "LAMBDA_EXECUTOR": "local",
            "MINISTACK_REGION": "us-east-1",
        }

    @property
    def version(self):
        (site,) = MINISTACK.glob("lib/python*/site-packages")
        return next(
            d.version for d in metadata.distributions(path=[str(site)]) if d.name == "ministack"
        )


def _kilobytes(path, field):
    lines = Path(path).read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
