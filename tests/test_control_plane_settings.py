"""What is kept beside a function: permissions, concurrency, tags, code signing and the like."""

import json
import uuid

import pytest

from support import functions
from test_aws_cli import aws  # noqa: F401 (a fixture)
from test_functions import arn
from test_versions import versioned  # noqa: F401 (a fixture)

S3 = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
BUCKET = "arn:aws:s3:::bucket"
PROFILE = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/p"
RUNTIME_VERSION = "arn:aws:lambda:us-east-1::runtime:" + "0" * 64


def refused(error, call, **arguments):
    """Calls, expects that error, and returns its message."""
    with pytest.raises(error) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Message"]


def policy(client, name, **more):
    """The policy's document and its revision."""
    answer = client.get_policy(FunctionName=name, **more)
    return json.loads(answer["Policy"]), answer["RevisionId"]


class TestPermissions:
    def test_a_statement_is_written_as_aws_writes_it(self, client, deploy):
        name = deploy()
        added = client.add_permission(
            FunctionName=name,
            StatementId="s3",
            SourceArn=BUCKET,
            SourceAccount="123456789012",
            **S3,
        )
        assert added["ResponseMetadata"]["HTTPStatusCode"] == 201
        expected = (
            '{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},'
            f'"Action":"lambda:InvokeFunction","Resource":"{arn(name)}",'
            '"Condition":{"StringEquals":{"AWS:SourceAccount":"123456789012"},'
            f'"ArnLike":{{"AWS:SourceArn":"{BUCKET}"}}}}}}'
        )
        assert added["Statement"] == expected
        answer = client.get_policy(FunctionName=name)
        assert answer["Policy"] == (
            f'{{"Version":"2012-10-17","Id":"default","Statement":[{expected}]}}'
        )

    @pytest.mark.parametrize(
        "principal, shown",
        [
            ("*", "*"),
            ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
            ("arn:aws:iam::123456789012:role/r", {"AWS": "arn:aws:iam::123456789012:role/r"}),
            ("events.amazonaws.com", {"Service": "events.amazonaws.com"}),
        ],
    )
    def test_principals(self, client, echo, principal, shown):
        statement = {"FunctionName": echo, "StatementId": "one"}
        added = client.add_permission(**statement, Action="lambda:*", Principal=principal)
        client.remove_permission(**statement)
        assert json.loads(added["Statement"])["Principal"] == shown

    def test_conditions_of_function_urls(self, client, deploy):
        name = deploy()
        everyone = {"FunctionName": name, "Principal": "*"}
        client.add_permission(
            StatementId="url",
            Action="lambda:InvokeFunctionUrl",
            FunctionUrlAuthType="NONE",
            **everyone,
        )
        client.add_permission(
            StatementId="through-it",
            Action="lambda:InvokeFunction",
            InvokedViaFunctionUrl=True,
            **everyone,
        )
        document, _ = policy(client, name)
        assert [statement["Condition"] for statement in document["Statement"]] == [
            {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
            {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
        ]

    def test_versions_and_aliases_have_their_own(self, client, versioned):  # noqa: F811
        client.add_permission(FunctionName=versioned, StatementId="s3", **S3)
        number = client.publish_version(FunctionName=versioned)["Version"]
        client.create_alias(FunctionName=versioned, Name="live", FunctionVersion=number)
        missing = client.exceptions.ResourceNotFoundException
        for qualifier in (number, "live"):
            refused(missing, client.get_policy, FunctionName=versioned, Qualifier=qualifier)
            client.add_permission(
                FunctionName=versioned, Qualifier=qualifier, StatementId="s3", **S3
            )
            document, _ = policy(client, versioned, Qualifier=qualifier)
            assert document["Statement"][0]["Resource"] == f"{arn(versioned)}:{qualifier}"

        client.delete_alias(FunctionName=versioned, Name="live")
        client.create_alias(FunctionName=versioned, Name="live", FunctionVersion="1")
        refused(missing, client.get_policy, FunctionName=versioned, Qualifier="live")
        assert policy(client, versioned, Qualifier=number)

    def test_a_policy_outlives_updates_and_ends_with_its_function(self, client, deploy):
        name = deploy()
        client.add_permission(FunctionName=name, StatementId="s3", **S3)
        client.update_function_configuration(FunctionName=name, Description="new")
        client.get_waiter("function_updated_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 500}
        )
        assert len(policy(client, name)[0]["Statement"]) == 1
        client.delete_function(FunctionName=name)
        deploy(FunctionName=name)
        missing = client.exceptions.ResourceNotFoundException
        refused(missing, client.get_policy, FunctionName=name)

    def test_revisions_guard_against_lost_updates(self, client, deploy):
        name = deploy()
        stale = client.get_function_configuration(FunctionName=name)["RevisionId"]
        client.add_permission(FunctionName=name, StatementId="one", RevisionId=stale, **S3)
        _, current = policy(client, name)
        function = client.get_function_configuration(FunctionName=name)
        assert current == function["RevisionId"] != stale

        outdated = client.exceptions.PreconditionFailedException
        two = {"FunctionName": name, "StatementId": "two", **S3}
        message = refused(outdated, client.add_permission, RevisionId=stale, **two)
        assert message.endswith("Call the GetPolicy API to retrieve the latest Revision Id")
        client.add_permission(RevisionId=current, **two)
        one = {"FunctionName": name, "StatementId": "one"}
        refused(outdated, client.remove_permission, RevisionId=current, **one)
        client.remove_permission(**one)
        assert [s["Sid"] for s in policy(client, name)[0]["Statement"]] == ["two"]

    def test_refusals(self, client, deploy):
        name = deploy()
        absent = client.exceptions.ResourceNotFoundException
        invalid = client.exceptions.InvalidParameterValueException
        one = {"FunctionName": name, "StatementId": "one"}

        message = refused(absent, client.remove_permission, **one)
        assert message == "No policy is associated with the given resource."
        client.add_permission(**one, **S3)
        conflict = client.exceptions.ResourceConflictException
        message = refused(conflict, client.add_permission, **one, **S3)
        assert message.startswith("The statement id (one) provided already exists.")
        message = refused(absent, client.remove_permission, FunctionName=name, StatementId="two")
        assert message == "Statement two is not found in resource policy."

        two = {"FunctionName": name, "StatementId": "two"}
        url_only = {"Action": "lambda:InvokeFunction", "Principal": "*"}
        for arguments, expected in (
            ({"Qualifier": "$LATEST", **S3}, "do not support adding policies for $LATEST."),
            ({**S3, "Principal": "example.com"}, "Please check the principal and try again."),
            ({"FunctionUrlAuthType": "NONE", **url_only}, "for lambda:InvokeFunctionUrl action"),
        ):
            message = refused(invalid, client.add_permission, **two, **arguments)
            assert message.endswith(expected)
        for qualifier, expected in (
            ("42", f"Function not found: {arn(name)}:42"),
            ("nobody", f"Cannot find alias arn: {arn(name)}:nobody"),
        ):
            message = refused(absent, client.add_permission, Qualifier=qualifier, **two, **S3)
            assert message == expected

        client.remove_permission(**one)
        message = refused(absent, client.get_policy, FunctionName=name)
        assert message == "The resource you requested does not exist."

    def test_a_policy_has_a_length(self, client, deploy):
        name = deploy()
        source = "arn:aws:events:us-east-1:000000000000:rule/" + "r" * 2000
        too_long = client.exceptions.PolicyLengthExceededException
        for number in range(12):
            permission = {"FunctionName": name, "StatementId": f"s{number}", "SourceArn": source}
            try:
                client.add_permission(**permission, **S3)
            except too_long as error:
                message = error.response["Error"]["Message"]
                break
        assert message.endswith(" is bigger than the limit (20480).")
        kept = client.get_policy(FunctionName=name)["Policy"]
        assert 18_000 < len(kept) <= 20_480


class TestConcurrency:
    def test_it_is_reserved_shown_and_released(self, client, deploy):
        name = deploy()
        shown = lambda: client.get_function_concurrency(FunctionName=name)  # noqa: E731
        assert "ReservedConcurrentExecutions" not in shown()
        assert "Concurrency" not in client.get_function(FunctionName=name)
        for count in (7, 0):
            put = client.put_function_concurrency(
                FunctionName=name, ReservedConcurrentExecutions=count
            )
            assert put["ReservedConcurrentExecutions"] == count
            assert shown()["ReservedConcurrentExecutions"] == count
            function = client.get_function(FunctionName=name)
            assert function["Concurrency"] == {"ReservedConcurrentExecutions": count}
        client.delete_function_concurrency(FunctionName=name)
        assert "ReservedConcurrentExecutions" not in shown()

    def test_a_hundred_stay_unreserved(self, own_engine):
        client = own_engine().client()
        first, second = "first", "second"
        for name in (first, second):
            client.create_function(
                **functions.create_arguments(name, functions.python(functions.ECHO))
            )
        unreserved = lambda: client.get_account_settings()["AccountLimit"][  # noqa: E731
            "UnreservedConcurrentExecutions"
        ]
        assert unreserved() == 1000
        client.put_function_concurrency(FunctionName=first, ReservedConcurrentExecutions=600)
        assert unreserved() == 400
        message = refused(
            client.exceptions.InvalidParameterValueException,
            client.put_function_concurrency,
            FunctionName=second,
            ReservedConcurrentExecutions=301,
        )
        assert message.endswith("below its minimum value of [100].")
        client.put_function_concurrency(FunctionName=second, ReservedConcurrentExecutions=300)
        client.delete_function(FunctionName=first)
        assert unreserved() == 700

    def test_versions_have_none(self, client, echo):
        message = refused(
            client.exceptions.InvalidParameterValueException,
            client.put_function_concurrency,
            FunctionName=f"{echo}:1",
            ReservedConcurrentExecutions=1,
        )
        assert message.startswith("This operation is permitted on Lambda functions only.")


class TestTags:
    def test_they_are_given_changed_and_shown(self, client, deploy):
        name = deploy(Tags={"a": "1", "b": "2"})
        resource = arn(name)
        client.tag_resource(Resource=resource, Tags={"b": "3", "c": ""})
        assert client.list_tags(Resource=resource)["Tags"] == {"a": "1", "b": "3", "c": ""}
        client.untag_resource(Resource=resource, TagKeys=["a", "nobody"])
        assert client.get_function(FunctionName=name)["Tags"] == {"b": "3", "c": ""}
        client.untag_resource(Resource=resource, TagKeys=["b", "c"])
        assert client.list_tags(Resource=resource)["Tags"] == {}

    def test_fifty_are_the_most(self, client, deploy):
        name = deploy(Tags={str(number): "" for number in range(49)})
        invalid = client.exceptions.InvalidParameterValueException
        for call, arguments in (
            (client.tag_resource, {"Resource": arn(name), "Tags": {"x": "", "y": ""}}),
            (
                client.create_function,
                functions.create_arguments("x", b"", Tags={str(n): "" for n in range(51)}),
            ),
        ):
            message = refused(invalid, call, **arguments)
            assert message == "Number of tags exceeds resource tag limit."
        client.tag_resource(Resource=arn(name), Tags={"0": "changed", "x": ""})

    def test_refusals(self, client, echo):
        invalid = client.exceptions.InvalidParameterValueException
        absent = client.exceptions.ResourceNotFoundException
        resource = arn(echo)
        for tags in ({}, {"aws:x": "1"}):
            refused(invalid, client.tag_resource, Resource=resource, Tags=tags)
        message = refused(invalid, client.list_tags, Resource=f"{resource}:live")
        assert message.startswith("Tags on function aliases and versions are not supported.")
        message = refused(absent, client.list_tags, Resource=arn("nobody"))
        assert message == f"Function not found: {arn('nobody')}"
        mapping = arn("x").replace("function:x", f"event-source-mapping:{uuid.UUID(int=0)}")
        message = refused(absent, client.list_tags, Resource=mapping)
        assert message == f"Event source mapping not found: {mapping}"


class TestCodeSigning:
    @pytest.fixture
    def config(self, client):
        """A configuration, and its ARN."""
        created = client.create_code_signing_config(
            AllowedPublishers={"SigningProfileVersionArns": [PROFILE]}, Tags={"team": "a"}
        )["CodeSigningConfig"]
        yield created
        client.delete_code_signing_config(CodeSigningConfigArn=created["CodeSigningConfigArn"])

    def test_a_configuration_is_kept_and_changed(self, client, config):
        named = {"CodeSigningConfigArn": config["CodeSigningConfigArn"]}
        assert named["CodeSigningConfigArn"].endswith(config["CodeSigningConfigId"])
        assert config["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
        assert client.get_code_signing_config(**named)["CodeSigningConfig"] == config
        changed = client.update_code_signing_config(
            **named, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"}
        )["CodeSigningConfig"]
        assert changed["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"}
        assert changed["AllowedPublishers"] == config["AllowedPublishers"]
        assert changed in client.list_code_signing_configs()["CodeSigningConfigs"]
        tags = client.list_tags(Resource=named["CodeSigningConfigArn"])["Tags"]
        assert tags == {"team": "a"}

    def test_functions_are_given_one(self, client, deploy, config):
        named = {"CodeSigningConfigArn": config["CodeSigningConfigArn"]}
        signed, other = deploy(**named), deploy()
        shown = client.get_function_code_signing_config(FunctionName=signed)
        assert (shown["CodeSigningConfigArn"], shown["FunctionName"]) == (
            named["CodeSigningConfigArn"],
            signed,
        )
        none = client.get_function_code_signing_config(FunctionName=other)
        assert "CodeSigningConfigArn" not in none
        client.put_function_code_signing_config(FunctionName=other, **named)
        listed = client.list_functions_by_code_signing_config(**named)["FunctionArns"]
        assert sorted(listed) == sorted([arn(signed), arn(other)])

        in_use = client.exceptions.ResourceConflictException
        refused(in_use, client.delete_code_signing_config, **named)
        for name in (signed, other):
            client.delete_function_code_signing_config(FunctionName=name)
        assert client.list_functions_by_code_signing_config(**named)["FunctionArns"] == []

    def test_what_is_missing_is_named(self, client, echo):
        missing = arn("x").replace("function:x", "code-signing-config:csc-" + "0" * 17)
        named = {"CodeSigningConfigArn": missing}
        absent = client.exceptions.ResourceNotFoundException
        for call in (
            client.get_code_signing_config,
            client.delete_code_signing_config,
            client.list_functions_by_code_signing_config,
        ):
            message = refused(absent, call, **named)
            assert message == f"The Lambda code signing configuration {missing} can not be found."
        message = refused(
            client.exceptions.CodeSigningConfigNotFoundException,
            client.put_function_code_signing_config,
            FunctionName=echo,
            **named,
        )
        assert missing in message


def test_account_settings_count_every_version(own_engine):
    client = own_engine().client()
    usage = lambda: client.get_account_settings()["AccountUsage"]  # noqa: E731
    assert usage() == {"TotalCodeSize": 0, "FunctionCount": 0}
    archive = functions.python(functions.ECHO)
    client.create_function(**functions.create_arguments("f", archive, Publish=True))
    assert usage() == {"TotalCodeSize": 2 * len(archive), "FunctionCount": 1}
    functions.wait_active(client, "f")
    longer = functions.python(functions.ECHO + "\n    # longer\n")
    client.update_function_code(FunctionName="f", ZipFile=longer)
    assert usage()["TotalCodeSize"] == len(archive) + len(longer)
    client.delete_function(FunctionName="f")
    assert usage() == {"TotalCodeSize": 0, "FunctionCount": 0}


def test_recursion(client, deploy):
    name = deploy()
    shown = lambda: client.get_function_recursion_config(FunctionName=name)  # noqa: E731
    assert shown()["RecursiveLoop"] == "Terminate"
    put = client.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    assert put["RecursiveLoop"] == shown()["RecursiveLoop"] == "Allow"


def test_runtime_management_belongs_to_versions(client, versioned):  # noqa: F811
    manual = {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": RUNTIME_VERSION}
    shown = client.get_runtime_management_config(FunctionName=versioned)
    assert shown["UpdateRuntimeOn"] == "Auto"
    assert "RuntimeVersionArn" not in shown
    client.put_runtime_management_config(FunctionName=versioned, Qualifier="1", **manual)
    shown = client.get_runtime_management_config(FunctionName=versioned, Qualifier="1")
    assert {key: shown[key] for key in manual} == manual
    assert shown["FunctionArn"] == f"{arn(versioned)}:1"
    latest = client.get_runtime_management_config(FunctionName=versioned)
    assert latest["UpdateRuntimeOn"] == "Auto"
    invalid = client.exceptions.InvalidParameterValueException
    for update_on in ({"UpdateRuntimeOn": "Manual"}, {**manual, "UpdateRuntimeOn": "Auto"}):
        refused(
            invalid, client.put_runtime_management_config, FunctionName=versioned, **update_on
        )


def test_settings_survive_a_restart(own_engine):
    engine = own_engine()
    client = engine.client()
    client.create_function(
        **functions.create_arguments("f", functions.python(functions.ECHO), Tags={"a": "1"})
    )
    client.add_permission(FunctionName="f", StatementId="s3", **S3)
    client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=3)
    before = client.get_policy(FunctionName="f")
    engine.close()

    client = own_engine(data_dir=engine.data_dir).client()
    after = client.get_policy(FunctionName="f")
    assert (after["Policy"], after["RevisionId"]) == (before["Policy"], before["RevisionId"])
    function = client.get_function(FunctionName="f")
    assert function["Concurrency"] == {"ReservedConcurrentExecutions": 3}
    assert function["Tags"] == {"a": "1"}


def test_a_session_of_the_aws_cli(aws, deploy):  # noqa: F811
    name = deploy()
    added = aws(
        "add-permission", "--function-name", name, "--statement-id", "s3",
        "--action", "lambda:InvokeFunction", "--principal", "s3.amazonaws.com",
        "--source-arn", BUCKET,
    )  # fmt: skip
    shown = aws("get-policy", "--function-name", name)
    assert json.loads(shown["Policy"])["Statement"] == [json.loads(added["Statement"])]
    aws("remove-permission", "--function-name", name, "--statement-id", "s3")
    gone = aws.fails("get-policy", "--function-name", name)
    assert gone.returncode != 0
    assert "ResourceNotFoundException" in gone.stderr

    aws("tag-resource", "--resource", arn(name), "--tags", "team=a,stage=dev")
    aws("untag-resource", "--resource", arn(name), "--tag-keys", "stage")
    assert aws("list-tags", "--resource", arn(name)) == {"Tags": {"team": "a"}}

    reserved = {"ReservedConcurrentExecutions": 2}
    asked = ("--function-name", name)
    assert aws("put-function-concurrency", *asked, "--reserved-concurrent-executions", "2") == (
        reserved
    )
    assert aws("get-function-concurrency", *asked) == reserved
    aws("delete-function-concurrency", *asked)
    settings = aws("get-account-settings")
    assert settings["AccountLimit"]["ConcurrentExecutions"] == 1000
    assert settings["AccountUsage"]["FunctionCount"] >= 1
