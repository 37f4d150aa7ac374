"""What five hundred idle environments cost: memory of the engine's own, and CPU while nothing happens."""

import json
import os
import time
import urllib.request
from pathlib import Path

from measure import boto3_client, create_function
from servers import Engine

ENVIRONMENTS = 500
# As long as the last of them may take to start: until then none may be free for another call.
HOLD_SECONDS = int(os.environ.get("LAMBDALAB_BENCH_HOLD", "60"))
WATCHED_SECONDS = 10
HOLDING = f"import time\n\ndef handler(event, context):\n    time.sleep({HOLD_SECONDS})\n    return event\n"
TICKS = os.sysconf("SC_CLK_TCK")


class Roomy(Engine):
    """An engine that counts on more memory than the machine may have: idle functions share most."""

    def environment(self):
        return {**super().environment(), "LAMBDALAB_MEMORY_BUDGET": str(ENVIRONMENTS * 256)}

    def health(self):
        with urllib.request.urlopen(self.endpoint + self.health_path) as answer:
            return json.load(answer)

    health_path = Engine.health

    def own_processes(self):
        """The folders of the engine, its servants and what they keep, without functions' processes."""
        mark = f"LAMBDALAB_BENCH={self.folder}".encode()
        found = []
        for folder in Path("/proc").iterdir():
            try:
                environment = (folder / "environ").read_bytes() if folder.name.isdigit() else b""
                if mark in environment and b"AWS_LAMBDA_RUNTIME_API=" not in environment:
                    found.append(folder)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def own_memory_mb(self):
        """Their memory; what they share counts once."""
        total = 0
        for folder in self.own_processes():
            try:
                text = (folder / "smaps_rollup").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            (line,) = [line for line in text.splitlines() if line.startswith("Pss:")]
            total += int(line.split()[1])
        return total / 1024

    def own_cpu_seconds(self):
        """Their CPU time so far."""
        total = 0
        for folder in self.own_processes():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += int(fields[11]) + int(fields[12])
        return total / TICKS


def figures(table, load):
    """Starts the environments by so many calls at once, and watches them when all have ended."""
    with Roomy() as engine:
        client = boto3_client(engine.endpoint)
        create_function(client, "idle", HOLDING, 128)
        begin = time.monotonic()
        load(engine, "idle", callers=ENVIRONMENTS, count=ENVIRONMENTS)
        took = time.monotonic() - begin
        there = engine.health()["environments"]
        if there < ENVIRONMENTS:
            raise RuntimeError(f"only {there} environments in {took:.0f} s: set LAMBDALAB_BENCH_HOLD")
        # Until the last are frozen.
        time.sleep(3)
        resident, memory = engine.resident_mb(), engine.own_memory_mb()
        before = engine.own_cpu_seconds()
        time.sleep(WATCHED_SECONDS)
        share = (engine.own_cpu_seconds() - before) / WATCHED_SECONDS * 100
        table.add(f"{there} idle environments, resident, engine", resident, unit="MB")
        table.add(
            "  with its spawner, guard and inits (PSS)",
            memory,
            unit="MB",
            target="< 150 MB",
            met=memory < 150,
        )
        table.add("  CPU of all of them", share, unit="%", target="< 1 %", met=share < 1)
