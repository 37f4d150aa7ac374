"""What a restored function can reach: what others can, and no more."""

import concurrent.futures
import os

import pytest
from support import functions
from support.engine import Engine, skipping_where_functions_share_the_network
from support.snapstart import SNAP, STATEFUL, invoke, settled

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="clones take isolation with root's rights"
)

ATTEMPTS = """
    import ctypes
    import errno
    import os
    import socket

    libc = ctypes.CDLL(None, use_errno=True)
    NAMES = dict(errno.errorcode)

    def call(function, *arguments):
        result = function(*arguments)
        return "done" if result >= 0 else NAMES[ctypes.get_errno()]

    def status():
        lines = open("/proc/self/status").read().splitlines()
        return dict(line.split(":\\t", 1) for line in lines if ":\\t" in line)

    in_init = {
        "user": call(libc.unshare, 0x10000000),
        "mounts": call(libc.mount, b"none", b"/tmp", b"tmpfs", 0, None),
        "host name": call(libc.sethostname, b"x", 1),
    }

    def attempt(what):
        match what:
            case "in init":
                return in_init
            case "status":
                return status()
            case "user":
                return call(libc.unshare, 0x10000000)
            case "namespaces":
                return call(libc.unshare, 0x6E020000), call(libc.unshare, 0x2E020000)
            case "mount":
                return call(libc.mount, b"none", b"/tmp", b"tmpfs", 0, None)
            case "umount":
                return call(libc.umount2, b"/tmp", 2)
            case "kill":
                os.kill(1, 9)
            case "read":
                return open("/proc/1/environ").read()
            case "trace":
                return call(libc.ptrace, 16, 1, 0, 0)
            case "write":
                open("/var/task/here", "w")
            case "interface":
                import fcntl, struct
                with socket.socket() as it:
                    fcntl.ioctl(it, 0x8914, struct.pack("16sh14x", b"lo", 0))

    def handler(event, context):
        try:
            return {"done": attempt(event)}
        except OSError as error:
            return {"refused": NAMES[error.errno]}
"""


@pytest.fixture(scope="module")
def secluded(tmp_path_factory):
    """A client of an engine with two published versions: `attempts`, and one that tells of itself."""
    with skipping_where_functions_share_the_network():
        engine = Engine(tmp_path_factory.mktemp("secluded"), "--egress", "none")
    client = engine.client()
    for name, source in (("attempts", ATTEMPTS), ("snapped", STATEFUL)):
        archive = functions.python(source)
        client.create_function(**functions.create_arguments(name, archive, **SNAP))
        functions.wait_active(client, name)
        client.publish_version(FunctionName=name)
        shown = settled(client, name, "1")
        assert (shown["State"], shown.get("StateReason")) == ("Active", None)
    yield client
    engine.close()


def test_init_may_make_a_clones_namespaces_and_no_others(secluded):
    answer, _, _ = invoke(secluded, "attempts", "1", "in init")
    assert set(answer["done"].values()) <= {"EPERM", "ENOSYS"}, answer


def test_a_restored_function_has_no_rights(secluded):
    status = invoke(secluded, "attempts", "1", "status")[0]["done"]
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


@pytest.mark.parametrize(
    "what",
    ["user", "mount", "umount", "read", "trace", "write", "interface", "namespaces"],
)
def test_a_restored_function_gets_no_further_than_others(secluded, what):
    answer, _, _ = invoke(secluded, "attempts", "1", what)
    outcome = answer.get("refused") or answer["done"]
    outcomes = outcome if isinstance(outcome, list) else [outcome]
    assert set(outcomes) <= {"EPERM", "EACCES", "ENOSYS", "EROFS", "ENOENT"}, answer


def test_restored_functions_do_not_see_one_another(secluded):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        run = lambda event: invoke(secluded, "snapped", "1", event)[0]  # noqa: E731
        one, other = pool.map(run, [{"wait": 1}, {"wait": 1}])
    assert one["key"] != other["key"]
    for seen in (one, other):
        assert seen["pids"] == [str(seen["pid"])], "only itself"
    first = invoke(secluded, "snapped", "1", "write")[0]
    assert first["tmp"] == ["from-init", "mine"]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        both = list(pool.map(run, [{"wait": 1}, {"wait": 1}]))
    assert sorted(it["tmp"] for it in both) == [["from-init"], ["from-init", "mine"]]
