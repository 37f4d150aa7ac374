"""Configurations of function URLs: one for a function, and one for each of its aliases."""

import re

import pytest
from botocore.exceptions import ClientError

from support import functions
from support.engine import Engine
from test_functions import arn


@pytest.fixture
def function(client, names):
    name = next(names)
    client.create_function(**functions.create_arguments(name, functions.python(functions.ECHO)))
    functions.wait_active(client, name)
    yield name
    client.delete_function(FunctionName=name)


def bare(answer):
    answer.pop("ResponseMetadata")
    return answer


def assert_absent(client, **which):
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function_url_config(**which)


def test_a_url_leads_to_this_engine(client, engine, function):
    created = bare(client.create_function_url_config(FunctionName=function, AuthType="NONE"))
    port = engine.address[1]
    assert re.fullmatch(
        rf"http://[a-z0-9]{{32}}\.lambda-url\.localhost:{port}/", created["FunctionUrl"]
    )
    assert created["FunctionArn"] == arn(function)
    shown = bare(client.get_function_url_config(FunctionName=function))
    assert shown == created | {
        "InvokeMode": "BUFFERED",
        "LastModifiedTime": created["CreationTime"],
    }


def test_an_update_leaves_what_it_does_not_name(client, function):
    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "MaxAge": 5}
    created = client.create_function_url_config(
        FunctionName=function, AuthType="NONE", Cors=cors, InvokeMode="RESPONSE_STREAM"
    )
    client.update_function_url_config(FunctionName=function, AuthType="AWS_IAM")
    shown = client.get_function_url_config(FunctionName=function)
    assert shown["AuthType"] == "AWS_IAM"
    assert shown["Cors"] == cors
    assert shown["InvokeMode"] == "RESPONSE_STREAM"
    assert shown["FunctionUrl"] == created["FunctionUrl"]
    assert shown["LastModifiedTime"] > shown["CreationTime"]


def test_aliases_have_urls_of_their_own(client, function):
    client.publish_version(FunctionName=function)
    client.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    whole = client.create_function_url_config(FunctionName=function, AuthType="NONE")
    live = client.create_function_url_config(
        FunctionName=function, Qualifier="live", AuthType="AWS_IAM"
    )
    assert live["FunctionArn"] == arn(function) + ":live"
    assert live["FunctionUrl"] != whole["FunctionUrl"]

    first = client.list_function_url_configs(FunctionName=function, MaxItems=1)
    second = client.list_function_url_configs(FunctionName=function, Marker=first["NextMarker"])
    listed = first["FunctionUrlConfigs"] + second["FunctionUrlConfigs"]
    assert [url["FunctionUrl"] for url in listed] == [whole["FunctionUrl"], live["FunctionUrl"]]
    assert "NextMarker" not in second

    client.delete_alias(FunctionName=function, Name="live")
    client.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    assert_absent(client, FunctionName=function, Qualifier="live")
    client.delete_function_url_config(FunctionName=function)
    assert_absent(client, FunctionName=function)


def test_a_function_takes_its_urls_with_it(client, names):
    name = next(names)
    package = functions.python(functions.ECHO)
    for _ in range(2):
        client.create_function(**functions.create_arguments(name, package))
        assert_absent(client, FunctionName=name)
        client.create_function_url_config(FunctionName=name, AuthType="NONE")
        client.delete_function(FunctionName=name)


def test_what_cannot_be_is_refused(client, function):
    cases = [
        ({"AuthType": "NONE", "Cors": {"MaxAge": 86_401}}, "less than or equal to 86400"),
        ({"AuthType": "NONE", "Cors": {"AllowMethods": ["OPTIONS"]}}, "length less than"),
    ]
    for arguments, words in cases:
        with pytest.raises(ClientError, match=words) as refused:
            client.create_function_url_config(FunctionName=function, **arguments)
        assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_url_outlives_its_engine(tmp_path):
    engine = Engine(tmp_path)
    try:
        client = engine.client()
        client.create_function(**functions.create_arguments("f", functions.python(functions.ECHO)))
        created = client.create_function_url_config(FunctionName="f", AuthType="NONE")
        engine.kill()
        engine.start()
        shown = engine.client().get_function_url_config(FunctionName="f")
        host = shown["FunctionUrl"].split(":")[1]
        assert host == created["FunctionUrl"].split(":")[1]
    finally:
        engine.close()
