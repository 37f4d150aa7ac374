"""Functions from container images: imported, pulled, run, changed, removed."""

import contextlib
import tarfile

import pytest
from botocore.exceptions import ClientError

from support import cloudwatch, functions, host, images
from support.waiting import eventually
from test_provided_runtime import BOOTSTRAP

SOURCE = '''
import os
import pwd

def handler(event, context):
    match event:
        case {"read": path}:
            return open(path).read()
        case {"write": path}:
            try:
                open(path, "w").close()
                return "written"
            except OSError as error:
                return type(error).__name__
    return {
        "event": event,
        "arn": context.invoked_function_arn,
        "user": pwd.getpwuid(os.getuid()).pw_name,
        "root": sorted(os.listdir("/")),
        "folder": os.getcwd(),
        "env": dict(os.environ),
    }
'''


def arguments(name, uri, **more):
    """The arguments of create_function for an image."""
    usual = functions.create_arguments(name, b"", **more)
    for member in ("Runtime", "Handler", "Code"):
        usual.pop(member)
    return {**usual, "PackageType": "Image", "Code": {"ImageUri": uri}}


def refusal(call, **members):
    """Code and message of a call that must be refused."""
    with pytest.raises(ClientError) as raised:
        call(**members)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture(scope="module", autouse=True)
def isolated(engine):
    if "not isolated" in engine.output() or "see the host" in engine.output():
        host.lacks("this host lets nothing be isolated, so that images cannot run")


@pytest.fixture(scope="module")
def python_uri(engine):
    """The URI of a function in Python."""
    return images.imported(engine, images.python(SOURCE), "python:v1")


@pytest.fixture
def deploy_image(client, names):
    """Creates functions from images, and deletes them after the test."""
    created = []

    def deploy(uri, wait=True, **more):
        name = next(names)
        client.create_function(**arguments(name, uri, **more))
        created.append(name)
        if wait:
            functions.wait_active(client, name)
        return name

    yield deploy
    for name in created:
        client.delete_function(FunctionName=name)


def test_a_function_in_python(client, deploy_image, python_uri):
    name = deploy_image(python_uri, Environment={"Variables": {"OWN": "2"}})
    seen = functions.invoke(client, name, {"a": "ä"}).value
    assert seen["event"] == {"a": "ä"}
    assert seen["arn"].endswith(f":function:{name}")
    assert seen["user"] == "sbx_user1051", "the image's user does not matter"
    assert seen["folder"] == "/app"
    assert {"app", "dev", "proc", "tmp"} <= set(seen["root"])
    assert not {"lambda-entrypoint.sh", "work", "home"} & set(seen["root"]), "the image's alone"
    env = seen["env"]
    assert (env["FROM_IMAGE"], env["OWN"]) == ("1", "2")
    assert env["PATH"] == "/usr/local/bin:/usr/bin:/bin"
    assert env["AWS_EXECUTION_ENV"] == "AWS_Lambda_Image"
    assert (env["LAMBDA_TASK_ROOT"], env["_HANDLER"]) == ("/var/task", "")
    assert "LD_LIBRARY_PATH" not in env


def test_its_root_is_read_only_and_the_hosts_files_are_not_in_it(client, deploy_image, python_uri):
    name = deploy_image(python_uri)
    attempt = lambda **what: functions.invoke(client, name, what).value
    for path in ("/here", "/app/here", "/etc/hosts", "/dev/here"):
        assert attempt(write=path) in {"OSError", "PermissionError"}, path
    assert attempt(write="/tmp/here") == "written"
    assert "localhost" in attempt(read="/etc/hosts")
    result = functions.invoke(client, name, {"read": "/etc/os-release"})
    assert result.payload["errorType"] == "FileNotFoundError"


def test_the_log_and_the_figures(client, deploy_image, python_uri):
    name = deploy_image(python_uri)
    result = functions.invoke(client, name, 1, LogType="Tail")
    assert "Init Duration" in result.log and "START RequestId" in result.log
    assert "INIT_START" not in result.log, "an image has no version of a runtime"


@pytest.fixture(scope="module")
def rust_uri(engine):
    assert BOOTSTRAP.exists(), f"{BOOTSTRAP} is missing: cargo build -p lambdalab-test-function"
    image = images.Image([images.program_layer(BOOTSTRAP)], Entrypoint=["/main"])
    return images.imported(engine, image, "rust:v1")


def test_a_program_alone(client, deploy_image, rust_uri):
    name = deploy_image(rust_uri)
    assert functions.invoke(client, name, [1]).value["event"] == [1]


