"""CloudWatch Logs as boto3 and the AWS CLI use it, and how functions' logs come there."""

import itertools
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import botocore.exceptions
import pytest

from support import functions
from support.engine import ACCOUNT, BINARY, REGION
from support.waiting import eventually

AWS = Path(sys.executable).parent / "aws"


@pytest.fixture(scope="module")
def logs(engine):
    """boto3's client for CloudWatch Logs."""
    return engine.client("logs")


@pytest.fixture
def group(logs, engine):
    """Makes log groups with streams, and deletes them after the test."""
    made = []

    def group(*streams, **more):
        name = f"/test/{engine.mark}/{next(NUMBERS)}"
        logs.create_log_group(logGroupName=name, **more)
        made.append(name)
        for stream in streams:
            logs.create_log_stream(logGroupName=name, logStreamName=stream)
        return name

    yield group
    for name in made:
        try:
            logs.delete_log_group(logGroupName=name)
        except logs.exceptions.ResourceNotFoundException:
            pass  # the test itself was about deleting it


NUMBERS = itertools.count()


def now():
    return int(time.time() * 1000)


def put(logs, group, stream, *messages, at=None):
    """Puts messages, all of one time."""
    at = now() if at is None else at
    events = [{"timestamp": at, "message": message} for message in messages]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def messages(answer):
    return [event["message"] for event in answer["events"]]


