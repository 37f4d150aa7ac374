"""Reserved and provisioned concurrency.

Rules found here:

- GetFunctionConcurrency of what has none is an empty answer.
- Refusals that weigh amounts against the account's limits carry no Type; those that weigh them
  against the function's own do.
- Once everything that is reserved is provisioned for versions, `$LATEST` is throttled.
"""

import json

from recordings.registry import LAMBDA, scenario
from support.waiting import eventually

WAITING = """
    import time

    def handler(event, context):
        time.sleep(event["wait"])
"""


@scenario("TestLambdaConcurrency::test_lambda_concurrency_crud", LAMBDA)
def crud(lab):
    function = {"FunctionName": lab.deploy()}
    lab.record("get_function_concurrency_default", "get_function_concurrency", **function)
    lab.record(
        "put_function_concurrency",
        "put_function_concurrency",
        ReservedConcurrentExecutions=0,
        **function,
    )
    lab.record("get_function_concurrency_updated", "get_function_concurrency", **function)
    lab.call("delete_function_concurrency", **function)
    lab.record("get_function_concurrency_deleted", "get_function_concurrency", **function)


@scenario("TestLambdaConcurrency::test_reserved_concurrency_async_queue", LAMBDA)
def async_queue(lab):
    name = lab.deploy(source=WAITING)
    lab.record("fn", "get_function_configuration", FunctionName=name, Qualifier="$LATEST")
    lab.record(
        "put_fn_concurrency",
        "put_function_concurrency",
        FunctionName=name,
        ReservedConcurrentExecutions=1,
    )
    lab.call("invoke", FunctionName=name, InvocationType="Event", Payload='{"wait": 2}')
    lab.keep("too_many_requests_exc", eventually(lambda: _throttled(lab, name), "it is throttled"))


def _throttled(lab, name):
    """The refusal of an invocation; None when there was room for it."""
    answer = lab.ask("invoke", FunctionName=name, Payload=json.dumps({"wait": 0}))
    return answer if "Error" in answer else None


class Provisioned:
    """Provisioned concurrency of one function, version by version."""

    def __init__(self, lab, name):
        self.lab = lab
        self.function = {"FunctionName": name}

    def put(self, key, version, amount):
        """Asks for an amount."""
        self.lab.record(
            key,
            "put_provisioned_concurrency_config",
            Qualifier=version,
            ProvisionedConcurrentExecutions=amount,
            **self.function,
        )

    def get(self, key, version):
        """Shows what there is now."""
        which = {**self.function, "Qualifier": version}
        return self.lab.record(key, "get_provisioned_concurrency_config", **which)

    def get_ready(self, key, version):
        """Waits until it is allocated, and shows it."""
        which = {**self.function, "Qualifier": version}

        def ready():
            answer = self.lab.call("get_provisioned_concurrency_config", **which)
            return answer["Status"] != "IN_PROGRESS"

        eventually(ready, "the provisioned concurrency is allocated", timeout=30)
        self.get(key, version)


@scenario("TestLambdaConcurrency::test_lambda_provisioned_concurrency_scheduling", LAMBDA)
def scheduling(lab):
    name = lab.deploy()
    lab.call("publish_version", FunctionName=name)
    lab.call(
        "put_provisioned_concurrency_config",
        FunctionName=name,
        Qualifier="1",
        ProvisionedConcurrentExecutions=1,
    )
    Provisioned(lab, name).get_ready("get_provisioned_postwait", "1")


@scenario("TestLambdaConcurrency::test_provisioned_concurrency", LAMBDA)
def provisioned(lab):
    name = lab.deploy()
    lab.call("publish_version", FunctionName=name)
    concurrency = Provisioned(lab, name)
    concurrency.put("put_provisioned_5", "1", 5)
    concurrency.get("get_provisioned_prewait", "1")
    concurrency.get_ready("get_provisioned_postwait", "1")


@scenario("TestLambdaConcurrency::test_reserved_provisioned_overlap", LAMBDA)
def overlap(lab):
    name = lab.deploy()
    function = {"FunctionName": name}
    lab.call("publish_version", **function)
    concurrency = Provisioned(lab, name)
    concurrency.put("put_provisioned_5", "1", 2)
    concurrency.get("get_provisioned_prewait", "1")
    concurrency.get_ready("get_provisioned_postwait", "1")
    reserve = "put_function_concurrency"
    lab.record(
        "reserved_lower_than_provisioned_exc", reserve, ReservedConcurrentExecutions=1, **function
    )
    lab.call(reserve, ReservedConcurrentExecutions=2, **function)
    lab.record("get_concurrency", "get_function_concurrency", **function)
    lab.invoke("reserved_equals_provisioned_latest_invoke_exc", name)
    concurrency.put("reserved_equals_provisioned_increase_provisioned_exc", "1", 3)
    lab.record("update_func_config", "update_function_configuration", Timeout=15, **function)
    lab.updated(name)
    lab.call("publish_version", **function)
    concurrency.put("reserved_equals_provisioned_another_provisioned_exc", "2", 1)


@scenario("TestLambdaProvisionedConcurrency::test_provisioned_concurrency_limits")
def limits(lab):
    name = lab.deploy()
    lab.call("publish_version", FunctionName=name)
    account = lab.call("get_account_settings")["AccountLimit"]
    unreserved = account["UnreservedConcurrentExecutions"]
    concurrency = Provisioned(lab, name)
    concurrency.put("put_provisioned_concurrency_account_limit_exceeded", "1", unreserved + 1)
    concurrency.put("put_provisioned_concurrency_below_unreserved_min_value", "1", unreserved - 1)
