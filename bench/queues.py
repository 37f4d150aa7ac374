"""Queues: messages sent, received and deleted in batches of ten, and what a full queue costs."""

import json
import statistics
import subprocess

import boto3
from botocore.config import Config

from servers import LOAD, Engine, Ministack

CALLERS = 16
BACKLOG = 100_000
ROUNDS = 3


def _client(server):
    return boto3.client(
        "sqs",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=120),
    )


def _load(server, url, **options):
    flags = [f"--{name}={value}" for name, value in options.items()]
    command = [LOAD, "queue", f"--address={server.address}", f"--queue-url={url}", *flags]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _fill(client, url, count):
    entries = [{"Id": str(number), "MessageBody": "x" * 100} for number in range(10)]
    for _ in range(count // 10):
        client.send_message_batch(QueueUrl=url, Entries=entries)


def figures(table):
    """Adds the rows."""
    with Engine() as ours, Ministack() as rival:
        urls = {}
        for server in (ours, rival):
            urls[server] = _client(server).create_queue(QueueName="bench")["QueueUrl"]
        # In turns, so that a slow moment of the machine hits both.
        rounds = [
            [
                _load(server, urls[server], callers=CALLERS, count=1_000_000, seconds=4)
                for server in (ours, rival)
            ]
            for _ in range(ROUNDS)
        ]
        mine, other = (
            statistics.median(report["per_second"] for report in reports)
            for reports in zip(*rounds, strict=True)
        )
        ratio = mine / other
        table.add(
            f"messages sent, received, deleted; durable, {CALLERS} callers",
            mine,
            other,
            ratio,
            "/s",
            ">= 10000 /s, >= 10",
            mine >= 10_000 and ratio >= 10,
        )
        mine, other = (
            statistics.median(report["latency"]["p99_ms"] for report in reports)
            for reports in zip(*rounds, strict=True)
        )
        table.add("  a round of the three, 99th percentile", mine, other, mine / other)
        client = _client(ours)
        full = client.create_queue(QueueName="full")["QueueUrl"]
        _fill(client, full, BACKLOG)
        report = _load(ours, full, callers=CALLERS, count=1_000_000, seconds=4)
        table.add(f"  with {BACKLOG:,} messages in the queue", report["per_second"], unit="/s")
        table.add("  resident then", ours.resident_mb(), unit="MB")
