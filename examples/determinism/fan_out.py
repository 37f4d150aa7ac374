#!/usr/bin/env python3
"""Is a function deterministic? Invoke it many times at once with plain boto3, and compare.

This is an ordinary AWS script: it knows nothing of LambdaLab. Where it goes is decided by the
environment alone, as for any AWS SDK program. With the function from `examples/algorithms`:

    lambdalab up                     # prints the export lines: paste them
    lambdalab function create digest --dir examples/algorithms \\
        --runtime python3.11 --handler algorithms.handler.digest --memory 1769
    python examples/determinism/fan_out.py digest '{"seed": 0.37, "steps": 20000}'

It ends with 0 when all answers were equal, with 1 when not.
"""

import argparse
import base64
import collections
import json
import sys
import threading
import time

import boto3
from botocore.config import Config


def invoke(client, function, payload):
    """One synchronous invocation: its answer, and the end of its log."""
    response = client.invoke(
        FunctionName=function,
        InvocationType="RequestResponse",
        LogType="Tail",
        Payload=payload,
    )
    answer = response["Payload"].read()
    if response["StatusCode"] != 200 or "FunctionError" in response:
        raise RuntimeError(f"{function} failed: {answer.decode()}")
    return answer, base64.b64decode(response["LogResult"]).decode()


def fan_out(client, function, payload, count):
    """`count` invocations, each on a thread of its own; answers, logs, and what went wrong."""
    answers, logs, failures = [], [], []

    def run():
        try:
            answer, log = invoke(client, function, payload)
        except Exception as error:  # a thread's exception would otherwise only be printed
            failures.append(error)
        else:
            answers.append(answer)
            logs.append(log)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, logs, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("function", help="name or ARN of the function")
    parser.add_argument("payload", help="the event, as JSON")
    parser.add_argument("--count", type=int, default=180, help="invocations (default: 180)")
    arguments = parser.parse_args()
    payload = json.dumps(json.loads(arguments.payload)).encode()

    client = boto3.client(
        "lambda",
        config=Config(max_pool_connections=arguments.count, read_timeout=900),
    )
    print(f"{arguments.count} threads in parallel ...")
    begin = time.perf_counter()
    answers, logs, failures = fan_out(client, arguments.function, payload, arguments.count)
    elapsed = time.perf_counter() - begin

    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    cold = sum("Init Duration" in log for log in logs)
    print(f"{len(answers)} answers in {elapsed:.2f} s, {cold} from a cold start")
    groups = collections.Counter(answers)
    for answer, times in groups.most_common():
        print(f"{times:5} × {answer.decode()}")
    return 0 if len(groups) == 1 and not failures else 1


if __name__ == "__main__":
    sys.exit(main())
