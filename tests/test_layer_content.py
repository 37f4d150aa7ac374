"""What layers bring to functions: content merged at /opt, for as long as somebody has it."""

import hashlib
import shutil
import sys

import pytest

from support import functions, layers, runtimes
from support.layers import refusal
from support.waiting import eventually

NODE = next(iter(runtimes.exact("nodejs")), None)


def test_a_module_of_a_layer_is_imported(deploy, layer, client):
    first, second = layer(layers.module("first")), layer(layers.module("second"))
    name = deploy(layers.ASK, Layers=[first])
    assert functions.invoke(client, name).value == "first"
    shown = client.get_function_configuration(FunctionName=name)["Layers"]
    assert shown == [{"Arn": first, "CodeSize": len(layers.module("first"))}]

    def update(arns):
        client.update_function_configuration(FunctionName=name, Layers=arns)
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
    # Of the host's interpreters an isolated function sees only those of the system.
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin") or sys.executable
    bootstrap = BOOTSTRAP.format(python=python)
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


@pytest.mark.skipif(NODE is None, reason="no Node on this machine")
def test_a_package_of_a_layer_is_required(deploy, layer, client):
    runtime = runtimes.install(NODE)
    package = functions.package(
        {"nodejs/node_modules/shared/index.js": "module.exports = 'a package of a layer'\n"}
    )
    source = "exports.handler = async () => require('shared')\n"
    archive = functions.package({"index.js": source})
    name = deploy(archive, Runtime=runtime, Handler="index.handler", Layers=[layer(package)])
    assert functions.invoke(client, name).value == "a package of a layer"


def test_the_functions_own_module_goes_before_the_layers(deploy, layer, client):
    archive = functions.package({"main.py": layers.ASK, "shared.py": "WHO = 'own'\n"})
    name = deploy(archive, Layers=[layer(layers.module("layer"))])
    assert functions.invoke(client, name).value == "own"


def test_a_published_version_keeps_its_layers(deploy, layer, client):
    name = deploy(layers.ASK, Layers=[layer(layers.module("old"))])
    assert client.publish_version(FunctionName=name)["Version"] == "1"
    client.update_function_configuration(FunctionName=name, Layers=[layer(layers.module("new"))])
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
        layers.publish(client, who, layers.module(who))["LayerVersionArn"]
        for who in ("under", "over")
    ]
    arguments = functions.create_arguments(name, functions.python(layers.ASK), Layers=arns)
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
    assert hashlib.sha256(layers.module("under")).hexdigest() in kept(engine)
    client.delete_function(FunctionName=name)
    eventually(lambda: not kept(engine), "no package is kept")


def test_what_is_merged_goes_with_its_function(own_engine):
    engine = own_engine()
    client, name = engine.client(), f"{engine.mark}-merged"
    code, packages = functions.python(layers.ASK), [layers.module("a"), layers.module("b")]
    arns = [
        layers.publish(client, who, package)["LayerVersionArn"]
        for who, package in zip("ab", packages)
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