def test_the_configuration_changes_how_it_is_started(client, deploy_image, python_uri):
    asked = {"Command": ["other.answer"], "WorkingDirectory": "/tmp"}
    name = deploy_image(python_uri, ImageConfig=asked)
    shown = client.get_function_configuration(FunctionName=name)
    assert shown["ImageConfigResponse"] == {"ImageConfig": asked}
    failed = functions.invoke(client, name)
    assert failed.payload["errorType"] == "Runtime.ImportModuleError"
    asked = {"EntryPoint": ["/usr/bin/python3", "-c", "import sys; sys.exit(7)"], "Command": []}
    client.update_function_configuration(FunctionName=name, ImageConfig=asked)
    functions.wait_updated(client, name)
    failed = functions.invoke(client, name)
    assert failed.payload["errorType"] == "Runtime.ExitError"
    assert failed.payload["errorMessage"].endswith("exit status 7")
    client.update_function_configuration(FunctionName=name, ImageConfig={})
    functions.wait_updated(client, name)
    assert "ImageConfigResponse" not in client.get_function_configuration(FunctionName=name)
    assert functions.invoke(client, name, 3).value["event"] == 3


@pytest.mark.parametrize(
    ("config", "kind", "message"),
    [
        ({"EntryPoint": ["/no/such"]}, "Runtime.InvalidEntrypoint",
         "fork/exec /no/such: no such file or directory"),
        ({"EntryPoint": ["nosuch"]}, "Runtime.InvalidEntrypoint",
         "fork/exec nosuch: no such file or directory"),
        ({"EntryPoint": ["/app/main.py"]}, "Runtime.InvalidEntrypoint",
         "fork/exec /app/main.py: permission denied"),
        ({"WorkingDirectory": "/none"}, "Runtime.InvalidWorkingDir",
         "the working directory doesn't exist: /none"),
        ({"WorkingDirectory": "none"}, "Runtime.InvalidWorkingDir",
         "the working directory 'none' is invalid, it needs to be an absolute path"),
    ],
)
def test_what_cannot_be_started(engine, client, deploy_image, python_uri, config, kind, message):
    name = deploy_image(python_uri, ImageConfig=config)
    failed = functions.invoke(client, name)
    assert failed.payload["errorType"] == kind
    assert failed.payload["errorMessage"].endswith(f"Error: {message}")
    logs = engine.client("logs")

    def told():
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")
            lines = cloudwatch.messages(found)
            return [line for line in lines if line.startswith("IMAGE\tLaunch error: ")]

    assert message in eventually(told, "the log says what was to be started")[0]


def test_what_is_shown(client, deploy_image, python_uri, names):
    name = next(names)
    created = client.create_function(**arguments(name, python_uri))
    assert created["State"] == "Pending"
    functions.wait_active(client, name)
    shown = client.get_function(FunctionName=name)
    digest = images.python(SOURCE).digest.removeprefix("sha256:")
    repository = python_uri.rpartition(":")[0]
    resolved = shown["Code"]["ResolvedImageUri"]
    assert shown["Code"] == {
        "RepositoryType": "ECR", "ImageUri": python_uri, "ResolvedImageUri": resolved
    }
    assert resolved.startswith(f"{repository}@sha256:")
    configuration = shown["Configuration"]
    assert configuration["PackageType"] == "Image"
    assert resolved.endswith(configuration["CodeSha256"])
    assert len(configuration["CodeSha256"]) == len(digest), "as registries write it"
    assert not {"Runtime", "Handler", "Layers", "RuntimeVersionConfig"} & set(configuration)
    by_digest = deploy_image(resolved)
    assert functions.invoke(client, by_digest, 1).value["event"] == 1
    client.delete_function(FunctionName=name)


def test_what_is_refused(client, unchecked, python_uri, names, echo):
    create, name = unchecked.create_function, next(names)
    invalid = "InvalidParameterValueException"
    for uri, why in [
        ("python:v1", "is not valid"),
        (python_uri.rpartition(":")[0], "is not valid"),
        (python_uri + "-none", "does not exist"),
    ]:
        expected = (invalid, f"Source image {uri} {why}. Provide a valid source image.")
        assert refusal(create, **arguments(name, uri)) == expected
    for more in ({"Handler": "main.handler"}, {"Runtime": "python3.12"}):
        assert refusal(create, **{**arguments(name, python_uri), **more}) == (
            invalid,
            "Please don't provide Handler or Runtime or Layer when the intended function "
            "PackageType is Image.",
        )
    code, message = refusal(unchecked.update_function_code, FunctionName=echo, ImageUri=python_uri)
    assert message == "Please don't provide ImageUri when updating a function with packageType Zip."
    with pytest.raises(ClientError):
        client.get_function(FunctionName=name)


