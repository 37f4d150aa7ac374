"""CloudWatch Logs as boto3 and the AWS CLI use it."""

import itertools
import re
import time

import pytest

from support.cloudwatch import messages, now, pages, put, refusal
from support.engine import ACCOUNT, REGION
from support.waiting import eventually

NUMBERS = itertools.count()


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


def test_what_was_put_outlives_kill_9(own_engine):
    engine = own_engine()
    logs = engine.client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    put(logs, "g", "s", *"abc")
    engine.kill()
    engine.start()
    assert messages(engine.client("logs").filter_log_events(logGroupName="g")) == list("abc")


# The AWS CLI


def test_a_session_of_the_aws_cli(aws_cli, engine):
    aws = aws_cli("logs")
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
