"""What five hundred idle environments cost: memory of the engine's own, and CPU while nothing happens."""

import json
import os
import time
import urllib.request
from pathlib import Path

from measure import boto3_client, create_function
from servers import Engine

FUNCTIONS = 20
EACH = 25
ENVIRONMENTS = FUNCTIONS * EACH
# So long none is free for another call of as many as there are.
HOLD_SECONDS = 1
PATIENCE = 300
WATCHED_SECONDS = 10
HOLDING = f"import time\n\ndef handler(event, context):\n    time.sleep({HOLD_SECONDS})\n    return event\n"
TICKS = os.sysconf("SC_CLK_TCK")


class Roomy(Engine):
    """An engine that counts on more memory than the machine may have: idle functions share most."""

    def environment(self):
        return {**super().environment(), "LAMBDALAB_MEMORY_BUDGET": str(ENVIRONMENTS * 256)}

    def environments(self):
        """How many there are."""
        with urllib.request.urlopen(self.endpoint + self.health) as answer:
            return json.load(answer)["environments"]

    def processes(self):
        """The folders of all of its processes, by what they are; without functions' own."""
        mark = f"LAMBDALAB_BENCH={self.folder}".encode()
        found = {"own": [], "per environment": []}
        for folder in Path("/proc").iterdir():
            try:
                environment = (folder / "environ").read_bytes() if folder.name.isdigit() else b""
                if mark in environment and b"AWS_LAMBDA_RUNTIME_API=" not in environment:
                    name = (folder / "comm").read_text().strip()
                    of_one = name in ("lambdalab-init", "lambdalab-blank")
                    found["per environment" if of_one else "own"].append(folder)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found


def memory_mb(folders):
    """The memory of processes; what several share counts once."""
    total = 0
    for folder in folders:
        try:
            text = (folder / "smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        (line,) = [line for line in text.splitlines() if line.startswith("Pss:")]
        total += int(line.split()[1])
    return total / 1024


def cpu_seconds(folders):
    """The CPU time of processes so far."""
    total = 0
    for folder in folders:
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def provision(client, name):
    """Asks for the environments of one function."""
    create_function(client, name, HOLDING, 128)
    client.publish_version(FunctionName=name)
    client.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=EACH
    )


def until_ready(client, name):
    """Waits until all of them are initialised."""
    deadline = time.monotonic() + PATIENCE
    while True:
        told = client.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
        if told["Status"] == "READY":
            return
        if told["Status"] == "FAILED" or time.monotonic() > deadline:
            raise RuntimeError(f"{name}: {told}")
        time.sleep(0.1)


def figures(table, load):
    """Has the environments provisioned, uses each, and watches them idle."""
    with Roomy() as engine:
        client = boto3_client(engine.endpoint)
        begin = time.perf_counter()
        for number in range(FUNCTIONS):
            provision(client, f"idle-{number}")
        for number in range(FUNCTIONS):
            until_ready(client, f"idle-{number}")
        table.add("  provisioned", ENVIRONMENTS / (time.perf_counter() - begin), unit="/s")
        for number in range(FUNCTIONS):
            load(engine, f"idle-{number}:1", callers=EACH, warmup=0, count=1)
        there = engine.environments()
        if there < ENVIRONMENTS:
            raise RuntimeError(f"only {there} environments")
        # Until the last are frozen.
        time.sleep(3)
        processes = engine.processes()
        own, all_of_them = processes["own"], [one for some in processes.values() for one in some]
        memory = engine.resident_mb() + memory_mb(own) - memory_mb([Path(f"/proc/{engine.process.pid}")])
        before = cpu_seconds(all_of_them)
        time.sleep(WATCHED_SECONDS)
        share = (cpu_seconds(all_of_them) - before) / WATCHED_SECONDS * 100
        table.add(
            f"{there} idle environments: engine, spawner and guard",
            memory,
            unit="MB",
            target="< 150 MB",
            met=memory < 150,
        )
        inits = memory_mb(processes["per environment"])
        table.add("  the environments' inits beside them (PSS)", inits, unit="MB")
        table.add("  CPU of all of them", share, unit="%", target="< 1 %", met=share < 1)
