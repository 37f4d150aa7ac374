"""Published versions: numbered, frozen, listed."""

import pytest

from support import functions
from test_functions import CONFIGURATION, LISTED, UPDATED, arn, fields

VERSION_SOURCE = """
    def handler(event, context):
        return ["{}", context.function_version, context.invoked_function_arn]
"""


@pytest.fixture
def versioned(client, deploy):
    """A function whose version 1 answers "first" and whose $LATEST answers "second"."""
    name = deploy(VERSION_SOURCE.format("first"))
    client.publish_version(FunctionName=name, Description="one")
    client.update_function_code(
        FunctionName=name, ZipFile=functions.python(VERSION_SOURCE.format("second"))
    )
    functions.wait_updated(client, name)
    return name


def test_publish_answers_with_the_version(client, deploy):
    name = deploy()
    answer = client.publish_version(FunctionName=name, Description="the first")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert fields(answer) == CONFIGURATION | UPDATED
    assert answer["Version"] == "1"
    assert answer["FunctionArn"] == f"{arn(name)}:1"
    assert answer["FunctionName"] == name
    assert answer["Description"] == "the first"
    assert answer["State"] == "Active"


def test_publishing_what_is_published_gives_the_same_version(client, deploy):
    name = deploy()
    first = client.publish_version(FunctionName=name)
    second = client.publish_version(FunctionName=name)
    assert (first["Version"], second["Version"]) == ("1", "1")
    assert first["RevisionId"] == second["RevisionId"]


def test_versions_count_up_and_numbers_are_not_used_again(client, versioned):
    assert client.publish_version(FunctionName=versioned)["Version"] == "2"
    client.delete_function(FunctionName=versioned, Qualifier="2")
    client.update_function_configuration(FunctionName=versioned, Description="changed")
    functions.wait_updated(client, versioned)
    assert client.publish_version(FunctionName=versioned)["Version"] == "3"


def test_a_version_stays_as_it_was_published(client, versioned):
    frozen = functions.invoke(client, versioned, Qualifier="1")
    latest = functions.invoke(client, versioned)
    assert frozen.value == ["first", "1", f"{arn(versioned)}:1"]
    assert frozen.version == "1"
    assert latest.value == ["second", "$LATEST", arn(versioned)]
    assert latest.version == "$LATEST"


def test_the_configuration_of_a_version_is_frozen_too(client, versioned):
    client.update_function_configuration(FunctionName=versioned, Timeout=11, Description="later")
    functions.wait_updated(client, versioned)
    frozen = client.get_function_configuration(FunctionName=versioned, Qualifier="1")
    assert (frozen["Timeout"], frozen["Description"]) == (20, "one")


def test_publish_on_create_and_on_update(client, names):
    name = next(names)
    archive = functions.python(VERSION_SOURCE.format("first"))
    created = client.create_function(**functions.create_arguments(name, archive, Publish=True))
    try:
        assert created["Version"] == "1"
        functions.wait_active(client, name)
        updated = client.update_function_code(
            FunctionName=name,
            ZipFile=functions.python(VERSION_SOURCE.format("second")),
            Publish=True,
        )
        assert updated["Version"] == "2"
        assert updated["FunctionArn"] == f"{arn(name)}:2"
        functions.wait_updated(client, name)
        client.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier="2", WaiterConfig={"Delay": 0.02, "MaxAttempts": 1000}
        )
        answers = [functions.invoke(client, name, Qualifier=q).value[0] for q in "12"]
        assert answers == ["first", "second"]
    finally:
        client.delete_function(FunctionName=name)


def test_list_versions_begins_with_latest(client, versioned):
    answer = client.list_versions_by_function(FunctionName=versioned)
    versions = answer["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST", "1"]
    assert [version["FunctionArn"] for version in versions] == [
        f"{arn(versioned)}:$LATEST",
        f"{arn(versioned)}:1",
    ]
    for version in versions:
        assert LISTED <= fields(version)
    first = client.list_versions_by_function(FunctionName=versioned, MaxItems=1)
    assert len(first["Versions"]) == 1
    rest = client.list_versions_by_function(FunctionName=versioned, Marker=first["NextMarker"])
    assert [version["Version"] for version in rest["Versions"]] == ["1"]


def test_publish_with_another_hash_is_refused(client, deploy):
    name = deploy()
    current = client.get_function_configuration(FunctionName=name)["CodeSha256"]
    wrong = "a" * 43 + "="
    with pytest.raises(client.exceptions.InvalidParameterValueException) as refused:
        client.publish_version(FunctionName=name, CodeSha256=wrong)
    assert refused.value.response["Error"]["Message"] == (
        f"CodeSHA256 ({wrong}) is different from current CodeSHA256 in $LATEST ({current}). "
        "Please try again with the CodeSHA256 in $LATEST."
    )


def test_a_version_can_be_deleted_alone(client, versioned):
    client.delete_function(FunctionName=versioned, Qualifier="1")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName=versioned, Qualifier="1")
    assert functions.invoke(client, versioned).value[0] == "second"


def test_latest_cannot_be_deleted_alone(client, echo):
    with pytest.raises(client.exceptions.InvalidParameterValueException) as refused:
        client.delete_function(FunctionName=echo, Qualifier="$LATEST")
    assert refused.value.response["Error"]["Message"] == (
        "$LATEST version cannot be deleted without deleting the function."
    )


def test_a_version_that_does_not_exist(client, echo):
    with pytest.raises(client.exceptions.ResourceNotFoundException) as refused:
        client.get_function(FunctionName=echo, Qualifier="1221")
    assert refused.value.response["Error"]["Message"] == f"Function not found: {arn(echo)}:1221"


def test_every_version_of_every_function_is_listed(client, engine, versioned):
    pages = client.get_paginator("list_functions").paginate(
        FunctionVersion="ALL", PaginationConfig={"PageSize": 3}
    )
    listed = [one["FunctionArn"] for page in pages for one in page["Functions"]]
    assert len(set(listed)) == len(listed)
    ours = [one for one in listed if one.startswith(arn(versioned) + ":")]
    assert ours == [f"{arn(versioned)}:$LATEST", f"{arn(versioned)}:1"]


def test_version_numbers_are_never_given_again(client, versioned):
    client.delete_function(FunctionName=versioned)
    archive = functions.python(VERSION_SOURCE.format("third"))
    client.create_function(**functions.create_arguments(versioned, archive))
    functions.wait_active(client, versioned)
    assert client.publish_version(FunctionName=versioned)["Version"] == "2"


def test_deleting_a_version_that_is_not_there(client, versioned):
    for _ in range(2):
        answer = client.delete_function(FunctionName=versioned, Qualifier="1")
        assert answer["StatusCode"] == 204
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.delete_function(FunctionName="nobody", Qualifier="1")