def refusal(call, **arguments):
    """Code, message and status of an error."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return (
        answer["Error"]["Code"],
        answer["Error"]["Message"],
        answer["ResponseMetadata"]["HTTPStatusCode"],
    )


def pages(call, **arguments):
    """Every page of a listing."""
    while True:
        answer = call(**arguments)
        yield answer
        if "nextToken" not in answer:
            return
        arguments["nextToken"] = answer["nextToken"]


# Groups and streams


def test_a_group_shows_what_it_was_made_with(logs, group):
    before = now()
    name = group(tags={"team": "a"}, logGroupClass="STANDARD")
    (found,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"
    assert before <= found.pop("creationTime") <= now()
    assert found == {
        "logGroupName": name,
        "arn": f"{arn}:*",
        "logGroupArn": arn,
        "logGroupClass": "STANDARD",
        "metricFilterCount": 0,
        "storedBytes": 0,
        "deletionProtectionEnabled": False,
    }
    put(logs, name, made_stream(logs, name), "12345")
    (found,) = logs.describe_log_groups(logGroupIdentifiers=[arn])["logGroups"]
    assert found["storedBytes"] == 5 + 26


def made_stream(logs, group, name="s"):
    logs.create_log_stream(logGroupName=group, logStreamName=name)
    return name


def test_names_are_taken_once(logs, group):
    name = group("s")
    assert refusal(logs.create_log_group, logGroupName=name) == (
        "ResourceAlreadyExistsException", "The specified log group already exists", 400,
    )  # fmt: skip
    assert refusal(logs.create_log_stream, logGroupName=name, logStreamName="s") == (
        "ResourceAlreadyExistsException", "The specified log stream already exists", 400,
    )  # fmt: skip


def test_what_is_missing_is_not_found(logs, group):
    no_group = ("ResourceNotFoundException", "The specified log group does not exist.", 400)
    no_stream = ("ResourceNotFoundException", "The specified log stream does not exist.", 400)
    for call, more in [
        (logs.delete_log_group, {}),
        (logs.create_log_stream, {"logStreamName": "s"}),
        (logs.describe_log_streams, {}),
        (logs.filter_log_events, {}),
        (logs.get_log_events, {"logStreamName": "s"}),
        (logs.put_retention_policy, {"retentionInDays": 7}),
        (logs.list_tags_log_group, {}),
    ]:
        assert refusal(call, logGroupName="/no/such", **more) == no_group
    name = group()
    for call, more in [
        (logs.delete_log_stream, {}),
        (logs.get_log_events, {}),
        (logs.put_log_events, {"logEvents": [{"timestamp": now(), "message": "x"}]}),
    ]:
        assert refusal(call, logGroupName=name, logStreamName="x", **more) == no_stream


def test_what_the_model_rules_out_is_an_invalid_parameter(engine):
    unchecked = engine.client("logs", parameter_validation=False)
    code, message, status = refusal(unchecked.create_log_group, logGroupName="no blanks")
    assert (code, status) == ("InvalidParameterException", 400)
    assert "at 'logGroupName' failed to satisfy constraint" in message


def test_groups_are_listed_in_pages(logs, engine):
    names = sorted(f"/page/{engine.mark}/{letter}" for letter in "abcde")
    for name in reversed(names):
        logs.create_log_group(logGroupName=name)
    try:
        prefix = f"/page/{engine.mark}/"
        listed = list(pages(logs.describe_log_groups, logGroupNamePrefix=prefix, limit=2))
        assert [len(page["logGroups"]) for page in listed] == [2, 2, 1]
        assert [g["logGroupName"] for page in listed for g in page["logGroups"]] == names
        found = logs.describe_log_groups(logGroupNamePattern=f"{engine.mark}/c")["logGroups"]
        assert [g["logGroupName"] for g in found] == [names[2]]
        found = logs.list_log_groups(logGroupNamePattern=f"^{prefix}"[:24])["logGroups"]
        assert names[0] in [g["logGroupName"] for g in found]
        both = {"logGroupNamePrefix": "a", "logGroupNamePattern": "a"}
        assert refusal(logs.describe_log_groups, **both)[0] == "InvalidParameterException"
    finally:
        for name in names:
            logs.delete_log_group(logGroupName=name)


def test_streams_are_listed_by_name_and_by_their_last_event(logs, group):
    name = group("a", "b1", "b2", "c")
    at = now()
    put(logs, name, "b2", "x", at=at - 2000)
    put(logs, name, "a", "x", at=at - 1000)

    def listed(**more):
        answers = pages(logs.describe_log_streams, logGroupName=name, limit=2, **more)
        return [s["logStreamName"] for page in answers for s in page["logStreams"]]

    assert listed() == ["a", "b1", "b2", "c"]
    assert listed(descending=True) == ["c", "b2", "b1", "a"]
    assert listed(logStreamNamePrefix="b") == ["b1", "b2"]
    assert listed(orderBy="LastEventTime", descending=True) == ["a", "b2", "c", "b1"]
    both = {"orderBy": "LastEventTime", "logStreamNamePrefix": "b"}
    assert refusal(logs.describe_log_streams, logGroupName=name, **both) == (
        "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.", 400,
    )  # fmt: skip
    (stream,) = logs.describe_log_streams(logGroupName=name, logStreamNamePrefix="a")["logStreams"]
    assert stream["firstEventTimestamp"] == stream["lastEventTimestamp"] == at - 1000
    assert stream["arn"].endswith(f":log-group:{name}:log-stream:a")
    assert stream["storedBytes"] == 0
    assert stream["uploadSequenceToken"]


def test_a_deleted_group_is_gone_with_everything_in_it(logs, group):
    name = group("s")
    put(logs, name, "s", "old")
    logs.delete_log_group(logGroupName=name)
    assert refusal(logs.filter_log_events, logGroupName=name)[0] == "ResourceNotFoundException"
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    assert logs.filter_log_events(logGroupName=name)["events"] == []


def test_a_deleted_stream_is_gone(logs, group):
    name = group("s", "t")
    put(logs, name, "s", "one")
    put(logs, name, "t", "two")
    logs.delete_log_stream(logGroupName=name, logStreamName="s")
    assert messages(logs.filter_log_events(logGroupName=name)) == ["two"]


def test_retention(logs, group):
    name = group("s")

    def days():
        (found,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return found.get("retentionInDays")

    assert days() is None
    logs.put_retention_policy(logGroupName=name, retentionInDays=1)
    assert days() == 1
    code, message, _ = refusal(logs.put_retention_policy, logGroupName=name, retentionInDays=2)
    assert code == "InvalidParameterException" and "[1, 3, 5, 7, 14," in message
    old = now() - 2 * 86_400_000
    rejected = put(logs, name, "s", "expired", at=old)["rejectedLogEventsInfo"]
    assert rejected == {"expiredLogEventEndIndex": 1}
    logs.delete_retention_policy(logGroupName=name)
    assert days() is None
    assert "rejectedLogEventsInfo" not in put(logs, name, "s", "kept", at=old)
    logs.put_retention_policy(logGroupName=name, retentionInDays=1)
    assert logs.filter_log_events(logGroupName=name)["events"] == []

    def stored():
        return logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["storedBytes"]

    eventually(lambda: stored() == 0, "the expired event gives its room back")


def test_tags(logs, group):
    name = group(tags={"a": "1"})
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"
    logs.tag_resource(resourceArn=arn, tags={"b": "2", "a": "3"})
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "3", "b": "2"}
    logs.untag_resource(resourceArn=arn, tagKeys=["a"])
    logs.tag_log_group(logGroupName=name, tags={"c": "4"})
    assert logs.list_tags_log_group(logGroupName=name)["tags"] == {"b": "2", "c": "4"}
    logs.untag_log_group(logGroupName=name, tags=["b"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"c": "4"}
    more = {f"t{number}": "" for number in range(50)}
    assert refusal(logs.tag_resource, resourceArn=arn, tags=more)[0] == "TooManyTagsException"


# Events


def test_events_are_read_from_either_end(logs, group):
    name = group("s")
    put(logs, name, "s", *"abcdefg")

    def read(**more):
        return logs.get_log_events(logGroupName=name, logStreamName="s", **more)

    first = read(limit=3, startFromHead=True)
    assert messages(first) == list("abc")
    second = read(limit=3, nextToken=first["nextForwardToken"])
    assert messages(second) == list("def")
    assert messages(read(nextToken=second["nextBackwardToken"])) == list("abc")
    third = read(nextToken=second["nextForwardToken"])
    assert messages(third) == ["g"]
    end = read(nextToken=third["nextForwardToken"])
    assert end["events"] == []
    assert end["nextForwardToken"] == third["nextForwardToken"], "the end is where it was"
    assert messages(read(nextToken=end["nextBackwardToken"])) == list("abcdefg")
    put(logs, name, "s", "h", at=now() + 1000)
    assert messages(read(nextToken=end["nextForwardToken"])) == ["h"]
    assert messages(read(limit=2)) == ["g", "h"], "without startFromHead the last ones"
    assert re.fullmatch(r"f/\d{56}/s", first["nextForwardToken"])


def test_spans_of_time(logs, group):
    name = group("s")
    at = now() - 10_000
    for offset, message in enumerate("abc"):
        put(logs, name, "s", message, at=at + offset)
    span = {"logGroupName": name, "startTime": at + 1, "endTime": at + 2}
    # One operation counts the end in, the other does not.
    assert messages(logs.filter_log_events(**span)) == ["b", "c"]
    assert messages(logs.get_log_events(logStreamName="s", **span)) == ["b"]


def test_batches_that_are_refused(logs, group):
    name = group("s")
    at = now()

    def refused(*events):
        events = [{"timestamp": time, "message": text} for time, text in events]
        code, message, _ = refusal(
            logs.put_log_events, logGroupName=name, logStreamName="s", logEvents=events
        )
        assert code == "InvalidParameterException"
        return message

    assert "chronological order" in refused((at, "b"), (at - 1, "a"))
    assert "24 hours" in refused((at - 86_400_001, "a"), (at, "b"))
    assert refused((at, "x" * 600_000), (at, "x" * 600_000)) == (
        "Upload too large: 1200052 bytes exceeds limit of 1048576"
    )
    answer = logs.put_log_events(
        logGroupName=name, logStreamName="s",
        logEvents=[{"timestamp": at, "message": "ok"}, {"timestamp": at + 10_800_000, "message": "x"}],
    )  # fmt: skip
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    answer = put(logs, name, "s", "x", at=at - 15 * 86_400_000)
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    assert messages(logs.filter_log_events(logGroupName=name)) == ["ok"]
    any_token = {"sequenceToken": "whatever"}
    logs.put_log_events(
        logGroupName=name, logStreamName="s",
        logEvents=[{"timestamp": at, "message": "y"}], **any_token,
    )  # fmt: skip


def test_a_search_goes_over_streams_and_pages(logs, group):
    name = group("a1", "a2", "b")
    at = now() - 1000
    for offset, stream in enumerate(["a1", "b", "a2", "a1", "b"]):
        put(logs, name, stream, f"{stream} {offset}", at=at + offset)

    def search(**more):
        found = pages(logs.filter_log_events, logGroupName=name, limit=2, **more)
        return [message for page in found for message in messages(page)]

    everything = ["a1 0", "b 1", "a2 2", "a1 3", "b 4"]
    assert search() == everything
    assert search(startFromHead=False, startTime=at) == everything[::-1]
    assert search(logStreamNamePrefix="a") == ["a1 0", "a2 2", "a1 3"]
    assert search(logStreamNames=["b", "a2"]) == ["b 1", "a2 2", "b 4"]
    assert search(filterPattern="a1") == ["a1 0", "a1 3"]
    answer = logs.filter_log_events(logGroupName=name, limit=1)
    (event,) = answer["events"]
    assert (event["logStreamName"], event["timestamp"]) == ("a1", at)
    assert len(event["eventId"]) == 56 and answer["searchedLogStreams"] == []
    by_arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"
    assert len(logs.filter_log_events(logGroupIdentifier=by_arn)["events"]) == 5


def test_many_events_of_which_few_match(logs, group):
    name = group("s")
    at = now()
    for _ in range(3):
        put(logs, name, "s", *["noise"] * 10_000, at=at)
    put(logs, name, "s", "the needle", at=at)
    found = list(pages(logs.filter_log_events, logGroupName=name, filterPattern="needle"))
    assert [m for page in found for m in messages(page)] == ["the needle"]
    assert len(found) > 1, "a page looks at so many events and no more"


def test_filter_patterns_are_tried_out(logs):
    lines = [
        '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534',
        '127.0.0.1 - frank [10/Oct/2000:13:35:22 -0700] "GET /a.gif HTTP/1.0" 500 5324',
    ]
    (match,) = logs.test_metric_filter(
        filterPattern="[..., request=*.html*, status_code=4*,]", logEventMessages=lines
    )["matches"]
    assert match["eventNumber"] == 1 and match["eventMessage"] == lines[0]
    assert match["extractedValues"] == {
        "$1": "127.0.0.1", "$2": "-", "$3": "frank", "$4": "10/Oct/2000:13:25:15 -0700",
        "$request": "GET /index.html HTTP/1.0", "$status_code": "404", "$7": "1534",
    }  # fmt: skip
    documents = ['{"level": "WARN", "n": 7}', '{"level": "INFO", "n": 9}', "WARN"]
    (match,) = logs.test_metric_filter(
        filterPattern='{ $.level = "W*" && $.n >= 5 }', logEventMessages=documents
    )["matches"]
    assert match["extractedValues"] == {"$.level": "WARN", "$.n": "7"}
    for pattern in ["{ $.a = }", "[a", "%(x)%"]:
        assert refusal(
            logs.test_metric_filter, filterPattern=pattern, logEventMessages=["x"]
        ) == ("InvalidParameterException", "Invalid filter pattern", 400)


def test_live_tail(logs, engine, group):
    name = group("a", "b")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"
    tail = engine.client("logs", inject_host_prefix=False)
    answer = tail.start_live_tail(
        logGroupIdentifiers=[arn], logStreamNamePrefixes=["a"], logEventFilterPattern="yes"
    )
    seen = []
    stream = answer["responseStream"]
    for event in stream:
        if "sessionStart" in event:
            assert event["sessionStart"]["logGroupIdentifiers"] == [arn]
            put(logs, name, "a", "yes 1", "no", "yes 2")
            put(logs, name, "b", "yes, but elsewhere")
            continue
        update = event["sessionUpdate"]
        assert update["sessionMetadata"] == {"sampled": False}
        seen += [(e["logStreamName"], e["message"]) for e in update["sessionResults"]]
        if seen:
            break
    stream.close()
    tail.close()
    assert seen == [("a", "yes 1"), ("a", "yes 2")]


def test_a_live_tail_does_not_keep_an_engine_from_stopping(own_engine):
    engine = own_engine()
    engine.client("logs").create_log_group(logGroupName="g")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g"
    tail = engine.client("logs", inject_host_prefix=False)
    stream = tail.start_live_tail(logGroupIdentifiers=[arn])["responseStream"]
    next(iter(stream))
    began = time.monotonic()
    assert engine.stop() == 0
    assert time.monotonic() - began < 5, "the session ended with the engine"
    stream.close()
    tail.close()


# The logs of functions

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
    for arguments in [["f", "--since", "yesterday"], ["f", "--follow", "--until", "1m"]]:
        line, environment = command(engine, *arguments)
        done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=30)
        assert done.returncode == 2, done.stderr


# The AWS CLI


def test_a_session_of_the_aws_cli(engine, tmp_path):
    def aws(*arguments):
        done = subprocess.run(
            [sys.executable, AWS, "logs", *arguments],
            env=engine.sdk_environment(AWS_PAGER="", AWS_MAX_ATTEMPTS="1"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.lstrip().startswith("{") else done.stdout

    name = f"/cli/{engine.mark}"
    aws("create-log-group", "--log-group-name", name, "--tags", "a=1")
    aws("create-log-stream", "--log-group-name", name, "--log-stream-name", "s")
    at = now()
    aws(
        "put-log-events", "--log-group-name", name, "--log-stream-name", "s", "--log-events",
        f"timestamp={at},message=one", f"timestamp={at},message=two",
    )  # fmt: skip
    got = aws("get-log-events", "--log-group-name", name, "--log-stream-name", "s")
    assert [event["message"] for event in got["events"]] == ["one", "two"]
    found = aws("filter-log-events", "--log-group-name", name, "--filter-pattern", "two")
    assert [event["message"] for event in found["events"]] == ["two"]
    aws("put-retention-policy", "--log-group-name", name, "--retention-in-days", "7")
    (group,) = aws("describe-log-groups", "--log-group-name-prefix", name)["logGroups"]
    assert group["retentionInDays"] == 7
    tags = aws("list-tags-for-resource", "--resource-arn", group["logGroupArn"])
    assert tags == {"tags": {"a": "1"}}
    streams = aws("describe-log-streams", "--log-group-name", name)["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == ["s"]
    aws("delete-log-stream", "--log-group-name", name, "--log-stream-name", "s")
    aws("delete-log-group", "--log-group-name", name)
    assert aws("describe-log-groups", "--log-group-name-prefix", name) == {"logGroups": []}
