"""Many invocations at once: how environments multiply, are reused, and are never shared."""

import collections
import concurrent.futures
import re
import threading

from support import functions

# Says when, by the clock that all processes share, each invocation ran in which environment.
OVERLAP = """
    import os
    import time

    def handler(event, context):
        begin = time.monotonic()
        time.sleep(event)
        return [context.log_stream_name, begin, time.monotonic()]
"""


def at_once(count, call):
    """`count` calls, each on a thread of its own; their results."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(call, n) for n in range(count)]]


def test_an_environment_runs_one_invocation_at_a_time(client, deploy):
    name = deploy(OVERLAP, MemorySize=256)
    answers = at_once(24, lambda _: functions.invoke(client, name, 0.02).value)
    spans = collections.defaultdict(list)
    for stream, begin, end in answers:
        spans[stream].append((begin, end))
    for of_one in spans.values():
        of_one.sort()
        for (_, end), (begin, _) in zip(of_one, of_one[1:]):
            assert end <= begin


def test_concurrent_invocations_get_environments_of_their_own(client, deploy):
    name = deploy(OVERLAP, MemorySize=256)
    answers = at_once(4, lambda _: functions.invoke(client, name, 4).value)
    assert len({stream for stream, _, _ in answers}) == 4
    begins, ends = zip(*((begin, end) for _, begin, end in answers))
    assert max(begins) < min(ends)


def test_a_burst_reuses_what_the_last_one_left(client, deploy):
    name = deploy(OVERLAP, MemorySize=256)
    first = {
        stream for stream, _, _ in at_once(4, lambda _: functions.invoke(client, name, 0.3).value)
    }
    again = [functions.invoke(client, name, 0).value[0] for _ in range(8)]
    assert set(again) <= first


def test_180_threads_of_plain_boto3(engine, deploy):
    """The numerical team's script: every thread asks for the tail, every answer is the same."""
    source = """
        import hashlib
        import math

        def handler(event, context):
            x = event["seed"]
            digest = hashlib.sha256()
            for _ in range(event["steps"]):
                x = 3.97 * x * (1.0 - x)
                digest.update(math.sin(x).hex().encode())
            return digest.hexdigest()
    """
    name = deploy(source)
    client = engine.client()
    answers, logs, problems = [], {}, []

    def call():
        try:
            result = functions.invoke(
                client,
                name,
                {"seed": 0.41, "steps": 5_000},
                InvocationType="RequestResponse",
                LogType="Tail",
            )
            answers.append(result.value)
            logs[result.request_id] = result.log
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=call) for _ in range(180)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(answers) == 180
    assert len(set(answers)) == 1
    assert len(logs) == 180
    for request_id, log in logs.items():
        assert re.findall(r"\b(START|END|REPORT) RequestId: (\S+)", log) == [
            ("START", request_id),
            ("END", request_id),
            ("REPORT", request_id),
        ]
    assert any("Init Duration" in log for log in logs.values())


def test_one_function_that_hangs_holds_up_no_other(client, deploy, echo):
    name = deploy("import time\n\ndef handler(event, context):\n    time.sleep(5)\n")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        hanging = [pool.submit(functions.invoke, client, name) for _ in range(2)]
        functions.invoke(client, echo)
        functions.invoke(client, echo)
        assert not any(future.done() for future in hanging)


def test_invocations_while_the_function_is_updated_all_succeed(client, deploy):
    name = deploy("def handler(event, context):\n    return 0\n")
    stop = threading.Event()

    def call(_):
        seen = []
        while not stop.is_set():
            seen.append(functions.invoke(client, name).value)
        return seen

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        callers = [pool.submit(call, n) for n in range(3)]
        try:
            for generation in range(1, 4):
                archive = functions.python(
                    f"def handler(event, context):\n    return {generation}\n"
                )
                client.update_function_code(FunctionName=name, ZipFile=archive)
                functions.wait_updated(client, name)
                assert functions.invoke(client, name).value == generation
        finally:
            stop.set()
        for caller in callers:
            seen = caller.result()
            assert seen == sorted(seen)
