"""Layers: published, listed, attached, merged at /opt, deleted, shared."""

import functools
import hashlib
import io
import json
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import boto3
import pytest

from support import functions
from support.waiting import eventually

AWS = Path(sys.executable).parent / "aws"
LIMIT = 262_144_000

# Answers with what the module of a layer says.
ASK_LAYER = """
    import shared

    def handler(event, context):
        return shared.WHO
"""


def module(who):
    """A layer with a Python module that says whose it is."""
    return functions.package({"python/shared.py": f"WHO = {who!r}\n"})


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


def publish(client, name, archive, **more):
    """Publishes a layer version."""
    return client.publish_layer_version(LayerName=name, Content={"ZipFile": archive}, **more)


@pytest.fixture
def layer(client, names):
    """Publishes a layer of its own and returns the version's ARN."""
    return lambda archive, **more: publish(client, next(names), archive, **more)["LayerVersionArn"]


def refusal(client, operation, **arguments):
    """The code and message with which a call is refused."""
    with pytest.raises(client.exceptions.ClientError) as refused:
        getattr(client, operation)(**arguments)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_what_is_published_is_shown(client, names):
    name, archive = next(names), module("me")
    published = publish(
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
    second = publish(client, arn, archive)
    assert (second["Version"], second["Description"]) == (2, "")
    assert "LicenseInfo" not in second


def test_numbers_are_given_once(client, names):
    name = next(names)
    assert publish(client, name, module(1))["Version"] == 1
    for _ in range(2):
        client.delete_layer_version(LayerName=name, VersionNumber=1)
    assert publish(client, name, module(2))["Version"] == 2
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
            publish(
                client,
                name,
                module(name),
                CompatibleRuntimes=[runtime],
                CompatibleArchitectures=["arm64" if name == "b" else "x86_64"],
            )
    publish(client, "c", module("c"))

    def layers(**narrow):
        pages = client.get_paginator("list_layers").paginate(
            PaginationConfig={"PageSize": 2}, **narrow
        )
        return [
            (layer["LayerName"], layer["LatestMatchingVersion"]["Version"])
            for page in pages
            for layer in page["Layers"]
        ]

    assert layers() == [("a", 2), ("b", 2), ("c", 3)]
    assert layers(CompatibleRuntime="python3.11") == [("a", 1), ("b", 1), ("c", 1)]
    assert layers(CompatibleArchitecture="arm64") == [("b", 2)]
    assert layers(CompatibleRuntime="go1.x") == []

    def versions(**narrow):
        pages = client.get_paginator("list_layer_versions").paginate(
            LayerName="c", PaginationConfig={"PageSize": 1}, **narrow
        )
        return [version["Version"] for page in pages for version in page["LayerVersions"]]

    assert versions() == [3, 2, 1]
    assert versions(CompatibleRuntime="nodejs22.x") == [2]
    client.delete_layer_version(LayerName="c", VersionNumber=3)
    assert versions() == [2, 1]
    assert layers() == [("a", 2), ("b", 2), ("c", 2)]
    assert client.list_layer_versions(LayerName="none")["LayerVersions"] == []


def test_runtimes_and_architectures_that_there_are_not(unchecked, names):
    code, message = refusal(
        unchecked,
        "publish_layer_version",
        LayerName=next(names),
        Content={"ZipFile": module(1)},
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


def test_a_module_of_a_layer_is_imported(deploy, layer, client):
    first, second = layer(module("first")), layer(module("second"))
    name = deploy(ASK_LAYER, Layers=[first])
    assert functions.invoke(client, name).value == "first"
    shown = client.get_function_configuration(FunctionName=name)["Layers"]
    assert shown == [{"Arn": first, "CodeSize": len(module("first"))}]

    def update(layers):
        client.update_function_configuration(FunctionName=name, Layers=layers)
        functions.wait_updated(client, name)
        return functions.invoke(client, name)

    # The later one wins, whichever was published later.
    assert update([first, second]).value == "second"
    assert update([second, first]).value == "first"
    assert update([]).payload["errorType"] == "Runtime.ImportModuleError"
    assert "Layers" not in client.get_function_configuration(FunctionName=name)


def test_layers_are_merged_file_by_file(deploy, layer, client):
    source = """
        import os
        import shared, other

        def handler(event, context):
            folder = os.path.dirname(os.path.dirname(shared.__file__))
            found = {}
            for base, _, names in os.walk(folder):
                for name in names:
                    path = os.path.join(base, name)
                    with open(path) as file:
                        found[os.path.relpath(path, folder)] = file.read()
            return found
    """
    one = {"python/shared.py": "1", "data/both": "1", "data/one": "1", "thing": "1"}
    two = {"python/other.py": "2", "data/both": "2", "data/two": "2", "thing/inside": "2"}
    name = deploy(source, Layers=[layer(functions.package(one)), layer(functions.package(two))])
    merged = functions.invoke(client, name).value
    assert merged == {
        "python/shared.py": "1",
        "python/other.py": "2",
        "data/both": "2",
        "data/one": "1",
        "data/two": "2",
        "thing/inside": "2",
    }


def test_site_packages_and_programs_are_on_their_paths(deploy, layer, client):
    site = functions.RUNTIME.replace("python", "python/lib/python") + "/site-packages"
    archive = functions.package(
        {f"{site}/shared.py": "WHO = 'site'\n", "bin/greet": "#!/bin/sh\necho hello $1\n"}
    )
    source = """
        import shared, subprocess

        def handler(event, context):
            run = subprocess.run(["greet", event], capture_output=True, text=True, check=True)
            return [shared.WHO, run.stdout]
    """
    name = deploy(source, Layers=[layer(archive)])
    assert functions.invoke(client, name, "you").value == ["site", "hello you\n"]


BOOTSTRAP = """\
#!{python} -S
import os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    event = urllib.request.urlopen(api + "next")
    answer = api + event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response"
    urllib.request.urlopen(answer, data=b'"from a layer: ' + event.read()[1:])
"""


def test_a_runtime_and_a_wrapper_may_come_from_layers(deploy, layer, client):
    bootstrap = BOOTSTRAP.format(python=sys.executable)
    custom = {"Runtime": "provided.al2023", "Handler": "none"}
    name = deploy(Layers=[layer(functions.package({"bootstrap": bootstrap}))], **custom)
    assert functions.invoke(client, name, "hello").value == "from a layer: hello"

    wrapper = '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n'
    source = """
        import os

        def handler(event, context):
            return os.environ["WRAPPED"]
    """
    name = deploy(
        source,
        Layers=[layer(functions.package({"wrapper": wrapper}))],
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}},
    )
    assert functions.invoke(client, name).value == "yes"


