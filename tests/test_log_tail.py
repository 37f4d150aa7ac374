"""`LogType=Tail`: the last 4 KB of an invocation's log, in AWS's format."""

import re

from support import functions

REPORT = re.compile(
    r"REPORT RequestId: (?P<id>\S+)\t"
    r"Duration: (?P<duration>\d+\.\d\d) ms\t"
    r"Billed Duration: (?P<billed>\d+) ms\t"
    r"Memory Size: (?P<memory>\d+) MB\t"
    r"Max Memory Used: (?P<used>\d+) MB\t"
    r"(Init Duration: (?P<init>\d+\.\d\d) ms\t)?"
    r"(?P<rest>.*)"
)


def tail(client, name, event=None):
    return functions.invoke(client, name, event, LogType="Tail")


def report(result):
    match = REPORT.fullmatch(result.log.splitlines()[-1])
    assert match, result.log
    return match


def rounded_up(billed, duration):
    """Whether billed is the duration in whole milliseconds, the printed decimals being rounded."""
    return -0.02 < int(billed) - duration < 1.02


def test_the_lines_of_a_cold_and_of_a_warm_invocation(client, deploy):
    name = deploy(MemorySize=1769)
    cold, warm = tail(client, name), tail(client, name)
    for result in (cold, warm):
        lines = result.log.splitlines()
        start, end = lines[-3:-1]
        assert start == f"START RequestId: {result.request_id} Version: $LATEST"
        assert end == f"END RequestId: {result.request_id}"
        figures = report(result)
        assert figures["id"] == result.request_id
        assert figures["memory"] == "1769"
        assert 5 < int(figures["used"]) < 512
        assert figures["rest"] == ""
        assert result.log.endswith("\t\n")
    assert len(warm.log.splitlines()) == 3
    assert report(warm)["init"] is None
    # Init is billed too, since August 2025.
    figures = report(cold)
    assert float(figures["init"]) > 1
    assert rounded_up(figures["billed"], float(figures["duration"]) + float(figures["init"]))
    figures = report(warm)
    assert rounded_up(figures["billed"], float(figures["duration"]))


def test_what_the_function_writes_is_there(client, deploy):
    source = """
        import logging
        import sys

        logging.getLogger().setLevel(logging.INFO)

        def handler(event, context):
            print("to standard output")
            print("to standard error", file=sys.stderr)
            logging.info("by the logging module")
    """
    result = tail(client, deploy(source))
    lines = result.log.splitlines()
    assert "to standard output" in lines
    assert "to standard error" in lines
    (logged,) = [line for line in lines if line.endswith("by the logging module")]
    assert re.fullmatch(
        rf"\[INFO\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{result.request_id}\tby the logging module",
        logged,
    )


def test_output_comes_before_the_end_and_in_order(client, deploy):
    source = """
        def handler(event, context):
            for number in range(event):
                print("line", number)
    """
    result = tail(client, deploy(source), 50)
    lines = result.log.splitlines()
    first = lines.index("line 0")
    assert lines[first : first + 50] == [f"line {number}" for number in range(50)]
    assert lines[first + 50].startswith("END ")


def test_the_tail_is_the_last_4_kilobytes(client, deploy):
    source = """
        def handler(event, context):
            for number in range(1000):
                print(f"{number:04} " + "x" * 40)
    """
    result = tail(client, deploy(source))
    assert len(result.log.encode()) == 4096
    assert "0999 " in result.log
    assert "0500 " not in result.log
    assert report(result)


def test_one_invocations_tail_holds_nothing_of_another(client, deploy):
    name = deploy("def handler(event, context):\n    print('saw', event)\n")
    logs = [tail(client, name, event).log for event in range(5)]
    for event, log in enumerate(logs):
        assert [line for line in log.splitlines() if line.startswith("saw")] == [f"saw {event}"]


def test_an_exceptions_traceback_is_in_the_log(client, deploy):
    result = tail(client, deploy("def handler(event, context):\n    raise KeyError('lost')\n"))
    assert result.error == "Unhandled"
    assert "[ERROR] KeyError: 'lost'" in result.log
    assert "Traceback (most recent call last):" in result.log


def test_a_failed_init_is_in_the_log(client, deploy):
    result = tail(client, deploy("import os\n\nos._exit(9)\n"))
    assert result.error == "Unhandled"
    assert re.search(
        r"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: \w+\tStatus: error\tError Type: Runtime.ExitError",
        result.log,
    )
    assert report(result)["rest"].startswith("Status: error\tError Type: Runtime.ExitError")


def test_no_tail_unless_asked(client, echo):
    result = functions.invoke(client, echo, LogType="None")
    assert result.log is None
    assert "x-amz-log-result" not in result.headers
