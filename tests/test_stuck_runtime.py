"""A runtime of the user's own that answers and never asks for the next event."""

import time

import pytest

from support import census, functions
from support.waiting import eventually

# Answers its first event and then waits for nobody; every process of it does the same.
BOOTSTRAP = """\
    #!/usr/bin/python3
    import http.client
    import os
    import signal

    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    event = api.getresponse()
    event.read()
    request_id = event.headers["Lambda-Runtime-Aws-Request-Id"]
    answer = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
    path = f"/2018-06-01/runtime/invocation/{request_id}/response"
    api.request("POST", path, f'"{answer}"')
    api.getresponse().read()
    while True:
        signal.pause()
"""

# The same with an extension inside, which gives up once the invocation is over.
DESERTED = """\
    #!/usr/bin/python3
    import http.client
    import os
    import signal
    import threading
    import time

    def call(method, path, **headers):
        api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        api.request(method, path, headers.pop("body", None), headers)
        answer = api.getresponse()
        return answer.headers, answer.read()

    EXTENSION = "/2020-01-01/extension/"
    known, _ = call(
        "POST", EXTENSION + "register", body='{"events": []}', Lambda_Extension_Name="inside"
    )
    me = {"Lambda_Extension_Identifier": known["Lambda-Extension-Identifier"]}
    threading.Thread(target=call, args=("GET", EXTENSION + "event/next"), kwargs=me).start()
    event, _ = call("GET", "/2018-06-01/runtime/invocation/next")
    request_id = event["Lambda-Runtime-Aws-Request-Id"]
    call("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", body='"done"')
    # Its report is written by then.
    time.sleep(0.1)
    call(
        "POST", EXTENSION + "exit/error",
        Lambda_Extension_Function_Error_Type="Extension.GaveUp", **me,
    )
    while True:
        signal.pause()
"""

TIMEOUT = 2


def deployed(engine, client, bootstrap, timeout):
    name = f"{engine.mark}-stuck"
    archive = functions.package({"bootstrap": bootstrap})
    arguments = functions.create_arguments(
        name, archive, Runtime="provided.al2023", Handler="any", Timeout=timeout
    )
    client.create_function(**arguments)
    functions.wait_active(client, name)
    return name


@pytest.fixture
def stuck(own_engine):
    """An engine of which it is the only function, and its name."""
    engine = own_engine()
    client = engine.client()
    return engine, client, deployed(engine, client, BOOTSTRAP, TIMEOUT)


def rid_of(engine, pids):
    """Waits until processes that never asked again are gone."""
    eventually(
        lambda: not pids & set(census.functions(engine.mark)),
        f"{pids} end at their invocation's deadline",
        timeout=TIMEOUT + 6,
    )


def test_the_next_invocation_succeeds_soon(stuck):
    engine, client, name = stuck
    functions.invoke(client, name)
    begin = time.monotonic()
    assert functions.invoke(client, name).error is None
    assert time.monotonic() - begin < TIMEOUT + 4
    rid_of(engine, set(census.functions(engine.mark)))


def test_its_process_ends_and_its_environment_is_used_again(stuck):
    engine, client, name = stuck
    stream = functions.invoke(client, name).value
    for _ in range(2):
        pids = set(census.functions(engine.mark))
        assert len(pids) == 1, "it does hang"
        rid_of(engine, pids)
        assert functions.invoke(client, name).value == stream
        assert engine.health()["environments"] == 1


def test_environments_do_not_multiply_from_burst_to_burst(stuck):
    """Who calls before the deadline gets another environment; after it, the first ones again."""
    engine, client, name = stuck
    burst = 4
    first = {functions.invoke(client, name).value for _ in range(burst)}
    environments = engine.health()["environments"]
    assert environments <= burst
    rid_of(engine, set(census.functions(engine.mark)))
    assert {functions.invoke(client, name).value for _ in range(burst)} <= first
    assert engine.health()["environments"] == environments


def test_an_extension_that_gives_up_after_the_answer_does_not_keep_the_environment(own_engine):
    """No deadline helps here: that is far away."""
    engine = own_engine()
    client = engine.client()
    name = deployed(engine, client, DESERTED, timeout=600)
    for _ in range(8):
        assert functions.invoke(client, name).value == "done"
        eventually(lambda: not census.functions(engine.mark), "its processes end")
        assert engine.health()["environments"] == 1