def test_an_update_to_another_image_and_back(engine, client, deploy_image, rust_uri, python_uri):
    name = deploy_image(rust_uri)
    version = client.publish_version(FunctionName=name)["Version"]
    code, message = refusal(
        client.update_function_code, FunctionName=name, ZipFile=functions.python(functions.ECHO)
    )
    assert message == "Please provide ImageUri when updating a function with packageType Image."
    client.update_function_code(FunctionName=name, ImageUri=python_uri)
    functions.wait_updated(client, name)
    assert "root" in functions.invoke(client, name).value
    of_version = functions.invoke(client, name, 1, Qualifier=version)
    assert "request_id" in of_version.value, "a version keeps its image"
    code = client.get_function(FunctionName=name, Qualifier=version)["Code"]
    assert code["ImageUri"] == rust_uri


def test_a_tag_that_moves_on_moves_no_function(engine, client, deploy_image):
    def answering(word):
        return images.python(f"def handler(event, context):\n    return {word!r}\n")

    uri = images.imported(engine, answering("old"), "moving:latest")
    name = deploy_image(uri)
    assert images.imported(engine, answering("new"), "moving:latest") == uri
    assert functions.invoke(client, name).value == "old"
    client.update_function_code(FunctionName=name, ImageUri=uri)
    functions.wait_updated(client, name)
    assert functions.invoke(client, name).value == "new"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda layer: layer.file("../../evil", "x"), "leads out of the image"),
        (lambda layer: layer.entry("x", tarfile.LNKTYPE, linkname="../etc/shadow"), "leads out"),
        (lambda layer: layer.link("x", "/none").file("x/y", ""), "x/y"),
    ],
)
def test_a_layer_that_cannot_be_unpacked(engine, client, deploy_image, spoil, why):
    image = images.Image([spoil(images.Layer({"a": "1"}))], Entrypoint=["/a"])
    name = deploy_image(images.imported(engine, image, "evil:latest"), wait=False)

    def settled():
        shown = client.get_function_configuration(FunctionName=name)
        return shown if shown["State"] != "Pending" else None

    shown = eventually(settled, "the function is settled")
    assert (shown["State"], shown["StateReasonCode"]) == ("Failed", "InvalidImage"), shown
    assert "UnsupportedImageLayerDetected - Layer Digest sha256:" in shown["StateReason"]
    assert why in shown["StateReason"]


def test_an_image_is_pulled_from_a_registry(engine, client, unchecked, deploy_image, names):
    image = images.python(SOURCE)
    with images.Registry({"v1": image}) as registry:
        uri = f"{registry.host}/team/echo:v1"
        name = deploy_image(uri)
        assert functions.invoke(client, name, 5).value["event"] == 5
        code = client.get_function(FunctionName=name)["Code"]
        assert code["ResolvedImageUri"] == f"{registry.host}/team/echo@{image.digest}"
        missing = f"{registry.host}/team/echo:v2"
        assert refusal(client.create_function, **arguments(next(names), missing))[1] == (
            f"Source image {missing} does not exist. Provide a valid source image."
        )
    # Nobody is asked any more for what is here.
    assert functions.invoke(client, name, 6).value["event"] == 6


def test_a_function_does_not_send_the_engine_to_registries(client, deploy):
    source = """
        import boto3

        def handler(event, context):
            try:
                boto3.client("lambda").create_function(**event)
            except Exception as error:
                return str(error)
    """
    name = deploy(source)
    with images.Registry({"v1": images.python(SOURCE)}) as registry:
        event = arguments("sent", f"{registry.host}/echo:v1")
        told = functions.invoke(client, name, event).value
    assert "AccessDeniedException" in told and "is not pulled for this caller" in told


