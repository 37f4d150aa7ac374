"""New code while the old still runs: what runs ends as it began, and then the old one is gone."""

import concurrent.futures
import threading

from support import census, functions
from support.waiting import eventually

SOURCE = """
    import time

    def handler(event, context):
        time.sleep(event or 0)
        return [{generation}, context.log_stream_name]
"""


def generation(number):
    return functions.python(SOURCE.format(generation=number))


def deploy(engine):
    """The function's generation 0, on an engine of the test's own."""
    client, name = engine.client(), f"{engine.mark}-updated"
    client.create_function(**functions.create_arguments(name, generation(0)))
    functions.wait_active(client, name)
    return client, name


def update(client, name, number):
    client.update_function_code(FunctionName=name, ZipFile=generation(number))
    functions.wait_updated(client, name)


def streams(engine):
    """By which environment each living function process runs."""
    return {
        pid: census.environment(pid).get("AWS_LAMBDA_LOG_STREAM_NAME")
        for pid in census.functions(engine.mark)
    }


def test_the_old_environment_ends_with_its_last_invocation(own_engine):
    engine = own_engine()
    client, name = deploy(engine)
    _, old = functions.invoke(client, name).value
    (old_pid,) = streams(engine)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(functions.invoke, client, name, 1)
        eventually(lambda: engine.health()["invocations"] == 1, "the invocation runs", pause=0.002)
        update(client, name, 1)
        assert old_pid in streams(engine), "an update must not end what runs"
        number, new = functions.invoke(client, name).value
        assert not running.done(), "the new code does not wait for the old"
        assert number == 1
        assert new != old
        assert running.result().value == [0, old]
    eventually(lambda: set(streams(engine).values()) == {new}, "the old process ends")
    eventually(lambda: engine.health()["environments"] == 1, "the old environment is gone")
    assert functions.invoke(client, name).value == [1, new]


def test_updates_under_load_fail_nobody_and_leave_nothing(own_engine):
    engine = own_engine()
    client, name = deploy(engine)
    last = 5
    began, stop = threading.Event(), threading.Event()

    def call(_):
        seen = []
        while not stop.is_set():
            seen.append(functions.invoke(client, name).value)
            began.set()
        return seen

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        callers = [pool.submit(call, number) for number in range(8)]
        try:
            assert began.wait(timeout=15), "no caller was answered"
            for number in range(1, last + 1):
                update(client, name, number)
                assert functions.invoke(client, name).value[0] == number
        finally:
            stop.set()
        answers = [caller.result() for caller in callers]
    for seen in answers:
        numbers = [number for number, _ in seen]
        assert numbers == sorted(numbers), "no caller falls back to older code"
    current = functions.invoke(client, name).value[1]
    of_older = {stream for seen in answers for number, stream in seen if number < last}
    eventually(lambda: not of_older & set(streams(engine).values()), "older processes end")
    eventually(
        lambda: engine.health()["environments"] == len(set(streams(engine).values())),
        "as many environments as there are processes",
    )
    assert current in streams(engine).values()
