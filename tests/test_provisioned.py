"""Provisioned concurrency: environments that are initialised ahead, and kept."""

import concurrent.futures
import textwrap

import pytest

from support import functions
from support.cloudwatch import refusal
from support.waiting import eventually

# Tells its environment, and how that came to be.
TELLS = """
    import os
    import time

    def handler(event, context):
        time.sleep(event.get("wait", 0))
        if event.get("exit"):
            os._exit(1)
        return [os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], context.log_stream_name]
"""


@pytest.fixture
def published(client, deploy):
    """A function with a version and an alias `live` of it."""
    name = deploy(TELLS, MemorySize=256)
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return name


def put(client, name, qualifier, amount):
    return client.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=amount
    )


def get(client, name, qualifier):
    return client.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)


def ready(client, name, qualifier):
    """Waits until all are there."""
    return eventually(
        lambda: (got := get(client, name, qualifier))["Status"] == "READY" and got,
        "what is provisioned is ready",
        timeout=30,
    )


def provide(client, name, qualifier, amount):
    """Asks for an amount, and waits for it."""
    answer = put(client, name, qualifier, amount)
    assert (answer["Status"], answer["AllocatedProvisionedConcurrentExecutions"]) == (
        "IN_PROGRESS",
        0,
    )
    return ready(client, name, qualifier)


def tell(client, name, qualifier, **event):
    return functions.invoke(client, name, event, Qualifier=qualifier).value


def test_environments_are_initialised_ahead(engine, client, published):
    before = engine.health()["environments"]
    answer = provide(client, published, "live", 2)
    assert answer["AvailableProvisionedConcurrentExecutions"] == 2
    assert answer["RequestedProvisionedConcurrentExecutions"] == 2
    assert engine.health()["environments"] >= before + 2
    # Those of the alias are those of its version.
    for qualifier in ("live", "1"):
        assert tell(client, published, qualifier)[0] == "provisioned-concurrency"
    assert functions.invoke(client, published, {}).value[0] == "on-demand"


def test_what_is_more_goes_on_demand(client, published):
    provide(client, published, "1", 1)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(tell, client, published, "1", wait=4) for _ in range(2)]
        kinds = sorted(future.result()[0] for future in running)
    assert kinds == ["on-demand", "provisioned-concurrency"]


def test_one_that_is_lost_is_replaced(client, published):
    provide(client, published, "1", 1)
    _, first = tell(client, published, "1")
    lost = functions.invoke(client, published, {"exit": True}, Qualifier="1")
    assert lost.payload["errorType"] == "Runtime.ExitError"

    def another():
        kind, stream = tell(client, published, "1")
        return stream != first and kind == "provisioned-concurrency"

    eventually(another, "another is provisioned")
    ready(client, published, "1")


def test_an_alias_takes_its_provision_along(client, published):
    provide(client, published, "live", 1)
    _, first = tell(client, published, "live")
    client.update_function_configuration(FunctionName=published, Description="another")
    functions.wait_updated(client, published)
    version = client.publish_version(FunctionName=published)["Version"]
    client.update_alias(FunctionName=published, Name="live", FunctionVersion=version)
    ready(client, published, "live")
    kind, second = tell(client, published, "live")
    assert kind == "provisioned-concurrency" and f"[{version}]" in second and second != first
    # The version that it has left has none any more.
    assert tell(client, published, "1")[0] == "on-demand"


def test_amounts_change_and_end(client, published):
    provide(client, published, "live", 3)
    answer = put(client, published, "live", 1)
    assert answer["RequestedProvisionedConcurrentExecutions"] == 1
    assert ready(client, published, "live")["AllocatedProvisionedConcurrentExecutions"] == 1
    (listed,) = client.list_provisioned_concurrency_configs(FunctionName=published)[
        "ProvisionedConcurrencyConfigs"
    ]
    assert listed["FunctionArn"].endswith(f":{published}:live")
    client.delete_provisioned_concurrency_config(FunctionName=published, Qualifier="live")
    which = {"FunctionName": published, "Qualifier": "live"}
    assert refusal(client.get_provisioned_concurrency_config, **which)[0] == (
        "ProvisionedConcurrencyConfigNotFoundException"
    )
    eventually(lambda: tell(client, published, "live")[0] == "on-demand", "it has ended")


def test_what_does_not_initialise_fails(client, deploy):
    name = deploy("raise ValueError('never')\n")
    client.publish_version(FunctionName=name)
    put(client, name, "1", 1)
    answer = eventually(
        lambda: (got := get(client, name, "1"))["Status"] == "FAILED" and got, "it fails"
    )
    assert answer["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert answer["AllocatedProvisionedConcurrentExecutions"] == 0


def test_what_the_machine_has_no_memory_for_fails(own_engine):
    engine = own_engine("--memory-budget", "300")
    client = engine.client()
    # Twice what it takes is set aside for each.
    source = f'held = b"x" * (100 << 20)\n{textwrap.dedent(TELLS)}'
    created = functions.create_arguments("big", functions.python(source), MemorySize=256)
    client.create_function(**created)
    functions.wait_active(client, "big")
    client.publish_version(FunctionName="big")
    put(client, "big", "1", 2)
    answer = eventually(
        lambda: (got := get(client, "big", "1"))["Status"] == "FAILED" and got,
        "there is no room for both",
        timeout=45,
    )
    assert "no memory became free" in answer["StatusReason"]
    assert answer["AllocatedProvisionedConcurrentExecutions"] == 1
    assert tell(client, "big", "1")[0] == "provisioned-concurrency", "the one that is there serves"
    put(client, "big", "1", 1)
    assert ready(client, "big", "1")["AvailableProvisionedConcurrentExecutions"] == 1


def test_only_what_is_published_is_provisioned_and_once(client, published):
    def refused(qualifier):
        return refusal(
            client.put_provisioned_concurrency_config,
            FunctionName=published,
            Qualifier=qualifier,
            ProvisionedConcurrentExecutions=1,
        )

    assert refused("$LATEST")[:2] == (
        "InvalidParameterValueException",
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
    )
    assert refused("7")[0] == "ResourceNotFoundException"
    assert refused("nobody")[0] == "ResourceNotFoundException"
    provide(client, published, "live", 1)
    assert refused("1")[0] == "ResourceConflictException"


def test_provisions_outlive_the_engine(own_engine):
    engine = own_engine()
    client = engine.client()
    client.create_function(**functions.create_arguments("kept", functions.python(TELLS)))
    functions.wait_active(client, "kept")
    client.publish_version(FunctionName="kept")
    provide(client, "kept", "1", 2)
    engine.kill()
    engine.start()
    client = engine.client()
    assert ready(client, "kept", "1")["AllocatedProvisionedConcurrentExecutions"] == 2
    assert tell(client, "kept", "1")[0] == "provisioned-concurrency"