def test_the_functions_own_module_goes_before_the_layers(deploy, layer, client):
    archive = functions.package({"main.py": ASK_LAYER, "shared.py": "WHO = 'own'\n"})
    name = deploy(archive, Layers=[layer(module("layer"))])
    assert functions.invoke(client, name).value == "own"


def test_a_published_version_keeps_its_layers(deploy, layer, client):
    name = deploy(ASK_LAYER, Layers=[layer(module("old"))])
    assert client.publish_version(FunctionName=name)["Version"] == "1"
    client.update_function_configuration(FunctionName=name, Layers=[layer(module("new"))])
    functions.wait_updated(client, name)
    assert functions.invoke(client, name).value == "new"
    assert functions.invoke(client, name, Qualifier="1").value == "old"


def kept(engine):
    """The digests of the packages that lie on the engine's disk, zipped or unpacked."""
    blobs = engine.data_dir / "blobs"
    zipped = {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in blobs.rglob("*")
        if path.is_file() and path.relative_to(blobs).parts[0] != "tmp"
    }
    return zipped | {path.name for path in (engine.data_dir / "code").iterdir() if path.is_dir()}


def test_a_deleted_layer_goes_on_working(own_engine):
    engine = own_engine()
    client, name = engine.client(), f"{engine.mark}-deleted"
    arns = [
        publish(client, who, module(who))["LayerVersionArn"] for who in ("under", "over")
    ]
    arguments = functions.create_arguments(name, functions.python(ASK_LAYER), Layers=arns)
    client.create_function(**arguments)
    functions.wait_active(client, name)
    for who in "under", "over":
        client.delete_layer_version(LayerName=who, VersionNumber=1)
    assert functions.invoke(client, name).value == "over"
    # It may not be attached any more.
    again = {**arguments, "FunctionName": f"{name}-2"}
    assert refusal(client, "create_function", **again) == (
        "InvalidParameterValueException",
        f"Layer version {arns[0]} does not exist.",
    )
    # But a function keeps it over an update and a restart.
    client.update_function_configuration(FunctionName=name, Timeout=9)
    functions.wait_updated(client, name)
    assert functions.invoke(client, name).value == "over"
    engine.kill()
    engine.start()
    client = engine.client()
    assert functions.invoke(client, name).value == "over"
    configuration = client.get_function_configuration(FunctionName=name)
    assert [layer["Arn"] for layer in configuration["Layers"]] == arns
    # Nothing is kept for nobody.
    assert hashlib.sha256(module("under")).hexdigest() in kept(engine)
    client.delete_function(FunctionName=name)
    eventually(lambda: not kept(engine), "no package is kept")


