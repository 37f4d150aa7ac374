"""SQS with boto3: queues, messages, FIFO, redrive."""

import json
import threading
import time

import pytest
from botocore.exceptions import ClientError

from support.engine import ACCOUNT, REGION
from support.waiting import eventually

FIFO = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}


@pytest.fixture(scope="session")
def sqs(engine):
    return engine.client("sqs")


@pytest.fixture
def make(sqs, names):
    """Makes queues and deletes them after the test."""
    made = []

    def make(suffix="", **attributes):
        url = sqs.create_queue(QueueName=next(names) + suffix, Attributes=attributes)["QueueUrl"]
        made.append(url)
        return url

    yield make
    for url in made:
        try:
            sqs.delete_queue(QueueUrl=url)
        except sqs.exceptions.QueueDoesNotExist:
            pass


def attributes(sqs, url, *names):
    names = list(names) or ["All"]
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]


def arn(sqs, url):
    return attributes(sqs, url, "QueueArn")["QueueArn"]


def receive(sqs, url, **more):
    return sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **more).get("Messages", [])


def refused(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]


def test_a_queue_and_its_attributes(sqs, engine, names):
    name = next(names)
    url = sqs.create_queue(
        QueueName=name, Attributes={"VisibilityTimeout": "20"}, tags={"a": "b"}
    )["QueueUrl"]
    assert url == f"{engine.endpoint}/{ACCOUNT}/{name}"
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url
    found = attributes(sqs, url)
    assert abs(int(found.pop("CreatedTimestamp")) - time.time()) < 60
    assert abs(int(found.pop("LastModifiedTimestamp")) - time.time()) < 60
    assert found == {
        "QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}",
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "VisibilityTimeout": "20",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "DelaySeconds": "0",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "7"})
    assert attributes(sqs, url, "DelaySeconds") == {"DelaySeconds": "7"}
    # The same queue again is the same queue; another of its name is none.
    assert sqs.create_queue(QueueName=name)["QueueUrl"] == url
    code, message, _ = refused(sqs.create_queue, QueueName=name, Attributes={"DelaySeconds": "1"})
    assert code == "QueueAlreadyExists"
    assert message == (
        "A queue already exists with the same name and a different value for attribute DelaySeconds"
    )
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "b"}
    sqs.tag_queue(QueueUrl=url, Tags={"c": "", "a": "d"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["c"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "d"}
    sqs.delete_queue(QueueUrl=url)
    code, message, metadata = refused(sqs.get_queue_url, QueueName=name)
    assert (code, message, metadata["HTTPStatusCode"]) == (
        "AWS.SimpleQueueService.NonExistentQueue",
        "The specified queue does not exist.",
        400,
    )


def test_queues_are_listed_by_pages(sqs, make, names):
    prefix = next(names)
    urls = sorted(make_named(sqs, f"{prefix}-{number}") for number in range(5))
    pages = sqs.get_paginator("list_queues").paginate(
        QueueNamePrefix=prefix, PaginationConfig={"PageSize": 2}
    )
    pages = [page["QueueUrls"] for page in pages]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert sum(pages, []) == urls
    for url in urls:
        sqs.delete_queue(QueueUrl=url)
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix=prefix)


def make_named(sqs, name):
    return sqs.create_queue(QueueName=name)["QueueUrl"]


def test_a_message_goes_through_whole(sqs, make):
    url = make()
    # boto3 holds the digests of body and attributes against its own.
    sent = sqs.send_message(
        QueueUrl=url,
        MessageBody="Grüße \U0001f680 <&>\n",
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "ü"},
            "number": {"DataType": "Number.float", "StringValue": "1.5"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
        MessageSystemAttributes={
            "AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-2-3"}
        },
    )
    (message,) = receive(sqs, url, AttributeNames=["All"], MessageAttributeNames=["All"])
    assert message["MessageId"] == sent["MessageId"]
    assert message["Body"] == "Grüße \U0001f680 <&>\n"
    assert message["MessageAttributes"] == {
        "text": {"DataType": "String", "StringValue": "ü"},
        "number": {"DataType": "Number.float", "StringValue": "1.5"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    system = message["Attributes"]
    assert system["ApproximateReceiveCount"] == "1"
    assert system["AWSTraceHeader"] == "Root=1-2-3"
    assert abs(int(system["SentTimestamp"]) / 1000 - time.time()) < 60
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert attributes(sqs, url, "ApproximateNumberOfMessagesNotVisible") == {
        "ApproximateNumberOfMessagesNotVisible": "0"
    }


def test_batches_have_an_outcome_for_each_entry(sqs, make):
    url = make()
    entries = [{"Id": str(number), "MessageBody": f"m{number}"} for number in range(9)]
    entries.append({"Id": "bad", "MessageBody": "x", "DelaySeconds": 901})
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == [str(n) for n in range(9)]
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == (
        "bad",
        "InvalidParameterValue",
        True,
    )
    messages = receive(sqs, url)
    assert [message["Body"] for message in messages] == [f"m{n}" for n in range(9)]
    entries = [
        {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
        for n, message in enumerate(messages[:2])
    ]
    entries.append({"Id": "bad", "ReceiptHandle": "garbage", "VisibilityTimeout": 0})
    answer = sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    assert (len(answer["Successful"]), len(answer["Failed"])) == (2, 1)
    assert [message["Body"] for message in receive(sqs, url)] == ["m0", "m1"]
    entries = [
        {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]}
        for n, message in enumerate(messages)
    ]
    answer = sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    assert len(answer["Successful"]) == 9
    for entries, code in (
        ([], "EmptyBatchRequest"),
        (entries * 2, "TooManyEntriesInBatchRequest"),
        (entries[:1] * 2, "BatchEntryIdsNotDistinct"),
        ([{"Id": "a:b", "ReceiptHandle": "x"}], "InvalidBatchEntryId"),
    ):
        found, _, _ = refused(sqs.delete_message_batch, QueueUrl=url, Entries=entries)
        assert found == f"AWS.SimpleQueueService.{code}"


def test_refusals_are_worded_as_aws_words_them(sqs, make):
    url, fifo = make(), make(".fifo", FifoQueue="true")
    for call, arguments, code, message in (
        (
            sqs.receive_message,
            {"QueueUrl": url, "MaxNumberOfMessages": 11},
            "InvalidParameterValue",
            "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and "
            "10, if provided.",
        ),
        (
            sqs.send_message,
            {"QueueUrl": fifo, "MessageBody": "x", "MessageGroupId": "g"},
            "InvalidParameterValue",
            "The queue should either have ContentBasedDeduplication enabled or "
            "MessageDeduplicationId provided explicitly",
        ),
        (
            sqs.send_message,
            {"QueueUrl": fifo, "MessageBody": "x", "MessageDeduplicationId": "d"},
            "MissingParameter",
            "The request must contain the parameter MessageGroupId.",
        ),
        (
            sqs.send_message,
            {
                "QueueUrl": fifo,
                "MessageBody": "x",
                "MessageGroupId": "g",
                "MessageDeduplicationId": "d",
                "DelaySeconds": 2,
            },
            "InvalidParameterValue",
            "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter "
            "that is not valid for this queue type.",
        ),
        (
            sqs.set_queue_attributes,
            {"QueueUrl": url, "Attributes": {"FifoQueue": "true"}},
            "InvalidAttributeName",
            "Unknown Attribute FifoQueue.",
        ),
        (
            sqs.set_queue_attributes,
            {"QueueUrl": fifo, "Attributes": {"FifoQueue": "false"}},
            "InvalidAttributeValue",
            "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not "
            "supported.",
        ),
        (
            sqs.remove_permission,
            {"QueueUrl": url, "Label": "nobody"},
            "InvalidParameterValue",
            "Value nobody for parameter Label is invalid. Reason: can't find label.",
        ),
    ):
        found = refused(call, **arguments)
        assert found[:2] == (code, message)


def test_what_is_too_large_is_refused(sqs, make):
    url = make(MaximumMessageSize="1024")
    code, message, _ = refused(sqs.send_message, QueueUrl=url, MessageBody="x" * 1025)
    assert (code, message) == (
        "InvalidParameterValue",
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
    )
    url = make()
    largest = "ü" * 524_288
    sqs.send_message(QueueUrl=url, MessageBody=largest)
    assert receive(sqs, url)[0]["Body"] == largest
    entries = [{"Id": i, "MessageBody": "x" * 600_000} for i in "ab"]
    code, message, _ = refused(sqs.send_message_batch, QueueUrl=url, Entries=entries)
    assert code == "AWS.SimpleQueueService.BatchRequestTooLong"
    assert message == "Batch requests cannot be longer than 1048576 bytes. You have sent 1200000 bytes."


def test_a_long_poll_is_answered_as_soon_as_there_is_a_message(sqs, make):
    url = make()
    found = []
    poll = threading.Thread(target=lambda: found.extend(receive(sqs, url, WaitTimeSeconds=20)))
    started = time.monotonic()
    poll.start()
    sqs.send_message(QueueUrl=url, MessageBody="here")
    poll.join(15)
    assert [message["Body"] for message in found] == ["here"]
    assert time.monotonic() - started < 15
    assert receive(sqs, url, WaitTimeSeconds=1) == []


def test_delays_and_visibility_run_out(sqs, make):
    url = make(VisibilityTimeout="1")
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=4)
    assert receive(sqs, url) == []
    (first,) = receive(sqs, url, WaitTimeSeconds=20)
    (second,) = receive(sqs, url, WaitTimeSeconds=20, AttributeNames=["All"])
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    assert first["MessageId"] == second["MessageId"]
    assert first["ReceiptHandle"] != second["ReceiptHandle"]


def test_a_fifo_queue_keeps_order_and_deduplicates(sqs, make):
    url = make(".fifo", **FIFO)
    for body in ("a1", "a2", "a1"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="a")
    sqs.send_message(QueueUrl=url, MessageBody="b1", MessageGroupId="b")
    (first,) = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
    assert first["Body"] == "a1"
    assert first["Attributes"]["MessageGroupId"] == "a"
    assert len(first["Attributes"]["SequenceNumber"]) == 20
    assert [message["Body"] for message in receive(sqs, url)] == ["b1"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert [message["Body"] for message in receive(sqs, url)] == ["a2"]
    assert receive(sqs, url) == []


def test_dead_letters_go_where_they_should_and_back(sqs, make):
    dead = make()
    policy = json.dumps({"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": 1})
    url = make(RedrivePolicy=policy, VisibilityTimeout="0")
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sqs.send_message(QueueUrl=url, MessageBody="bad")
    assert len(receive(sqs, url)) == 1
    assert receive(sqs, url) == []
    (letter,) = receive(sqs, dead, WaitTimeSeconds=20, AttributeNames=["All"], VisibilityTimeout=0)
    assert letter["Attributes"]["DeadLetterQueueSourceArn"] == arn(sqs, url)
    sqs.start_message_move_task(SourceArn=arn(sqs, dead))
    (back,) = receive(sqs, url, WaitTimeSeconds=20)
    assert back["Body"] == "bad"

    def completed():
        (task,) = sqs.list_message_move_tasks(SourceArn=arn(sqs, dead))["Results"]
        return task["Status"] == "COMPLETED" and task

    task = eventually(completed, "the task completes")
    assert task["ApproximateNumberOfMessagesMoved"] == 1
    code, message, metadata = refused(
        sqs.start_message_move_task, SourceArn=arn(sqs, dead) + "-absent"
    )
    assert (code, metadata["HTTPStatusCode"]) == ("ResourceNotFoundException", 404)
    code, message, _ = refused(sqs.start_message_move_task, SourceArn=arn(sqs, url))
    assert message == "Source queue must be configured as a Dead Letter Queue."


def test_a_purged_queue_is_empty(sqs, make):
    url = make()
    for number in range(20):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    sqs.purge_queue(QueueUrl=url)
    assert attributes(sqs, url, "ApproximateNumberOfMessages") == {
        "ApproximateNumberOfMessages": "0"
    }
    code, _, metadata = refused(sqs.purge_queue, QueueUrl=url)
    assert (code, metadata["HTTPStatusCode"]) == (
        "AWS.SimpleQueueService.PurgeQueueInProgress",
        403,
    )


def test_other_accounts_need_a_permission(engine, sqs, make):
    url = make()
    stranger = engine.client("sqs", access_key="111122223333")
    code, message, metadata = refused(stranger.send_message, QueueUrl=url, MessageBody="x")
    assert (code, metadata["HTTPStatusCode"]) == ("AccessDenied", 403)
    assert "sqs:SendMessage on resource: " + arn(sqs, url) in message
    sqs.add_permission(
        QueueUrl=url, Label="them", AWSAccountIds=["111122223333"], Actions=["SendMessage"]
    )
    statement = json.loads(attributes(sqs, url, "Policy")["Policy"])["Statement"]
    assert statement == [
        {
            "Sid": "them",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Action": "SQS:SendMessage",
            "Resource": arn(sqs, url),
        }
    ]
    stranger.send_message(QueueUrl=url, MessageBody="x")
    sqs.remove_permission(QueueUrl=url, Label="them")
    assert attributes(sqs, url, "Policy") == {}
    assert len(receive(sqs, url)) == 1
