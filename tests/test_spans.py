"""Spans of traced invocations, as a collector gets them."""

import itertools
import time

import pytest

from support import functions, layers
from support.collector import Collector
from support.engine import Engine
from support.extensions import API, extension
from support.waiting import eventually

NUMBER = "bd862e3fe1be46a994272793"
TRACE = f"5759e988{NUMBER}"
ROOT = f"Root=1-5759e988-{NUMBER}"
CALLER = "53995c3f42cd8ad8"
ACTIVE = {"TracingConfig": {"Mode": "Active"}}
SERVER, INTERNAL = 2, 1

# Calls another function by AWS's SDK, as functions do.
CALLING = """
    import boto3, os

    def handler(event, context):
        if event is None:
            return os.environ["_X_AMZN_TRACE_ID"]
        answer = boto3.client("lambda").invoke(FunctionName=event)
        return [os.environ["_X_AMZN_TRACE_ID"], answer["Payload"].read().decode()]
"""


class Tracing(Engine):
    """An engine that sends spans to a collector."""

    def __init__(self, collector, *arguments, **variables):
        self.collector = collector
        self.variables = variables
        super().__init__(*arguments)

    def environment(self, **more):
        encoding = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}
        return super().environment(**{**encoding, **self.variables, **more})


@pytest.fixture(scope="module")
def collector():
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture(scope="module")
def engine(tmp_path_factory, collector):
    folder = tmp_path_factory.mktemp("tracing")
    engine = Tracing(collector, folder, "--otlp-endpoint", collector.url)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def client(engine):
    return engine.client()


@pytest.fixture(scope="module")
def names(engine):
    return (f"{engine.mark}-{number}" for number in itertools.count())


@pytest.fixture
def call(engine):
    """Invokes as part of a trace; each answer comes with the function's own header, parsed."""

    def call(name, event=None, header=None, **more):
        client = engine.client()
        if header is not None:

            def name_trace(request, **_):
                request.headers["X-Amzn-Trace-Id"] = header

            client.meta.events.register("before-sign.lambda.Invoke", name_trace)
        return functions.invoke(client, name, event, **more)

    return call


def members(header):
    return dict(member.split("=", 1) for member in header.split(";"))


def trace_of(header):
    return members(header)["Root"].removeprefix("1-").replace("-", "")


def test_an_invocation_is_told_with_its_parts(collector, deploy, call):
    name = deploy(CALLING, MemorySize=1769)
    result = call(name, header=f"{ROOT};Parent={CALLER};Sampled=1")
    assert trace_of(result.value) == TRACE
    spans = {span.name: span for span in collector.trace(TRACE, name, "init", "invoke")}
    whole, init, invoke = spans[name], spans["init"], spans["invoke"]
    assert whole.parent == CALLER and whole.kind == SERVER
    assert {init.parent, invoke.parent} == {whole.id}
    assert {init.kind, invoke.kind} == {INTERNAL}
    assert members(result.value)["Parent"] == invoke.id
    assert whole.began <= init.began < init.ended <= invoke.began < invoke.ended <= whole.ended
    assert abs(whole.ended / 1e9 - time.time()) < 60
    instance = whole.attributes.pop("faas.instance")
    assert "[$LATEST]" in instance
    assert whole.attributes == {
        "faas.invocation_id": result.request_id,
        "faas.trigger": "other",
        "faas.coldstart": True,
        "cloud.resource_id": f"arn:aws:lambda:us-east-1:000000000000:function:{name}",
    }
    assert whole.resource == {
        "service.name": name,
        "faas.name": name,
        "faas.version": "$LATEST",
        "faas.max_memory": 1769 << 20,
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "cloud.region": "us-east-1",
        "cloud.account.id": "000000000000",
    }


def test_what_a_function_calls_is_its_child(collector, deploy, call):
    called = deploy(functions.ECHO)
    name = deploy(CALLING, **ACTIVE)
    header, _ = call(name, called).value
    assert members(header)["Sampled"] == "1"
    spans = collector.trace(trace_of(header), name, called, "invoke", "invoke")
    child = next(span for span in spans if span.name == called)
    assert child.parent == members(header)["Parent"]
    parent = next(span for span in spans if span.id == child.parent)
    assert parent.name == "invoke" and parent.began <= child.began < child.ended <= parent.ended
    root = next(span for span in spans if span.name == name)
    assert not root.parent, "the trace begins with the call"


