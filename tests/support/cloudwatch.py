"""CloudWatch Logs, as tests use it."""

import time

import botocore.exceptions
import pytest


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
