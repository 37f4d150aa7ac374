"""Functions that stream, and how a test says when they go on."""

import json
import textwrap

import pytest

from support import functions, runtimes
from test_provided_runtime import BOOTSTRAP

NODES = runtimes.exact("nodejs")
NODE = NODES[-1] if NODES else None
needs_node = pytest.mark.skipif(NODE is None, reason="no Node on this machine")


def rust(deploy, **more):
    """The test function in Rust, which streams what its event orders."""
    archive = functions.package({"bootstrap": BOOTSTRAP.read_bytes()})
    return deploy(archive, Runtime="provided.al2023", Handler="bootstrap", **more)


def order(**stream):
    """The event that orders a stream; see the function's `Order`."""
    return json.dumps({"stream": stream})


def open_gate(client, name):
    """Lets functions go on that wait for it."""
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"gate": "open"})


# For Node: resolves once the gate is open.
_NODE_GATE = """
const gate = async (context) => {
  const url = `${process.env.AWS_ENDPOINT_URL}/2017-03-31/tags/${context.invokedFunctionArn}`;
  const authorization = 'AWS4-HMAC-SHA256 Credential=function/20260101/us-east-1/lambda/aws4_request,'
    + ' SignedHeaders=host, Signature=0';
  for (;;) {
    const answer = await fetch(url, { headers: { authorization } });
    if ((await answer.text()).includes('gate')) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
"""


# For Python: whether the gate is open.
PYTHON_GATE = textwrap.dedent("""
    import os
    import urllib.request

    def is_open():
        function = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        request = urllib.request.Request(
            f"{os.environ['AWS_ENDPOINT_URL']}/2017-03-31/tags/"
            f"arn:aws:lambda:us-east-1:000000000000:function:{function}",
            headers={
                "Authorization": "AWS4-HMAC-SHA256 Credential=function/20260101/us-east-1/lambda/"
                "aws4_request, SignedHeaders=host, Signature=0"
            },
        )
        with urllib.request.urlopen(request) as answer:
            return b"gate" in answer.read()
""")


def node(deploy, body, **more):
    """A streaming handler for Node: the body of `async (event, stream, context) => {}`, in which
    `gate` is there to wait for."""
    runtimes.install(NODE)
    source = (
        _NODE_GATE
        + "exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {"
        + body
        + "});"
    )
    archive = functions.package({"index.js": source})
    return deploy(archive, Runtime=NODE, Handler="index.handler", **more)


class Stream:
    """The events of InvokeWithResponseStream, one after the other."""

    def __init__(self, client, name, event, **more):
        if not isinstance(event, str):
            event = json.dumps(event)
        self.answer = client.invoke_with_response_stream(
            FunctionName=name, Payload=event, **more
        )
        self.events = iter(self.answer["EventStream"])
        self.end = None

    def chunk(self):
        """The next chunk; None at the end, which is then kept."""
        assert self.end is None
        event = next(self.events)
        if "PayloadChunk" in event:
            return event["PayloadChunk"]["Payload"]
        self.end = event["InvokeComplete"]
        assert next(self.events, None) is None, "InvokeComplete is the last event"
        self.close()
        return None

    def rest(self):
        """Everything up to the end."""
        return b"".join(iter(self.chunk, None))

    def close(self):
        """Hangs up."""
        self.answer["EventStream"].close()
