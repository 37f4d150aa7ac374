"""What callers see of an engine that stops under them."""

import contextlib
import http.client
import signal
import threading
import time

import botocore.exceptions
import pytest

from support import census, functions, host, raw, runtimes, urls
from support.waiting import eventually

NODE = "nodejs22.x"

# How long the engine lets run what runs.
DRAIN = 5

SLEEPER = """
    import time

    def handler(event, context):
        time.sleep(600)
"""

# Says something, and then nothing more.
STREAMER = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.write('begun');
  await new Promise((resolve) => setTimeout(resolve, 600000));
});
"""

# Needs the engine to come to its end.
CALLER = """
    import os
    import time
    import urllib.request

    def handler(event, context):
        time.sleep(1)
        request = urllib.request.Request(
            os.environ["AWS_ENDPOINT_URL"] + "/2016-08-19/account-settings",
            headers={"Authorization": "AWS4-HMAC-SHA256 Credential="
                     + os.environ["AWS_ACCESS_KEY_ID"] + "/20260101/us-east-1/lambda/aws4_request,"
                     " SignedHeaders=host, Signature=0"},
        )
        with urllib.request.urlopen(request, timeout=3) as answer:
            return answer.status
"""


def deploy(engine, archive, suffix, **more):
    """A function that the census finds."""
    client, name = engine.client(), f"{engine.mark}-{suffix}"
    client.create_function(**functions.create_arguments(name, archive, Timeout=600, **more))
    functions.wait_active(client, name)
    return name


class Call(threading.Thread):
    """What comes of something that is done at the side."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work, self.value, self.error = work, None, None
        self.start()

    def run(self):
        try:
            self.value = self.work()
        except Exception as error:
            self.error = error

    def outcome(self):
        self.join(timeout=20)
        assert not self.is_alive(), "nothing came of it"
        return self


@pytest.fixture
def stack():
    with contextlib.ExitStack() as stack:
        yield stack


def test_who_still_waits_is_told_that_the_engine_stopped(own_engine, stack):
    runtimes.install(NODE)
    engine = own_engine()
    client = engine.client()
    sleeper = deploy(engine, functions.python(SLEEPER), "sleeper")
    streamer = deploy(
        engine,
        functions.package({"index.js": STREAMER}),
        "streamer",
        Runtime=NODE,
        Handler="index.handler",
    )
    url = urls.create(client, sleeper)
    streaming_url = urls.create(client, streamer, InvokeMode="RESPONSE_STREAM")

    whole = Call(lambda: functions.invoke(client, sleeper))
    by_url = Call(lambda: urls.call(engine, url))
    eventually(lambda: len(census.functions(engine.mark)) >= 2, "both invocations run")
    events = client.invoke_with_response_stream(FunctionName=streamer)["EventStream"]
    stream = iter(stack.enter_context(contextlib.closing(events)))
    assert next(stream)["PayloadChunk"]["Payload"] == b"begun"
    begun = stack.enter_context(contextlib.closing(urls.Open(engine, streaming_url)))
    stack.enter_context(contextlib.closing(begun.answer))
    assert begun.read(5) == b"begun"
    client.invoke(FunctionName=sleeper, InvocationType="Event")

    begin = time.monotonic()
    stopping = Call(lambda: engine.stop(signal.SIGINT))
    error = whole.outcome().error
    assert isinstance(error, botocore.exceptions.ClientError), error
    assert error.response["Error"]["Code"] == "ServiceException"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "stopped" in error.response["Error"]["Message"]
    assert time.monotonic() - begin > DRAIN - 1, "it was given time to end"
    end = next(stream)["InvokeComplete"]
    assert end["ErrorCode"] == "ServiceException"
    assert "stopped" in end["ErrorDetails"]
    assert by_url.outcome().value.status == 500
    with pytest.raises(http.client.IncompleteRead):
        begun.rest()
    assert stopping.outcome().value == 0, stopping.error
    assert "broken off" in engine.output()


def test_functions_reach_the_engine_until_they_have_ended(own_engine):
    engine = own_engine()
    measures = raw.request(engine.address, "GET", "/_lambdalab/v1/measures", signed=False).json
    if missing := next(it["missing"] for it in measures if it["name"] == "network"):
        host.lacks(f"a network of its own: functions come by the door of everybody, which is shut: {missing}")
    client = engine.client()
    name = deploy(engine, functions.python(CALLER), "caller")
    call = Call(lambda: functions.invoke(client, name).value)
    eventually(lambda: census.functions(engine.mark), "the function runs")
    assert engine.stop() == 0
    assert call.outcome().value == 200, call.error


def test_a_second_signal_ends_it_at_once(own_engine):
    engine = own_engine()
    client = engine.client()
    name = deploy(engine, functions.python(SLEEPER), "sleeper")
    call = Call(lambda: functions.invoke(client, name))
    eventually(lambda: census.functions(engine.mark), "the function runs")
    engine.process.send_signal(signal.SIGINT)
    eventually(lambda: "once more to stop at once" in engine.output(), "it says how to hurry")
    assert engine.stop(signal.SIGINT) == 3, "it did not come to its own end"
    assert call.outcome().error is not None
