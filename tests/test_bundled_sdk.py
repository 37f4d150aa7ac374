"""The SDK that AWS's Python runtime brings along, and the function's own packages before it."""

from support import functions


def test_a_function_invokes_another_by_plain_boto3(client, deploy):
    callee = deploy("def handler(event, context):\n    return event['n'] + 1\n")
    source = """
        import json

        import boto3

        client = boto3.client("lambda")

        def handler(event, context):
            response = client.invoke(FunctionName=event["callee"], Payload=json.dumps({"n": 41}))
            return json.load(response["Payload"])
    """
    caller = deploy(source)
    assert functions.invoke(client, caller, {"callee": callee}).value == 42


def test_the_functions_own_boto3_comes_first(client, deploy):
    archive = functions.package(
        {
            "main.py": "import boto3\n\ndef handler(event, context):\n    return boto3.__version__\n",
            "boto3/__init__.py": "__version__ = 'mine'\n",
        }
    )
    assert functions.invoke(client, deploy(archive)).value == "mine"


def test_boto3_is_there_without_being_packaged(client, deploy):
    source = """
        import boto3
        import botocore

        def handler(event, context):
            return [boto3.__version__, botocore.__version__]
    """
    versions = functions.invoke(client, deploy(source)).value
    assert all(version.startswith("1.") for version in versions)
