"""Fixtures: one engine for most tests, engines of their own for tests that kill theirs."""

import fcntl
import functools
import itertools
import os
import subprocess

import pytest

from support import functions, layers, unprivileged
from support.aws_cli import AwsCli
from support.engine import (
    BINARY,
    RUNTIMES,
    Engine,
    command_environment,
    skipping_where_functions_share_the_network,
)


@pytest.fixture(scope="session", autouse=True)
def runtimes(tmp_path_factory):
    """Installs the runtime interface clients once for all engines; the product does the work."""
    assert BINARY.exists(), f"{BINARY} is missing: build it with `cargo build -p lambdalab`"
    RUNTIMES.mkdir(parents=True, exist_ok=True)
    home = tmp_path_factory.mktemp("install")
    with open(RUNTIMES / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(
            [BINARY, "runtime", "install", functions.RUNTIME],
            env=command_environment(home),
            check=True,
        )


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    """The engine that tests share; it must end well and leave nothing."""
    engine = Engine(tmp_path_factory.mktemp("engine"))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def client(engine):
    """boto3's Lambda client for the shared engine."""
    return engine.client()


@pytest.fixture(scope="session")
def unchecked(engine):
    """The same without boto3's own validation, so that the engine's is what answers."""
    return engine.client(parameter_validation=False)


@pytest.fixture(scope="session")
def names(engine):
    """Function names that are new, and that the census finds."""
    return (f"{engine.mark}-{number}" for number in itertools.count())


@pytest.fixture
def aws_cli(engine, tmp_path):
    """Makes the AWS CLI of a service for the shared engine, in the test's own folder."""
    return functools.partial(AwsCli, engine, tmp_path)


@pytest.fixture
def deploy(client, names):
    """Creates functions, waits until they are active, deletes them after the test."""
    created = []

    def deploy(source=functions.ECHO, **more):
        archive = source if isinstance(source, bytes) else functions.python(source)
        name = more.pop("FunctionName", None) or next(names)
        client.create_function(**functions.create_arguments(name, archive, **more))
        created.append(name)
        functions.wait_active(client, name)
        return name

    yield deploy
    for name in created:
        try:
            client.delete_function(FunctionName=name)
        except client.exceptions.ResourceNotFoundException:
            pass  # the test itself was about deleting it


@pytest.fixture
def layer(client, names):
    """Publishes a layer of its own and returns the version's ARN."""

    def layer(archive):
        return layers.publish(client, next(names), archive)["LayerVersionArn"]

    return layer


@pytest.fixture(scope="module")
def echo(client, names):
    """A function that answers with its event, for tests that need just any."""
    name = next(names)
    client.create_function(**functions.create_arguments(name, functions.python(functions.ECHO)))
    functions.wait_active(client, name)
    yield name
    client.delete_function(FunctionName=name)


@pytest.fixture
def own_engine(tmp_path):
    """Starts engines for this test alone."""
    engines = []

    def start(*arguments, data_dir=None):
        engine = Engine(data_dir or tmp_path / f"data-{len(engines)}", *arguments)
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        engine.close()


AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="the tests are not root")


@pytest.fixture(scope="module", params=[pytest.param("root", marks=AS_ROOT), "user"])
def secluded(request, tmp_path_factory):
    """An engine whose functions have networks of their own: run by root, and by anybody."""
    arguments = ("--egress", "none")
    with skipping_where_functions_share_the_network():
        if request.param == "user":
            engine = unprivileged.start(tmp_path_factory, *arguments)
        else:
            engine = Engine(tmp_path_factory.mktemp("secluded"), *arguments)
    yield engine
    engine.close()
