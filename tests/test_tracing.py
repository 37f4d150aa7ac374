"""Traces: what a caller begins goes on in the function that it calls."""

import re

import pytest

from support import functions

TRACE = """
    import os

    def handler(event, context):
        return os.environ["_X_AMZN_TRACE_ID"]
"""

ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"


@pytest.fixture
def traced(client):
    """Has the calls of the client name a trace."""
    hooks = []

    def traced(header):
        def name(request, **_):
            del request.headers["X-Amzn-Trace-Id"]
            request.headers["X-Amzn-Trace-Id"] = header

        client.meta.events.register("before-sign.lambda.Invoke", name)
        hooks.append(name)

    yield traced
    for hook in hooks:
        client.meta.events.unregister("before-sign.lambda.Invoke", hook)


def without_lineage(trace):
    """The header without what Lambda itself adds; see `test_recursion.py`."""
    header, _, lineage = trace.partition(";Lineage=")
    assert re.fullmatch("[0-9a-f]{8}:0", lineage)
    return header


def test_a_trace_is_made_where_the_caller_names_none(client, deploy):
    trace = functions.invoke(client, deploy(TRACE)).value
    assert trace.startswith("Root=1-") and ";Parent=" in trace and ";Sampled=" in trace


def test_the_callers_trace_goes_on(client, deploy, traced):
    header = f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1"
    name = deploy(TRACE)
    traced(header)
    assert without_lineage(functions.invoke(client, name).value) == header


def test_what_the_caller_leaves_out_is_filled_in(client, deploy, traced):
    name = deploy(TRACE)
    traced(ROOT)
    trace = without_lineage(functions.invoke(client, name).value)
    assert trace.startswith(f"{ROOT};Parent=") and trace.endswith(";Sampled=0")


def test_what_is_no_trace_is_replaced(client, deploy, traced):
    name = deploy(TRACE)
    traced("nonsense")
    assert functions.invoke(client, name).value.startswith("Root=1-")
