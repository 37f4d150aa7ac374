"""Published versions with SnapStart: initialised once, restored as often as environments are needed."""

import concurrent.futures
import itertools
import os
import re
import textwrap

import pytest
from botocore.exceptions import ClientError
from support import cloudwatch, functions
from support.engine import Engine, skipping_where_functions_share_the_network
from support.snapstart import SNAP, STATEFUL, invoke, settled
from support.streams import PYTHON_GATE, open_gate
from support.waiting import eventually

clones = pytest.mark.skipif(os.geteuid() != 0, reason="clones take isolation with root's rights")

@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """An engine whose functions have networks of their own, which clones take."""
    with skipping_where_functions_share_the_network():
        engine = Engine(tmp_path_factory.mktemp("snapping"), "--egress", "none")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def client(engine):
    return engine.client()


@pytest.fixture(scope="module")
def names(engine):
    return (f"{engine.mark}-{number}" for number in itertools.count())


@pytest.fixture
def publish(client, deploy):
    """Deploys a function with SnapStart and publishes it."""

    def publish(source=STATEFUL, **more):
        name = deploy(source, **{**SNAP, **more})
        published = client.publish_version(FunctionName=name)
        return name, published["Version"]

    return publish


def restored(client, publish, **more):
    name, version = publish(**more)
    shown = settled(client, name, version)
    assert (shown["State"], shown.get("StateReason")) == ("Active", None)
    return name, version


