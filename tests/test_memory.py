"""Max Memory Used and the memory limit: what counts, what does not, and where it ends."""

import pytest

from support import functions
from test_log_tail import REPORT

# Takes memory in one of several ways.
TAKING = """
    import os
    import subprocess
    import sys

    kept = []
    # Written to, page by page: untouched memory is none.
    TAKE = "block = bytearray({} << 20); block[::4096] = b'x' * len(block[::4096])"

    def take(mb):
        names = {}
        exec(TAKE.format(mb), names)
        return names["block"]

    def handler(event, context):
        how, mb = event
        if how == "keep":
            kept.append(take(mb))
        elif how == "spike":
            take(mb)
        elif how == "child":
            return subprocess.run([sys.executable, "-S", "-c", TAKE.format(mb)]).returncode
        elif how == "file":
            with open("/tmp/ballast", "wb") as file:
                for _ in range(mb):
                    file.write(bytes(1 << 20))
            os.unlink("/tmp/ballast")
        elif how == "leave":
            open("/tmp/left-" + context.function_name, "w").close()
        elif how == "left":
            return os.path.exists("/tmp/left-" + context.function_name)
        return "fine"
"""

OUT_OF_MEMORY = "Status: error\tError Type: Runtime.OutOfMemory"


def take(client, name, how=None, mb=0):
    """Takes memory and returns the invocation."""
    return functions.invoke(client, name, [how, mb], LogType="Tail")


def report(result):
    """The fields of an invocation's REPORT line."""
    return REPORT.fullmatch(result.log.splitlines()[-1])


def used(client, name, how=None, mb=0):
    """Max Memory Used, in MB, once memory has been taken."""
    result = take(client, name, how, mb)
    assert result.value in ("fine", 0)
    return int(report(result)["used"])


def test_the_interpreter_and_its_libraries_count(client, deploy):
    """They are shared by all environments here, and are a virtual machine's own on AWS."""
    name = deploy(TAKING, MemorySize=512)
    first, again = used(client, name), used(client, name)
    assert 12 <= first <= 60
    assert again - first in (0, 1)


@pytest.mark.parametrize("how", ["keep", "spike"])
def test_what_is_taken_is_told_to_the_megabyte(client, deploy, how):
    """A spike has no witness but the kernel: it is over before anybody could look."""
    name = deploy(TAKING, MemorySize=512)
    base = used(client, name)
    figures = [used(client, name, how, mb) - base for mb in (10, 100)]
    if how == "keep":
        figures[1] -= 10
    assert 7 <= figures[0] <= 13 and 97 <= figures[1] <= 103, figures
    after = used(client, name) - base
    assert after >= 97, "the figure is of the environment's life"


def test_children_count_and_files_do_not(client, deploy):
    name = deploy(TAKING, MemorySize=512)
    base = used(client, name)
    assert used(client, name, "file", 200) - base <= 6
    taken = used(client, name, "child", 200) - base
    # A child that has ended cannot be told from a file by all of 200 MB: nothing is invented.
    assert 0 <= taken <= 215

    name = deploy(TAKING, MemorySize=512)
    base = used(client, name)
    taken = used(client, name, "child", 200) - base
    assert 195 <= taken <= 215, "the child has an interpreter of its own"


@pytest.mark.parametrize("memory", [128, 256, 307])
def test_the_limit_is_the_configured_size(client, deploy, memory):
    name = deploy(TAKING, MemorySize=memory)
    room = memory - used(client, name)
    assert used(client, name, "spike", room - 5) <= memory

    dead = take(client, name, "spike", room + 5)
    assert dead.payload["errorType"] == "Runtime.OutOfMemory"
    fields = report(dead)
    assert fields["rest"] == OUT_OF_MEMORY
    assert int(fields["used"]) == memory


def test_memory_that_a_child_takes_ends_the_whole_tree(client, deploy):
    """Where the kernel kills one process only, the handler must not go on without its child."""
    name = deploy(TAKING, MemorySize=128)
    assert take(client, name, "leave").value == "fine"
    dead = take(client, name, "child", 200)
    assert dead.payload == {
        "errorType": "Runtime.OutOfMemory",
        "errorMessage": f"RequestId: {dead.request_id} Error: Runtime exited with error: signal: killed",
    }
    assert report(dead)["rest"] == OUT_OF_MEMORY
    assert take(client, name, "left").value is True, "the environment is the same, /tmp and all"
    assert used(client, name) >= 120
