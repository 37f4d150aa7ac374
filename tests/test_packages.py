"""What becomes of packages on the engine's disk: the current one lies there, and nothing else."""

import hashlib
import io
import stat
import zipfile

import pytest

from support import functions
from support.waiting import eventually


def generation(number):
    return functions.python(f"def handler(event, context):\n    return {number}\n")


def digest(archive):
    return hashlib.sha256(archive).hexdigest()


def kept(engine):
    """The content of every blob, by its digest, apart from what is being written."""
    blobs = engine.data_dir / "blobs"
    return {
        digest(path.read_bytes())
        for path in blobs.rglob("*")
        if path.is_file() and path.relative_to(blobs).parts[0] != "tmp"
    }


def unpacked(engine):
    """The folders of unpacked packages, by name; drafts count."""
    return {path.name for path in (engine.data_dir / "code").iterdir() if path.is_dir()}


def eventually_only(engine, *archives):
    wanted = {digest(archive) for archive in archives}
    eventually(
        lambda: kept(engine) == wanted and unpacked(engine) == wanted,
        f"only {wanted} is kept",
    )


def test_only_what_is_needed_is_kept(own_engine):
    engine = own_engine()
    client, name = engine.client(), f"{engine.mark}-kept"
    client.create_function(**functions.create_arguments(name, generation(0)))
    functions.wait_active(client, name)
    for number in range(1, 4):
        client.update_function_code(FunctionName=name, ZipFile=generation(number))
        functions.wait_updated(client, name)
        assert functions.invoke(client, name).value == number
    for number in (10, 11):
        with pytest.raises(client.exceptions.ResourceConflictException):
            client.create_function(**functions.create_arguments(name, generation(number)))
    dry = client.update_function_code(FunctionName=name, ZipFile=generation(12), DryRun=True)
    assert dry["CodeSha256"] == functions.code_sha256(generation(12))
    eventually_only(engine, generation(3))
    assert functions.invoke(client, name).value == 3
    # What was removed may come back.
    client.update_function_code(FunctionName=name, ZipFile=generation(1))
    functions.wait_updated(client, name)
    assert functions.invoke(client, name).value == 1
    eventually_only(engine, generation(1))
    client.delete_function(FunctionName=name)
    eventually_only(engine)


def test_a_published_version_and_another_function_keep_theirs(own_engine):
    engine = own_engine()
    client = engine.client()
    names = [f"{engine.mark}-{letter}" for letter in "ab"]
    for name in names:
        client.create_function(**functions.create_arguments(name, generation(0)))
        functions.wait_active(client, name)
    client.publish_version(FunctionName=names[0])
    for number, name in enumerate(names, 1):
        client.update_function_code(FunctionName=name, ZipFile=generation(number))
        functions.wait_updated(client, name)
    eventually_only(engine, generation(0), generation(1), generation(2))
    assert functions.invoke(client, names[0], Qualifier="1").value == 0
    client.delete_function(FunctionName=names[0])
    eventually_only(engine, generation(2))
    assert functions.invoke(client, names[1]).value == 2


def test_what_a_crash_left_is_removed_at_the_next_start(own_engine):
    engine = own_engine()
    client, name = engine.client(), f"{engine.mark}-crash"
    client.create_function(**functions.create_arguments(name, generation(0)))
    functions.wait_active(client, name)
    engine.kill()
    orphan = generation(99)
    blob = engine.data_dir / "blobs" / digest(orphan)[:2] / digest(orphan)[2:]
    blob.parent.mkdir(exist_ok=True)
    blob.write_bytes(orphan)
    (engine.data_dir / "code" / f"{digest(orphan)}-1.new").mkdir()
    engine.start()
    eventually_only(engine, generation(0))
    assert functions.invoke(engine.client(), name).value == 0


SPY = """
    import os

    def handler(event, context):
        with open(os.path.join(os.environ["LAMBDA_TASK_ROOT"], "out")) as file:
            return file.read()
"""


def with_links(links):
    """A package with links of name → target, and a folder `one` to put some into."""
    buffer = io.BytesIO(functions.package({"main.py": SPY, "one/file": "inside"}))
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, target in links.items():
            entry = zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0))
            entry.create_system = 3  # the Unix kind, which knows links
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, target)
    return buffer.getvalue()


# Read as text each of these stays inside. But `one/two` is the package's own root, and what is
# above that is outside.
BY_WAY_OF_OTHERS = {
    "to a folder": {"one/two": "..", "out": "one/two/.."},
    "to a file": {"one/two": "..", "out": "one/two/../../witness"},
    "over two of them": {"one/two": "..", "one/three": "two/..", "out": "one/three/../witness"},
    "to what comes later": {"one/two": "..", "out": "one/two/../../later"},
}


@pytest.mark.parametrize("links", BY_WAY_OF_OTHERS.values(), ids=BY_WAY_OF_OTHERS.keys())
def test_links_that_lead_out_by_way_of_others(own_engine, links):
    engine = own_engine()
    client, name = engine.client(), f"{engine.mark}-links"
    (engine.data_dir / "witness").write_text("outside")
    archive = with_links(links)
    try:
        client.create_function(**functions.create_arguments(name, archive))
    except client.exceptions.InvalidParameterValueException:
        return  # refused at once, which is as well
    configuration = eventually(lambda: settled(client, name), "the function is settled")
    (engine.data_dir / "later").write_text("outside")
    packages = list((engine.data_dir / "code").glob("*/"))
    outside = [
        path
        for package in packages
        for path in package.rglob("*")
        if not path.resolve().is_relative_to(package)
    ]
    assert outside == []
    assert configuration["State"] == "Failed"
    assert configuration["StateReasonCode"] == "InvalidZipFileException"
    assert "unzip" in configuration["StateReason"]
    with pytest.raises(client.exceptions.ClientError) as refusal:
        functions.invoke(client, name)
    assert refusal.value.response["Error"]["Code"] == "ResourceConflictException"


def settled(client, name):
    """The configuration, once the function is no longer pending."""
    configuration = client.get_function_configuration(FunctionName=name)
    return configuration if configuration["State"] != "Pending" else None


def test_links_that_stay_inside_are_followed(client, deploy):
    name = deploy(with_links({"one/two": "..", "out": "one/two/one/file"}))
    assert functions.invoke(client, name).value == "inside"


def damaged():
    """A deflated zip whose data is not what its directory says."""
    data = bytearray(functions.package({"main.py": "x = 1\n" * 400}))
    start = data.index(b"main.py") + len("main.py") + 2
    data[start : start + 3] = b"\xff\xff\xff"
    return bytes(data)


@pytest.mark.parametrize(
    "archive",
    [
        damaged(),
        functions.package({"h": "a file", "h/a.py": "in a file"}),
        functions.package({"n" * 300 + ".py": "x = 1"}),
    ],
    ids=["damaged", "a file as a folder", "a long name"],
)
def test_what_cannot_be_unpacked_is_refused_at_once(client, deploy, names, archive):
    told = "Could not unzip uploaded file. Please check your file, then try to upload again."
    with pytest.raises(client.exceptions.InvalidParameterValueException) as refused:
        client.create_function(**functions.create_arguments(next(names), archive))
    assert refused.value.response["Error"]["Message"] == told
    name = deploy()
    with pytest.raises(client.exceptions.InvalidParameterValueException) as refused:
        client.update_function_code(FunctionName=name, ZipFile=archive)
    assert refused.value.response["Error"]["Message"] == told
    assert functions.invoke(client, name, {"a": 1}).value == {"a": 1}
