"""Aliases: created, shown, listed, moved, deleted."""

import pytest

from support import functions
from test_functions import arn
from test_versions import versioned  # noqa: F401 (a fixture)

ALIAS = {"AliasArn", "Name", "FunctionVersion", "Description", "RevisionId"}


def members(response):
    return set(response) - {"ResponseMetadata"}


def test_an_alias_is_created_and_shown(client, versioned):  # noqa: F811
    created = client.create_alias(FunctionName=versioned, Name="prod", FunctionVersion="1")
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert members(created) == ALIAS
    assert created["AliasArn"] == f"{arn(versioned)}:prod"
    assert created["Name"] == "prod"
    assert created["FunctionVersion"] == "1"
    assert created["Description"] == ""
    shown = client.get_alias(FunctionName=versioned, Name="prod")
    for answer in (created, shown):
        del answer["ResponseMetadata"]
    assert shown == created


def test_moving_an_alias_moves_its_invocations(client, versioned):  # noqa: F811
    client.publish_version(FunctionName=versioned)
    alias_arn = client.create_alias(FunctionName=versioned, Name="prod", FunctionVersion="1")[
        "AliasArn"
    ]
    before = functions.invoke(client, versioned, Qualifier="prod")
    assert before.value == ["first", "1", alias_arn]
    assert before.version == "1"
    moved = client.update_alias(FunctionName=versioned, Name="prod", FunctionVersion="2")
    assert moved["FunctionVersion"] == "2"
    after = functions.invoke(client, alias_arn)
    assert after.value == ["second", "2", alias_arn]
    assert after.version == "2"


def test_update_changes_only_what_is_given(client, versioned):  # noqa: F811
    client.create_alias(FunctionName=versioned, Name="prod", FunctionVersion="1", Description="old")
    before = client.get_alias(FunctionName=versioned, Name="prod")
    after = client.update_alias(FunctionName=versioned, Name="prod", Description="new")
    assert (after["Description"], after["FunctionVersion"]) == ("new", "1")
    assert after["RevisionId"] != before["RevisionId"]
    with pytest.raises(client.exceptions.PreconditionFailedException):
        client.update_alias(
            FunctionName=versioned, Name="prod", Description="x", RevisionId=before["RevisionId"]
        )


def test_aliases_are_listed_by_version_and_in_pages(client, versioned):  # noqa: F811
    for name, version in (("a", "1"), ("b", "1"), ("c", "$LATEST")):
        client.create_alias(FunctionName=versioned, Name=name, FunctionVersion=version)
    everything = client.list_aliases(FunctionName=versioned)["Aliases"]
    assert sorted(alias["Name"] for alias in everything) == ["a", "b", "c"]
    assert all(members(alias) == ALIAS for alias in everything)
    of_one = client.list_aliases(FunctionName=versioned, FunctionVersion="1")["Aliases"]
    assert sorted(alias["Name"] for alias in of_one) == ["a", "b"]
    pages = client.get_paginator("list_aliases").paginate(
        FunctionName=versioned, PaginationConfig={"PageSize": 2}
    )
    paged = [alias["Name"] for page in pages for alias in page["Aliases"]]
    assert sorted(paged) == ["a", "b", "c"]


def test_a_deleted_alias_is_gone_and_deleting_it_again_is_no_error(client, versioned):  # noqa: F811
    client.create_alias(FunctionName=versioned, Name="prod", FunctionVersion="1")
    for _ in range(2):
        answer = client.delete_alias(FunctionName=versioned, Name="prod")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_alias(FunctionName=versioned, Name="prod")


def test_names_are_taken_once(client, versioned):  # noqa: F811
    client.create_alias(FunctionName=versioned, Name="prod", FunctionVersion="1")
    with pytest.raises(client.exceptions.ResourceConflictException) as refused:
        client.create_alias(FunctionName=versioned, Name="prod", FunctionVersion="1")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert refused.value.response["Error"]["Message"].startswith("Alias already exists: ")


def test_an_alias_needs_a_version_that_exists(client, echo):
    with pytest.raises(client.exceptions.ResourceNotFoundException) as refused:
        client.create_alias(FunctionName=echo, Name="prod", FunctionVersion="7")
    assert refused.value.response["Error"]["Message"] == f"Function not found: {arn(echo)}:7"


def test_updating_an_alias_that_does_not_exist(client, echo):
    with pytest.raises(client.exceptions.ResourceNotFoundException) as refused:
        client.update_alias(FunctionName=echo, Name="nobody", Description="x")
    assert refused.value.response["Error"]["Message"] == f"Alias not found: {arn(echo)}:nobody"


def test_a_version_with_an_alias_is_not_deleted(client, versioned):  # noqa: F811
    client.create_alias(FunctionName=versioned, Name="prod", FunctionVersion="1")
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.delete_function(FunctionName=versioned, Qualifier="1")
    assert functions.invoke(client, versioned, Qualifier="prod").version == "1"


def test_an_alias_name_must_not_be_a_number(unchecked, echo):
    with pytest.raises(unchecked.exceptions.ClientError) as refused:
        unchecked.create_alias(FunctionName=echo, Name="12", FunctionVersion="$LATEST")
    error = refused.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"].startswith("1 validation error detected: Value '12' at 'name'")


@pytest.fixture
def weighted(client, versioned):  # noqa: F811
    """A function whose alias `canary` sends half of its invocations to version 2."""
    client.publish_version(FunctionName=versioned)
    client.create_alias(
        FunctionName=versioned,
        Name="canary",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    return versioned


def test_weights_share_the_invocations(client, weighted):
    ran = [functions.invoke(client, weighted, Qualifier="canary") for _ in range(60)]
    assert {(one.version, one.value[0]) for one in ran} == {("1", "first"), ("2", "second")}
    # Sixty throws of a coin: fewer than ten on a side come once in a hundred million times.
    assert 10 <= sum(one.version == "2" for one in ran) <= 50


def test_a_version_with_a_share_is_not_deleted(client, weighted):
    with pytest.raises(client.exceptions.ResourceConflictException) as refused:
        client.delete_function(FunctionName=weighted, Qualifier="2")
    assert refused.value.response["Error"]["Message"].endswith("reference it: [canary]")


def test_weights_go_when_they_are_emptied(client, weighted):
    client.update_alias(
        FunctionName=weighted, Name="canary", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    assert "RoutingConfig" not in client.get_alias(FunctionName=weighted, Name="canary")
    ran = {functions.invoke(client, weighted, Qualifier="canary").version for _ in range(20)}
    assert ran == {"1"}
