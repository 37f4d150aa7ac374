"""How functions' logs come to CloudWatch Logs, and `lambdalab function logs`."""

import itertools
import json
import re
import signal
import subprocess

import pytest

from support import functions
from support.cloudwatch import now, pages
from support.engine import BINARY
from support.waiting import eventually

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def logs(engine):
    """boto3's client for CloudWatch Logs."""
    return engine.client("logs")


PRINTING = """
    import logging, sys
    logging.getLogger().setLevel("INFO")

    def handler(event, context):
        print("printed", event)
        logging.info("logged\\nin two lines")
        sys.stdout.write("without an end")
        return context.log_stream_name
"""


def function_events(logs, name, **more):
    """What a function has logged so far; nothing where it has no group yet."""
    group = more.pop("group", f"/aws/lambda/{name}")
    try:
        found = pages(logs.filter_log_events, logGroupName=group, **more)
        return [event for page in found for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def until_reported(logs, name, reports=1, mark="REPORT ", **more):
    """The messages of a function once it has reported so often."""

    def reported():
        events = function_events(logs, name, **more)
        return events if sum(mark in e["message"] for e in events) >= reports else None

    return eventually(reported, f"{reports} reports of {name} are in its log")


def test_a_functions_lines_come_to_its_group_in_order(client, logs, deploy):
    name = deploy(PRINTING)
    before = now()
    first = functions.invoke(client, name, 1)
    second = functions.invoke(client, name, 2)
    events = until_reported(logs, name, 2)
    stream = first.value
    assert second.value == stream, "one environment served both"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream)
    assert {event["logStreamName"] for event in events} == {stream}
    times = [event["timestamp"] for event in events]
    assert times == sorted(times) and times[0] >= before - 60_000
    found = [event["message"] for event in events]
    assert found[0].startswith("INIT_START Runtime Version: ")
    for invocation, event in [(first, 1), (second, 2)]:
        at = found.index(f"START RequestId: {invocation.request_id} Version: $LATEST\n")
        printed, logged, unended, end, report = found[at + 1 : at + 6]
        assert printed == f"printed {event}\n"
        assert unended == "without an end"
        assert logged.startswith("[INFO]\t") and "logged\nin two lines" in logged
        assert end == f"END RequestId: {invocation.request_id}\n"
        assert report.startswith(f"REPORT RequestId: {invocation.request_id}\tDuration: ")
    assert len(found) == 13, found


def test_a_timeout_is_in_the_log(client, logs, deploy):
    name = deploy(
        "import time\ndef handler(e, c):\n    print('begin')\n    time.sleep(60)\n", Timeout=1
    )
    answer = functions.invoke(client, name)
    assert answer.error == "Unhandled"
    found = [event["message"] for event in until_reported(logs, name)]
    at = found.index("begin\n")
    assert re.fullmatch(
        rf"\S+Z {answer.request_id} Task timed out after 1.00 seconds\n\n", found[at + 1]
    )
    assert found[at + 2].startswith("END ") and "Status: timeout" in found[at + 3]


def test_json_and_levels(client, logs, deploy):
    source = """
        import logging

        def handler(event, context):
            logging.getLogger().info("let be")
            logging.getLogger().warning("seen")
    """
    group = f"/custom/{next(NUMBERS)}"
    configuration = {"LogFormat": "JSON", "ApplicationLogLevel": "WARN", "LogGroup": group}
    name = deploy(source, LoggingConfig=configuration)
    answer = functions.invoke(client, name)
    events = until_reported(logs, name, mark='"platform.report"', group=group)
    documents = [json.loads(event["message"]) for event in events]
    kinds = [document.get("type", document.get("message")) for document in documents]
    assert kinds == ["platform.initStart", "platform.start", "seen", "platform.report"]
    start, seen, report = documents[1:]
    assert start["record"] == {"requestId": answer.request_id, "version": "$LATEST"}
    assert (seen["level"], seen["requestId"]) == ("WARNING", answer.request_id)
    record = report["record"]
    assert (record["requestId"], record["status"]) == (answer.request_id, "success")
    assert record["metrics"]["memorySizeMB"] == 1769
    assert record["metrics"]["durationMs"] > 0 and record["metrics"]["initDurationMs"] > 0
    assert function_events(logs, name) == [], "nothing goes to the usual group"

    level = {**configuration, "SystemLogLevel": "WARN"}
    client.update_function_configuration(FunctionName=name, LoggingConfig=level)
    functions.wait_updated(client, name)
    functions.invoke(client, name)

    def warnings():
        events = function_events(logs, name, group=group)[4:]
        return events if len(events) >= 1 else None

    (only,) = eventually(warnings, "the second invocation logs")
    assert json.loads(only["message"])["message"] == "seen"


