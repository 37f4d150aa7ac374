"""The account's concurrency, what is reserved of it, and what its other functions share."""

import concurrent.futures
import json

import pytest

from support import functions
from support.waiting import eventually

WAITING = """
    import time

    def handler(event, context):
        time.sleep(event)
        return event
"""


@pytest.fixture
def small(own_engine):
    """An engine whose account may have ten invocations at a time."""
    return own_engine("--account-concurrency", "10")


def create(client, name):
    archive = functions.python(WAITING)
    client.create_function(**functions.create_arguments(name, archive, MemorySize=128))
    functions.wait_active(client, name)
    return name


def reason(client, name):
    """Why an invocation is throttled; None where there is room for it."""
    try:
        functions.invoke(client, name, 0)
    except client.exceptions.TooManyRequestsException as refusal:
        assert refusal.response["Error"]["Message"] == "Rate Exceeded."
        assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        return refusal.response["Reason"]
    return None


def test_what_is_reserved_is_held_back_from_the_others(small):
    client = small.client()
    reserved, shared, other = (create(client, f"f{n}") for n in range(3))
    client.put_function_concurrency(FunctionName=reserved, ReservedConcurrentExecutions=7)
    limits = client.get_account_settings()["AccountLimit"]
    assert limits["ConcurrentExecutions"] == 10
    assert limits["UnreservedConcurrentExecutions"] == 3
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        running = [pool.submit(functions.invoke, client, shared, 3) for _ in range(3)]
        eventually(lambda: small.health()["invocations"] == 3, "three invocations run")
        assert reason(client, other) == "ConcurrentInvocationLimitExceeded"
        assert reason(client, reserved) is None
        assert [future.result().value for future in running] == [3, 3, 3]
    assert reason(client, other) is None


def test_a_tenth_must_be_left_to_all(small):
    client = small.client()
    name = create(client, "f")
    with pytest.raises(client.exceptions.InvalidParameterValueException) as refusal:
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=10)
    assert refusal.value.response["message"].endswith("below its minimum value of [1].")
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=9)


def test_what_a_deleted_function_had_reserved_is_for_all(small):
    client = small.client()
    reserved, shared = create(client, "reserved"), create(client, "shared")
    client.put_function_concurrency(FunctionName=reserved, ReservedConcurrentExecutions=9)
    client.delete_function(FunctionName=reserved)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        running = [pool.submit(functions.invoke, client, shared, 0.5) for _ in range(4)]
        assert [future.result().value for future in running] == [0.5] * 4


def test_reservations_outlive_the_engine(small):
    client = small.client()
    reserved, shared = create(client, "reserved"), create(client, "shared")
    client.put_function_concurrency(FunctionName=reserved, ReservedConcurrentExecutions=9)
    small.kill()
    small.start()
    client = small.client()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(functions.invoke, client, shared, 2)
        eventually(lambda: small.health()["invocations"] == 1, "one invocation runs")
        assert reason(client, shared) == "ConcurrentInvocationLimitExceeded"
        assert json.loads(running.result().raw) == 2
