"""The API of layers: published, listed, attached, deleted, shared."""

import functools
import io
import json
import urllib.request
import zipfile

import boto3
import pytest

from support import functions, layers
from support.layers import refusal

LIMIT = 262_144_000


@functools.cache
def large(size):
    """A package that is small and holds `size` bytes unpacked."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("main.py", "")
        with archive.open("zeros", "w") as zeros:
            for begin in range(0, size, 1 << 20):
                zeros.write(bytes(min(1 << 20, size - begin)))
    return buffer.getvalue()


def test_what_is_published_is_shown(client, names):
    name, archive = next(names), layers.module("me")
    published = layers.publish(
        client,
        name,
        archive,
        Description="mine",
        LicenseInfo="MIT",
        CompatibleRuntimes=["python3.12", "provided"],
        CompatibleArchitectures=["arm64", "x86_64"],
    )
    assert published["ResponseMetadata"]["HTTPStatusCode"] == 201
    arn = f"arn:aws:lambda:us-east-1:000000000000:layer:{name}"
    shown = client.get_layer_version(LayerName=name, VersionNumber=1)
    for answer in published, shown, client.get_layer_version_by_arn(Arn=f"{arn}:1"):
        assert answer["LayerArn"] == arn
        assert answer["LayerVersionArn"] == f"{arn}:1"
        assert (answer["Version"], answer["Description"]) == (1, "mine")
        assert answer["LicenseInfo"] == "MIT"
        assert answer["CompatibleRuntimes"] == ["python3.12", "provided"]
        assert answer["CompatibleArchitectures"] == ["arm64", "x86_64"]
        assert answer["CreatedDate"] == published["CreatedDate"]
        assert answer["Content"]["CodeSize"] == len(archive)
        assert answer["Content"]["CodeSha256"] == functions.code_sha256(archive)
    with urllib.request.urlopen(shown["Content"]["Location"]) as package:
        assert package.read() == archive
    # By ARN as by name, and without what was not declared.
    second = layers.publish(client, arn, archive)
    assert (second["Version"], second["Description"]) == (2, "")
    assert "LicenseInfo" not in second


def test_numbers_are_given_once(client, names):
    name = next(names)
    assert layers.publish(client, name, layers.module(1))["Version"] == 1
    for _ in range(2):
        client.delete_layer_version(LayerName=name, VersionNumber=1)
    assert layers.publish(client, name, layers.module(2))["Version"] == 2
    client.delete_layer_version(LayerName="nowhere", VersionNumber=1)
    missing = ("ResourceNotFoundException", "The resource you requested does not exist.")
    for number in 1, 3:
        assert refusal(client, "get_layer_version", LayerName=name, VersionNumber=number) == missing
    arn = f"arn:aws:lambda:us-east-1:000000000000:layer:{name}:1"
    assert refusal(client, "get_layer_version_by_arn", Arn=arn) == missing
    for operation in "get_layer_version", "delete_layer_version":
        for number in 0, -1:
            code, message = refusal(client, operation, LayerName=name, VersionNumber=number)
            assert code == "InvalidParameterValueException"
            assert message == "Layer Version Cannot be less than 1"


def test_lists_have_pages_and_can_be_narrowed(own_engine):
    client = own_engine().client()
    for name in "abc":
        for runtime in "python3.11", "nodejs22.x":
            layers.publish(
                client,
                name,
                layers.module(name),
                CompatibleRuntimes=[runtime],
                CompatibleArchitectures=["arm64" if name == "b" else "x86_64"],
            )
    layers.publish(client, "c", layers.module("c"))

    def found(**narrow):
        pages = client.get_paginator("list_layers").paginate(
            PaginationConfig={"PageSize": 2}, **narrow
        )
        return [
            (layer["LayerName"], layer["LatestMatchingVersion"]["Version"])
            for page in pages
            for layer in page["Layers"]
        ]

    assert found() == [("a", 2), ("b", 2), ("c", 3)]
    assert found(CompatibleRuntime="python3.11") == [("a", 1), ("b", 1), ("c", 1)]
    assert found(CompatibleArchitecture="arm64") == [("b", 2)]
    assert found(CompatibleRuntime="go1.x") == []

    def versions(**narrow):
        pages = client.get_paginator("list_layer_versions").paginate(
            LayerName="c", PaginationConfig={"PageSize": 1}, **narrow
        )
        return [version["Version"] for page in pages for version in page["LayerVersions"]]

    assert versions() == [3, 2, 1]
    assert versions(CompatibleRuntime="nodejs22.x") == [2]
    client.delete_layer_version(LayerName="c", VersionNumber=3)
    assert versions() == [2, 1]
    assert found() == [("a", 2), ("b", 2), ("c", 2)]
    assert client.list_layer_versions(LayerName="none")["LayerVersions"] == []


def test_runtimes_and_architectures_that_there_are_not(unchecked, names):
    code, message = refusal(
        unchecked,
        "publish_layer_version",
        LayerName=next(names),
        Content={"ZipFile": layers.module(1)},
        CompatibleRuntimes=["cobol", "nodejs20.x"],
        CompatibleArchitectures=["mips"],
    )
    assert code == "ValidationException"
    assert message.startswith(
        "2 validation errors detected: Value '[cobol, nodejs20.x]' at 'compatibleRuntimes' failed "
        "to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, "
    )
    assert "; Value '[mips]' at 'compatibleArchitectures' failed" in message
    code, message = refusal(unchecked, "list_layers", CompatibleRuntime="cobol")
    assert code == "ValidationException"
    assert message.startswith("1 validation error detected: Value 'cobol' at 'compatibleRuntime'")


def test_which_layers_a_function_may_have(client, names, layer):
    name, archive = next(names), functions.python(layers.ASK)
    one, other = next(names), layer(layers.module("other"))
    first, second = (
        layers.publish(client, one, layers.module(n))["LayerVersionArn"] for n in (1, 2)
    )

    def refused(*arns):
        arguments = functions.create_arguments(name, archive, Layers=list(arns))
        code, message = refusal(client, "create_function", **arguments)
        assert code == "InvalidParameterValueException"
        return message

    same = (
        "Two different versions of the same layer are not allowed to be referenced in the same "
        "function. {} and {} are versions of the same layer."
    )
    assert refused(first, other, second) == same.format(first, second)
    assert refused(first, first) == same.format(first, first)
    missing = first[:-1] + "9"
    assert refused(other, missing) == f"Layer version {missing} does not exist."
    assert refused(*[other] * 6) == "Cannot reference more than 5 layers."
    assert refused(first.replace("us-east-1", "eu-west-1")) == (
        "Layers are not in the same region as the function. Layers are expected to be in region "
        "us-east-1."
    )
    foreign = first.replace("000000000000", "123456789012")
    arguments = functions.create_arguments(name, archive, Layers=[foreign])
    assert refusal(client, "create_function", **arguments) == (
        "AccessDeniedException",
        "User: arn:aws:iam::000000000000:root is not authorized to perform: "
        f"lambda:GetLayerVersion on resource: {foreign} because no resource-based policy allows "
        "the lambda:GetLayerVersion action",
    )
    assert refusal(client, "get_function", FunctionName=name)[0] == "ResourceNotFoundException"


def test_what_is_too_large_is_refused(client, deploy, layer, names):
    code, message = refusal(
        client,
        "publish_layer_version",
        LayerName=next(names),
        Content={"ZipFile": large(LIMIT)},
    )
    assert code == "InvalidParameterValueException"
    assert message == f"Unzipped size must be smaller than {LIMIT} bytes"
    # Half as large each, so that one and the code fit, and both do not.
    half = LIMIT // 2
    one, two = layer(large(half)), layer(large(half + 1))
    name = deploy()

    def refused(*arns):
        return refusal(
            client, "update_function_configuration", FunctionName=name, Layers=list(arns)
        )

    too_much = f"Layers consume more than the available size of {LIMIT} bytes"
    assert refused(one, two) == ("InvalidParameterValueException", too_much)
    arguments = functions.create_arguments(next(names), large(half), Layers=[two])
    code, message = refusal(client, "create_function", **arguments)
    assert code == "InvalidParameterValueException"
    assert message == (
        f"Function code combined with layers exceeds the maximum allowed size of {LIMIT} bytes. "
        f"The actual size is {LIMIT + 1} bytes."
    )
    client.update_function_configuration(FunctionName=name, Layers=[two])
    functions.wait_updated(client, name)
    code, message = refusal(
        client, "update_function_code", FunctionName=name, ZipFile=large(half)
    )
    assert message.endswith(f"The actual size is {LIMIT + 1} bytes.")
    assert functions.invoke(client, name, "still").value == "still"


@pytest.mark.parametrize("archive", [b"", functions.package({})], ids=["nothing", "no entries"])
def test_what_holds_nothing_is_refused(client, names, archive):
    empty = ("InvalidParameterValueException", "Uploaded file must be a non-empty zip")
    content = {"ZipFile": archive}
    layer = {"LayerName": next(names), "Content": content}
    assert refusal(client, "publish_layer_version", **layer) == empty
    function = functions.create_arguments(next(names), archive)
    assert refusal(client, "create_function", **function) == empty


@pytest.mark.parametrize(
    "archive",
    [b"no zip", functions.package({"../evil": ""}), functions.package({"/etc/evil": ""})],
    ids=["no zip", "traversal", "absolute"],
)
def test_what_cannot_be_unpacked_is_refused(client, names, archive):
    assert refusal(
        client, "publish_layer_version", LayerName=next(names), Content={"ZipFile": archive}
    ) == (
        "InvalidParameterValueException",
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    )


def test_policies(client, names):
    name = next(names)
    arn = layers.publish(client, name, layers.module(1))["LayerVersionArn"]
    version = {"LayerName": name, "VersionNumber": 1}
    share = {**version, "Action": "lambda:GetLayerVersion"}
    none = ("ResourceNotFoundException", "No policy is associated with the given resource.")
    assert refusal(client, "get_layer_version_policy", **version) == none

    one = client.add_layer_version_permission(**share, StatementId="one", Principal="*")
    assert json.loads(one["Statement"]) == {
        "Sid": "one",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "lambda:GetLayerVersion",
        "Resource": arn,
    }
    two = client.add_layer_version_permission(
        **share,
        StatementId="two",
        Principal="123456789012",
        OrganizationId="o-a1b2c3d4e5",
        RevisionId=one["RevisionId"],
    )
    statement = json.loads(two["Statement"])
    assert statement["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}

    policy = client.get_layer_version_policy(**version)
    assert policy["RevisionId"] == two["RevisionId"] != one["RevisionId"]
    document = json.loads(policy["Policy"])
    assert (document["Version"], document["Id"]) == ("2012-10-17", "default")
    assert [statement["Sid"] for statement in document["Statement"]] == ["one", "two"]

    add, remove = "add_layer_version_permission", "remove_layer_version_permission"
    assert refusal(client, add, **share, StatementId="one", Principal="*") == (
        "ResourceConflictException",
        "The statement id (one) provided already exists. Please provide a new statement id, or "
        "remove the existing statement.",
    )
    stale = {"RevisionId": one["RevisionId"]}
    mismatch = (
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy "
        "API to retrieve the latest Revision Id",
    )
    assert refusal(client, add, **share, StatementId="3", Principal="*", **stale) == mismatch
    assert refusal(client, remove, **version, StatementId="two", **stale) == mismatch
    assert refusal(client, remove, **version, StatementId="three") == (
        "ResourceNotFoundException",
        "Statement three is not found in resource policy.",
    )
    for statement in "one", "two":
        client.remove_layer_version_permission(**version, StatementId=statement)
    assert refusal(client, "get_layer_version_policy", **version) == none


def test_another_account_needs_a_policy(engine, client, names):
    name, mine = next(names), functions.python(layers.ASK)
    # Twelve digits as an access key id choose the account.
    other = boto3.client(
        "lambda",
        endpoint_url=engine.endpoint,
        region_name="us-east-1",
        aws_access_key_id="123456789012",
        aws_secret_access_key="any",
    )
    arn = layers.publish(client, name, layers.module("shared"))["LayerVersionArn"]
    version = {"LayerName": name, "VersionNumber": 1}
    share = {**version, "Action": "lambda:GetLayerVersion", "StatementId": "s"}
    arguments = functions.create_arguments(name, mine, Layers=[arn])

    for operation in "get_layer_version_by_arn", "create_function":
        given = {"Arn": arn} if "arn" in operation else arguments
        code, message = refusal(other, operation, **given)
        assert code == "AccessDeniedException"
        assert message.startswith("User: arn:aws:iam::123456789012:root is not authorized")
    client.add_layer_version_permission(**share, Principal="210987654321")
    assert refusal(other, "create_function", **arguments)[0] == "AccessDeniedException"
    client.remove_layer_version_permission(**version, StatementId="s")

    client.add_layer_version_permission(**share, Principal="123456789012")
    assert other.get_layer_version_by_arn(Arn=arn)["LayerVersionArn"] == arn
    other.create_function(**arguments)
    functions.wait_active(other, name)
    # What a function has it keeps.
    client.remove_layer_version_permission(**version, StatementId="s")
    client.delete_layer_version(**version)
    assert functions.invoke(other, name).value == "shared"
    # A policy lets others use a layer, not change it.
    layer_arn = arn.rpartition(":")[0]
    code, message = refusal(other, "delete_layer_version", LayerName=layer_arn, VersionNumber=1)
    assert code == "AccessDeniedException"
    assert "lambda:DeleteLayerVersion" in message
    other.delete_function(FunctionName=name)


def test_policies_of_layers_that_there_are_not(client, unchecked, names):
    name = next(names)
    layers.publish(client, name, layers.module(1))
    for layer, number in (name, 2), (f"{name}-none", 1):
        version = {"LayerName": layer, "VersionNumber": number}
        arn = f"arn:aws:lambda:us-east-1:000000000000:layer:{layer}:{number}"
        missing = ("ResourceNotFoundException", f"Layer version {arn} does not exist.")
        share = {"StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": "*"}
        assert refusal(client, "add_layer_version_permission", **version, **share) == missing
        assert refusal(client, "get_layer_version_policy", **version) == missing
        removal = {**version, "StatementId": "s"}
        assert refusal(client, "remove_layer_version_permission", **removal) == missing
    code, message = refusal(
        unchecked,
        "add_layer_version_permission",
        LayerName=name,
        VersionNumber=1,
        StatementId="s",
        Action="*",
        Principal="*",
    )
    assert (code, message) == (
        "ValidationException",
        "1 validation error detected: Value '*' at 'action' failed to satisfy constraint: Member "
        "must satisfy regular expression pattern: lambda:GetLayerVersion",
    )


def test_a_session_of_the_aws_cli(aws_cli, client, names, tmp_path):
    name = next(names)
    (tmp_path / "layer.zip").write_bytes(layers.module("cli"))
    (tmp_path / "code.zip").write_bytes(functions.python(layers.ASK))

    aws = aws_cli("lambda")
    published = aws(
        "publish-layer-version", "--layer-name", name, "--zip-file", "fileb://layer.zip",
        "--compatible-runtimes", functions.RUNTIME, "--license-info", "Apache-2.0",
    )  # fmt: skip
    aws(
        "create-function", "--function-name", name, "--runtime", functions.RUNTIME,
        "--handler", "main.handler", "--role", functions.ROLE, "--zip-file", "fileb://code.zip",
        "--layers", published["LayerVersionArn"],
    )  # fmt: skip
    functions.wait_active(client, name)
    assert functions.invoke(client, name).value == "cli"
    listed = aws("list-layers", "--compatible-runtime", functions.RUNTIME)["Layers"]
    assert name in [layer["LayerName"] for layer in listed]
    aws("delete-layer-version", "--layer-name", name, "--version-number", "1")
    assert client.list_layer_versions(LayerName=name)["LayerVersions"] == []
    client.delete_function(FunctionName=name)