def test_logs_outlive_a_clean_stop_and_their_group_comes_back(own_engine):
    engine = own_engine()
    client, name = engine.client(), "f"
    client.create_function(
        **functions.create_arguments(name, functions.python("def handler(e, c):\n    print(e)\n"))
    )
    functions.wait_active(client, name)
    logs = engine.client("logs")
    functions.invoke(client, name, "first")
    until_reported(logs, name)
    logs.delete_log_group(logGroupName=f"/aws/lambda/{name}")
    functions.invoke(client, name, "second")
    assert engine.stop() == 0
    engine.start()
    found = [event["message"] for event in function_events(engine.client("logs"), name)]
    assert "second\n" in found and "first\n" not in found
    assert found[-1].startswith("REPORT ")


def test_many_lines_at_once_are_all_there(client, logs, deploy):
    name = deploy("def handler(n, c):\n    for i in range(n):\n        print(i)\n")
    functions.invoke(client, name, 20_000)
    events = until_reported(logs, name, filterPattern="REPORT")
    found = [e["message"] for e in function_events(logs, name)]
    numbers = [int(message) for message in found if message.strip().isdigit()]
    assert numbers == list(range(20_000)) and len(events) == 1


# `lambdalab function logs`


def command(engine, *arguments):
    return [str(BINARY), "function", "logs", *arguments], engine.environment()


def shown(engine, *arguments):
    line, environment = command(engine, *arguments)
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_function_logs(engine, client, logs, deploy):
    name = deploy("def handler(e, c):\n    print('hello', e)\n")
    assert shown(engine, name) == ""
    functions.invoke(client, name, 1)
    until_reported(logs, name)
    lines = shown(engine, name).splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z INIT_START .*", lines[0])
    assert any(line.endswith("Z hello 1") for line in lines)
    assert shown(engine, name, "--filter", "hello").splitlines() == [
        line for line in lines if "hello" in line
    ]
    (line,) = shown(engine, name, "--filter", "hello", "--output", "json").splitlines()
    document = json.loads(line)
    assert document["message"] == "hello 1" and "[$LATEST]" in document["stream"]
    assert shown(engine, name, "--until", "5m") == ""
    assert shown(engine, name, "--stream", document["stream"]).splitlines() == lines
    assert shown(engine, name, "--stream", "1999/") == ""


def test_function_logs_followed(engine, client, logs, deploy):
    name = deploy("def handler(e, c):\n    print('hello', e)\n")
    line, environment = command(engine, name, "--follow", "--filter", "hello")
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, text=True) as following:
        for number in range(3):
            functions.invoke(client, name, number)
            assert following.stdout.readline().endswith(f" hello {number}\n")
        following.send_signal(signal.SIGINT)
        assert following.stdout.read() == ""
        assert following.wait(timeout=10) == 0


def test_function_logs_says_what_is_wrong(engine):
    line, environment = command(engine, "no-such-function")
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "Function not found" in done.stderr
    for arguments in [["f", "--since", "yesterday"], ["f", "--follow", "--until", "1m"]]:
        line, environment = command(engine, *arguments)
        done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=30)
        assert done.returncode == 2, done.stderr