def test_the_mode_decides_where_the_caller_has_not(collector, deploy, call):
    active, passing = deploy(CALLING, **ACTIVE), deploy(CALLING)
    assert members(call(active).value)["Sampled"] == "1"
    unsampled = [
        call(passing).value,
        call(active, header=f"{ROOT};Parent={CALLER};Sampled=0").value,
    ]
    assert [members(header)["Sampled"] for header in unsampled] == ["0", "0"]
    assert members(unsampled[1])["Parent"] == CALLER, "nothing stands between"
    last = call(active).value
    collector.trace(trace_of(last), active, "invoke")
    told = {span.resource["faas.name"] for span in collector.spans}
    assert active in told and passing not in told


def test_a_failure_is_told(collector, deploy, call):
    name = deploy("def handler(event, context): raise ValueError('no')", **ACTIVE)
    header = f"Root=1-5759e989-{NUMBER};Parent={CALLER}"
    assert call(name, header=header).error == "Unhandled"
    spans = {span.name: span for span in collector.trace(f"5759e989{NUMBER}", name, "invoke")}
    assert spans[name].failure == "no"
    assert spans[name].attributes["error.type"] == "ValueError"
    assert spans["invoke"].attributes == {"error.type": "ValueError"}


def test_events_and_urls_are_part_of_their_traces(collector, client, deploy, call):
    name = deploy(CALLING)
    header = f"Root=1-5759e98a-{NUMBER};Parent={CALLER};Sampled=1"
    assert call(name, header=header, InvocationType="Event").status == 202
    spans = {span.name: span for span in collector.trace(f"5759e98a{NUMBER}", name, "invoke")}
    assert spans[name].parent == CALLER


def test_extensions_have_their_span(collector, client, deploy, call, names):
    # So long that the runtime has answered by then, for that is where the span begins.
    slow = API + 'me = register("INVOKE")\nwhile following(me):\n    time.sleep(2)\n'
    published = layers.publish(client, next(names), extension(slow, "slow"))
    name = deploy(CALLING, Layers=[published["LayerVersionArn"]], **ACTIVE)
    trace = trace_of(call(name).value)
    spans = {span.name: span for span in collector.trace(trace, name, "invoke", "extensions")}
    assert spans["extensions"].ended > spans["extensions"].began
    assert spans["extensions"].ended == spans[name].ended


def test_a_collector_that_refuses_costs_spans_and_nothing_else(tmp_path):
    collector = Collector(status=400)
    # The usual encoding, which the variable does not change here.
    engine = Tracing(
        collector,
        tmp_path / "refused",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20token",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
    )
    try:
        client = engine.client()
        archive = functions.python(functions.ECHO)
        client.create_function(**functions.create_arguments("refused", archive, **ACTIVE))
        functions.wait_active(client, "refused")
        assert functions.invoke(client, "refused", 1).value == 1
        dropped = eventually(lambda: engine.health()["spans_dropped"], "spans are dropped")
        assert dropped == 3
        path, kind, headers, length = collector.requests[0]
        assert (path, kind) == ("/v1/traces", "application/x-protobuf")
        assert headers["authorization"] == "Bearer token" and length > 100
    finally:
        engine.close()
        collector.close()


def test_an_engine_that_stops_sends_its_last_spans(tmp_path):
    collector = Collector()
    engine = Tracing(collector, tmp_path / "last", "--otlp-endpoint", collector.url)
    try:
        client = engine.client()
        archive = functions.python(functions.ECHO)
        client.create_function(**functions.create_arguments("last", archive, **ACTIVE))
        functions.wait_active(client, "last")
        functions.invoke(client, "last", 1)
    finally:
        engine.close()
        collector.close()
    assert [span.name for span in collector.spans].count("last") == 1