class TestPublishing:
    def test_a_version_is_pending_until_its_snapshot_is_taken(self, client, deploy):
        source = STATEFUL.replace('print("initialising")', "time.sleep(1)")
        name = deploy(source, **SNAP)
        latest = client.get_function_configuration(FunctionName=name)
        assert latest["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
        published = client.publish_version(FunctionName=name)
        assert published["State"] == "Pending"
        assert published["StateReasonCode"] == "Creating"
        assert published["SnapStart"]["OptimizationStatus"] == "On"
        with pytest.raises(client.exceptions.SnapStartNotReadyException):
            invoke(client, name, "1")
        assert settled(client, name, "1")["State"] == "Active"
        again = client.publish_version(FunctionName=name)
        assert (again["Version"], again["State"]) == ("1", "Active")

    @pytest.mark.parametrize(
        ("source", "code", "word"),
        [
            ("raise ValueError('no')", "FunctionError.RuntimeInitError", "ValueError"),
            ("import os; os._exit(7)", "FunctionError.RuntimeInitError", "exit status 7"),
            (
                """
                from snapshot_restore_py import register_before_snapshot

                @register_before_snapshot
                def before():
                    raise ValueError("not now")

                def handler(event, context):
                    pass
                """,
                "FunctionError.RuntimeInitError",
                "Runtime.BeforeSnapshotError",
            ),
        ],
    )
    def test_an_init_phase_that_fails_fails_the_version(self, client, publish, source, code, word):
        name, version = publish(source)
        shown = settled(client, name, version)
        assert (shown["State"], shown["StateReasonCode"]) == ("Failed", code)
        assert word in shown["StateReason"]
        with pytest.raises(client.exceptions.ResourceConflictException):
            invoke(client, name, version)

    def test_a_version_that_comes_with_its_function_is_initialised_too(self, client, deploy):
        name = deploy("def handler(event, context):\n    return 1", **SNAP, Publish=True)
        shown = settled(client, name, "1")
        assert (shown["State"], shown["SnapStart"]["ApplyOn"]) == ("Active", "PublishedVersions")
        client.update_function_code(
            FunctionName=name, ZipFile=functions.python("raise ValueError"), Publish=True
        )
        assert settled(client, name, "2")["State"] == "Failed"
        assert invoke(client, name, "1")[0] == 1
        assert settled(client, name, "$LATEST")["State"] == "Active"

    def test_no_environments_are_provisioned_for_it(self, client, publish):
        name, version = publish("def handler(event, context):\n    return 1")
        with pytest.raises(client.exceptions.InvalidParameterValueException, match="Provisioned"):
            client.put_provisioned_concurrency_config(
                FunctionName=name, Qualifier=version, ProvisionedConcurrentExecutions=1
            )

    def test_what_it_does_not_go_together_with_is_refused(self, client, deploy, names):
        for more, word in [
            ({"Runtime": "python3.11"}, "python3.11 is not supported for SnapStart"),
            ({"Runtime": "nodejs22.x"}, "nodejs22.x is not supported for SnapStart"),
            ({"EphemeralStorage": {"Size": 513}}, "storage"),
        ]:
            arguments = functions.create_arguments(
                next(names), functions.python(STATEFUL), **{**SNAP, **more}
            )
            with pytest.raises(client.exceptions.InvalidParameterValueException, match=word):
                client.create_function(**arguments)
        name = deploy(STATEFUL, Runtime="python3.11")
        with pytest.raises(client.exceptions.InvalidParameterValueException, match="python3.11"):
            client.update_function_configuration(FunctionName=name, SnapStart=SNAP["SnapStart"])


@clones
class TestRestoring:
    def test_environments_begin_where_the_snapshot_ended(self, client, publish):
        name, version = restored(client, publish)
        first, log, _ = invoke(client, name, version)
        assert first["hooks"] == ["before", "after"]
        assert first["served"] == 1
        assert (first["type"], first["version"]) == ("snap-start", version)
        assert first["key"] != first["key_of_init"], "each environment has credentials of its own"
        assert first["tmp"] == ["from-init"]
        assert first["left_over"] == []
        report = re.search(
            r"\tBilled Duration: (\d+) ms\t.*\tRestore Duration: [\d.]+ ms\t"
            r"Billed Restore Duration: (\d+) ms\t",
            log,
        )
        assert int(report[1]) >= int(report[2]) >= 1
        assert "Init Duration" not in log
        second, log, _ = invoke(client, name, version)
        assert second["served"] == 2
        assert "Restore Duration" not in log

    def test_environments_share_what_was_drawn_before_and_nothing_after(self, client, publish):
        name, version = restored(client, publish)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            several = list(
                pool.map(lambda _: invoke(client, name, version, {"wait": 4})[0], range(4))
            )
        assert len({it["drawn"] for it in several}) == 1
        assert len({it["key"] for it in several}) == 4
        for draws in zip(*(it["random"] for it in several), strict=True):
            assert len(set(draws)) == 4, draws
        assert all(it["served"] == 1 and it["hooks"] == ["before", "after"] for it in several)

    def test_the_log_tells_of_snapshot_and_restore(self, engine, client, publish):
        name, version = restored(client, publish)
        invoke(client, name, version)
        logs = engine.client("logs")

        def lines():
            found = cloudwatch.messages(logs.filter_log_events(logGroupName=f"/aws/lambda/{name}"))
            return found if any("REPORT RequestId" in line for line in found) else None

        text = "\n".join(eventually(lines, "the log is there"))
        for expected in [
            "INIT_START Runtime Version: python:3.12",
            "initialising",
            "before the snapshot",
            "INIT_REPORT Init Duration: ",
            "RESTORE_START Runtime Version: python:3.12",
            "after the restore",
            "RESTORE_REPORT Restore Duration: ",
        ]:
            assert text.count(expected) == 1, f"{expected}\n{text}"

    @pytest.mark.parametrize(
        ("event", "error"), [("exit", "Runtime.ExitError"), ("sleep", "Sandbox.Timedout")]
    )
    def test_a_lost_environment_is_restored_anew(self, client, publish, event, error):
        name, version = restored(client, publish, Timeout=5)
        invoke(client, name, version, "write")
        payload, _, kind = invoke(client, name, version, event)
        assert (kind, payload["errorType"]) == ("Unhandled", error)
        again, log, kind = invoke(client, name, version)
        assert kind is None
        assert again["served"] == 1
        assert again["hooks"] == ["before", "after"]
        assert again["tmp"] == ["from-init"], "as the snapshot has it"
        assert "Init Duration" not in log

    def test_one_that_ran_out_of_memory_used_all_that_it_had(self, client, publish):
        name, version = restored(client, publish, MemorySize=256)
        payload, log, _ = invoke(client, name, version, {"take": 300})
        assert payload["errorType"] == "Runtime.OutOfMemory"
        assert "Max Memory Used: 256 MB" in log, "as without a snapshot"

    def test_an_after_restore_hook_that_fails_fails_the_invocation(self, client, publish):
        name, version = restored(
            client,
            publish,
            source="""
                from snapshot_restore_py import register_after_restore

                @register_after_restore
                def after():
                    raise ValueError("not here")

                def handler(event, context):
                    pass
            """,
        )
        with pytest.raises(ClientError) as caught:
            invoke(client, name, version)
        assert caught.value.response["Error"]["Code"] == "SnapStartException"

    def test_threads_that_run_on_stand_in_the_way_and_that_is_told(self, client, publish):
        name, version = publish(
            STATEFUL.replace(
                'print("initialising")',
                "import threading; threading.Thread(target=time.sleep, args=[600], daemon=True).start()",
            )
        )
        shown = settled(client, name, version)
        assert shown["State"] == "Active"
        assert shown["SnapStart"]["OptimizationStatus"] == "Off"
        assert "1 thread runs on after init" in shown["StateReason"]
        answer, log, _ = invoke(client, name, version)
        assert answer["hooks"] == ["before", "after"]
        assert answer["type"] == "snap-start"
        assert "\tInit Duration: " in log

    def test_a_deleted_version_leaves_no_process(self, engine, client, publish):
        name, version = restored(client, publish)
        invoke(client, name, version)
        before = client.list_versions_by_function(FunctionName=name)["Versions"]
        assert len(before) == 2
        client.delete_function(FunctionName=name, Qualifier=version)
        eventually(lambda: not processes(engine, name), "its processes are gone")

    def test_an_engine_that_starts_anew_takes_the_snapshot_again(self, own_engine):
        engine = own_engine("--egress", "none")
        client = engine.client()
        archive = functions.python(STATEFUL)
        client.create_function(**functions.create_arguments("snapped", archive, **SNAP))
        functions.wait_active(client, "snapped")
        client.publish_version(FunctionName="snapped")
        settled(client, "snapped", "1")
        first, _, _ = invoke(client, "snapped", "1")
        engine.stop()
        engine.start()
        client = engine.client()
        second, log, _ = invoke(client, "snapped", "1")
        assert second["hooks"] == ["before", "after"]
        assert first["drawn"] != second["drawn"]
        assert "\tRestore Duration: " in log


def processes(engine, name):
    """The processes of an engine's functions of that name."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                variables = file.read().split(b"\0")
        except OSError:
            continue
        if f"AWS_LAMBDA_FUNCTION_NAME={name}".encode() in variables:
            found.append(int(pid))
    return found


class TestLateClones:
    """Code that keeps its process from being cloned: for a while, or for good."""

    SOURCE = """
        import sys
        import time
        import uuid

        drawn = uuid.uuid4().hex
        template = sys.modules.get("lambdalab_template")
        serve = template.serve

        def late(channel):
            time.sleep(LATE)
            serve(channel)

        template.serve = late

        def handler(event, context):
            time.sleep(event["wait"])
            return drawn
    """

    @clones
    def test_one_that_is_late_does_not_spoil_the_next(self, client, publish):
        name, version = restored(client, publish, source=self.SOURCE.replace("LATE", "6"))
        _, log, _ = invoke(client, name, version, {"wait": 0})
        assert "Restore Duration" in log

    @clones
    def test_a_snapshot_of_which_none_is_made_is_taken_anew(self, client, publish):
        # Which of the two it is, is decided when the snapshot is taken.
        source = PYTHON_GATE + textwrap.dedent(self.SOURCE).replace("LATE", "late_for")
        source = source.replace("drawn =", "late_for = 0 if is_open() else 600\ndrawn =")
        name, version = restored(client, publish, source=source)
        first, log, _ = invoke(client, name, version, {"wait": 0})
        assert "Restore Duration" not in log
        open_gate(client, name)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(invoke, client, name, version, {"wait": 4}) for _ in range(2)]
            answers = [call.result() for call in calls]
        assert {first} < {drawn for drawn, _, _ in answers}
        assert ["Restore Duration" in log for drawn, log, _ in answers if drawn != first] == [True]