def test_what_is_merged_goes_with_its_function(own_engine):
    engine = own_engine()
    client, name = engine.client(), f"{engine.mark}-merged"
    code, packages = functions.python(ASK_LAYER), [module("a"), module("b")]
    arns = [
        publish(client, who, package)["LayerVersionArn"] for who, package in zip("ab", packages)
    ]
    client.create_function(**functions.create_arguments(name, code, Layers=arns))
    functions.wait_active(client, name)
    zipped = {hashlib.sha256(package).hexdigest() for package in (code, *packages)}
    assert len(kept(engine) - zipped) == 1
    # Neither a deployment nor an environment holds it after a restart, and it stays all the same.
    engine.kill()
    engine.start()
    client = engine.client()
    assert functions.invoke(client, name).value == "b"
    client.update_function_configuration(FunctionName=name, Layers=arns[:1])
    functions.wait_updated(client, name)
    assert functions.invoke(client, name).value == "a"
    eventually(lambda: kept(engine) == zipped, "only packages are kept")


def test_which_layers_a_function_may_have(client, names, layer):
    name, archive = next(names), functions.python(ASK_LAYER)
    one, other = next(names), layer(module("other"))
    first, second = (publish(client, one, module(n))["LayerVersionArn"] for n in (1, 2))

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

    def refused(*layers):
        return refusal(
            client, "update_function_configuration", FunctionName=name, Layers=list(layers)
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
    arn = publish(client, name, module(1))["LayerVersionArn"]
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
    name, mine = next(names), functions.python(ASK_LAYER)
    # Twelve digits as an access key id choose the account.
    other = boto3.client(
        "lambda",
        endpoint_url=engine.endpoint,
        region_name="us-east-1",
        aws_access_key_id="123456789012",
        aws_secret_access_key="any",
    )
    arn = publish(client, name, module("shared"))["LayerVersionArn"]
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
    publish(client, name, module(1))
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


def test_a_session_of_the_aws_cli(engine, client, names, tmp_path):
    name = next(names)
    (tmp_path / "layer.zip").write_bytes(module("cli"))
    (tmp_path / "code.zip").write_bytes(functions.python(ASK_LAYER))

    def aws(*arguments):
        done = subprocess.run(
            [sys.executable, AWS, "lambda", *arguments],
            env=engine.sdk_environment(AWS_PAGER="", AWS_MAX_ATTEMPTS="1"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

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
