"""Whose line is it? Each invocation's tail holds its own lines, all of them, and nobody else's."""

import collections
import concurrent.futures

from support import functions

TAIL = 4096


def closing(result):
    """The tail from its END line on."""
    return result.log_bytes[result.log_bytes.rindex(b"END RequestId: ") :]


def test_tails_of_many_callers_never_mix(client, deploy):
    """Environments are handed from one invocation to the next as fast as they can be."""
    name = deploy("def handler(event, context):\n    print('mine', event)\n")
    callers, each = 32, 63

    def call(caller):
        problems = []
        for number in range(each):
            event = f"{caller}-{number}"
            result = functions.invoke(client, name, event, LogType="Tail")
            lines = result.log.splitlines()
            own = [line.split("\t")[0] for line in lines] == [
                f"START RequestId: {result.request_id} Version: $LATEST",
                f"mine {event}",
                f"END RequestId: {result.request_id}",
                f"REPORT RequestId: {result.request_id}",
            ]
            if not own:
                problems.append((event, result.request_id, result.log))
        return problems

    with concurrent.futures.ThreadPoolExecutor(callers) as pool:
        problems = [problem for found in pool.map(call, range(callers)) for problem in found]
    assert problems == [], f"{len(problems)} of {callers * each} tails"


def test_lines_of_several_pipes_stay_with_their_invocation(client, deploy):
    """Log records, standard output and standard error come by different ways."""
    source = """
        import logging
        import sys

        def handler(event, context):
            print("out", event, flush=True)
            print("err", event, file=sys.stderr, flush=True)
            logging.warning("log %s", event)
    """
    name = deploy(source)

    def call(event):
        result = functions.invoke(client, name, event, LogType="Tail")
        words = [line.split("\t")[-1] for line in result.log.splitlines()]
        return [word for word in words if word.startswith(("out ", "err ", "log "))], event

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for words, event in pool.map(call, range(200)):
            expected = [f"out {event}", f"err {event}", f"log {event}"]
            assert collections.Counter(words) == collections.Counter(expected)


def test_five_megabytes_of_lines(client, deploy):
    source = """
        import os

        def handler(event, context):
            text = b"".join(b"line %07d of many\\n" % number for number in range(250_000))
            done = 0
            while done < len(text):
                done += os.write(1, text[done : done + 65536])
            return len(text)
    """
    result = functions.invoke(client, deploy(source), LogType="Tail")
    text = b"".join(b"line %07d of many\n" % number for number in range(250_000))
    assert result.value == len(text) > 5_000_000
    assert result.log_bytes == (text + closing(result))[-TAIL:]


def test_output_without_any_line_end(client, deploy):
    source = """
        import os

        def handler(event, context):
            text = b"".join(b"%07d," % number for number in range(20_000))
            done = 0
            while done < len(text):
                done += os.write(1, text[done:])
    """
    name = deploy(source)
    text = b"".join(b"%07d," % number for number in range(20_000))
    for _ in range(2):  # a piece of an unfinished line must not spoil the next invocation's
        result = functions.invoke(client, name, LogType="Tail")
        assert result.value is None
        assert result.log_bytes == (text + closing(result))[-TAIL:]


def test_output_that_is_not_utf8(client, deploy):
    source = """
        import os

        def handler(event, context):
            text = bytes(range(256)) * 40
            done = 0
            while done < len(text):
                done += os.write(1, text[done:])
    """
    result = functions.invoke(client, deploy(source), LogType="Tail")
    assert result.value is None
    assert result.log_bytes == (bytes(range(256)) * 40 + closing(result))[-TAIL:]


def test_an_import_errors_traceback(client, deploy):
    """The init fails ahead of the invocation and once more inside it: the tail tells the second."""
    source = "print('importing')\nimport no_such_module\n"
    result = functions.invoke(client, deploy(source), LogType="Tail")
    assert result.error == "Unhandled"
    assert result.payload["errorType"] == "Runtime.ImportModuleError"
    told = "Unable to import module 'main': No module named 'no_such_module'"
    assert result.payload["errorMessage"] == told
    lines = result.log.splitlines()
    assert lines[0] == f"START RequestId: {result.request_id} Version: $LATEST"
    assert lines[-2] == f"END RequestId: {result.request_id}"
    assert lines[-1].startswith(f"REPORT RequestId: {result.request_id}\t")
    assert "\tStatus: error\tError Type: Runtime.ImportModuleError" in lines[-1]
    assert lines.count("importing") == 1
    assert lines.count(f"[ERROR] Runtime.ImportModuleError: {told}") == 1
    assert lines.count("Traceback (most recent call last):") == 1
