"""Layers from source text, and how calls about them are refused."""

import pytest

from support import functions

# Answers with what the module of a layer says.
ASK = """
    import shared

    def handler(event, context):
        return shared.WHO
"""


def module(who):
    """A layer with a Python module that says whose it is."""
    return functions.package({"python/shared.py": f"WHO = {who!r}\n"})


def publish(client, name, archive, **more):
    """Publishes a layer version."""
    return client.publish_layer_version(LayerName=name, Content={"ZipFile": archive}, **more)


def refusal(client, operation, **arguments):
    """The code and message with which a call is refused."""
    with pytest.raises(client.exceptions.ClientError) as refused:
        getattr(client, operation)(**arguments)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]