def test_the_commands(engine, tmp_path):
    image = images.Image([images.Layer({"a": "1"})], Entrypoint=["/a"])
    image.layout(tmp_path / "layout")
    (entry,) = images.command(engine, "import", tmp_path / "layout", "--name", "team/folder")
    uri = "000000000000.dkr.ecr.us-east-1.localhost/team/folder:latest"
    assert (entry["image_uri"], entry["digest"]) == (uri, image.digest)
    (tmp_path / "saved.tar").write_bytes(image.saved())
    full = "111111111111.dkr.ecr.eu-west-1.amazonaws.com/team/file:v1"
    images.command(engine, "import", tmp_path / "saved.tar", "--name", full)
    assert {uri, full} <= {entry["image_uri"] for entry in images.command(engine, "list")}
    images.command(engine, "remove", "team/folder:latest")
    images.command(engine, "remove", full)
    assert not {uri, full} & {entry["image_uri"] for entry in images.command(engine, "list")}
    told = images.command(engine, "remove", full, code=1)
    assert "there is no image of this name" in told
    told = images.command(engine, "import", "-", "--name", "x", stdin=b"nonsense" * 99, code=1)
    assert "not an archive of a container image" in told
    told = images.command(engine, "import", tmp_path, "--name", "x", code=2)
    assert "not an OCI image layout" in told


def test_the_commands_use_the_engine_that_is_named(engine, tmp_path):
    run = lambda *arguments, **more: images.run(engine, *arguments, home=tmp_path / "home", **more)
    archive = images.Image([images.Layer({"a": "1"})], Entrypoint=["/a"]).archive()
    imported = run("import", "-", "--name", "named:v1", stdin=archive, AWS_ENDPOINT_URL=engine.endpoint)
    assert imported.returncode == 0, imported
    assert f"target: endpoint {engine.endpoint} " in imported.stderr.decode()
    listed = run("list", "--endpoint-url", engine.endpoint)
    assert "/named:v1" in listed.stdout.decode() and engine.endpoint in listed.stderr.decode()
    removed = run("remove", "named:v1", "--endpoint-url", engine.endpoint)
    assert removed.returncode == 0, removed
    assert not (tmp_path / "home").exists(), "no other engine was started"


def test_the_commands_refuse_targets_without_images(engine, tmp_path):
    run = lambda *arguments, **more: images.run(engine, *arguments, home=tmp_path / "home", **more)
    refused = lambda done, code, words: done.returncode == code and words in done.stderr.decode()
    aws, elsewhere = run("list", "--target", "aws"), "https://lambda.us-east-1.amazonaws.com"
    assert refused(aws, 2, "and AWS is none"), aws
    named = run("list", AWS_ENDPOINT_URL=elsewhere)
    assert refused(named, 2, f"and {elsewhere} is none"), named
    for arguments in [("list",), ("remove", "x:v1")]:
        nobody = run(*arguments)
        assert refused(nobody, 4, "no engine runs for"), nobody
    with images.Registry({}) as other:
        archive = images.Image([], Entrypoint=["/a"]).archive()
        address = f"http://{other.host}"
        foreign = run("import", "-", "--name", "x", "--endpoint-url", address, stdin=archive)
        assert refused(foreign, 4, "is another program listening there?"), foreign
    assert not (tmp_path / "home").exists(), "nothing was started"


@pytest.mark.parametrize("name", ["Bad Name", "Upper:v1", "a&b", "", "a:b c", "registry.example/:v1"])
def test_a_name_that_no_image_can_have(engine, tmp_path, name):
    for arguments in [("import", "-", "--name", name), ("remove", name)]:
        done = images.run(engine, *arguments, home=tmp_path / "home")
        assert done.returncode == 2, done
        assert "repository:tag" in done.stderr.decode(), done
    assert not (tmp_path / "home").exists(), "nothing was started"


def test_a_restart_keeps_images_and_a_deletion_sweeps_them(own_engine):
    engine = own_engine()
    uri = images.imported(engine, images.python(SOURCE), "kept:v1")
    engine.client().create_function(**arguments("kept", uri))
    functions.wait_active(engine.client(), "kept")
    engine.stop()
    engine.start()
    client = engine.client()
    assert functions.invoke(client, "kept", 1).value["event"] == 1
    images.command(engine, "remove", uri)
    assert functions.invoke(client, "kept", 2).value["event"] == 2, "a function uses it"
    client.delete_function(FunctionName="kept")
    left = lambda: [*(engine.data_dir / "images/roots").iterdir()] + [
        blob for blob in (engine.data_dir / "images/blobs").glob("*/*") if blob.is_file()
    ]
    eventually(lambda: not left(), "nothing is left of an image that nobody needs")


def test_without_isolation_images_are_refused(own_engine):
    engine = own_engine("--isolation", "none")
    uri = images.imported(engine, images.Image([], Entrypoint=["/a"]), "none:v1")
    code, message = refusal(engine.client().create_function, **arguments("none", uri))
    assert code == "InvalidParameterValueException"
    assert "lambdalab doctor" in message
