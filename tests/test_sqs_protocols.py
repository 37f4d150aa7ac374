"""SQS by other ways than boto3's: the AWS CLI, and the query protocol of older SDKs."""

import functools
import re
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import raw
from support.engine import ACCOUNT, REGION

VERSION = "2012-11-05"


@pytest.fixture
def query(engine):
    """Sends a form, as SDKs did before they spoke json; answers status and XML."""

    def query(action, path="/", method="POST", **parameters):
        form = urlencode({"Action": action, "Version": VERSION, **parameters})
        url = engine.endpoint + path
        if method == "GET":
            request = AWSRequest(method, f"{url}?{form}")
        else:
            kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
            request = AWSRequest(method, url, data=form, headers=kind)
        SigV4Auth(Credentials("lambdalab", "lambdalab"), "sqs", REGION).add_auth(request)
        sent = request.prepare()
        body = sent.body.encode() if sent.body else None
        answer = raw.request(
            engine.address,
            method,
            sent.url.removeprefix(engine.endpoint),
            body,
            dict(sent.headers),
            signed=False,
        )
        assert answer.headers["content-type"] == "text/xml"
        return answer.status, answer.body.decode()

    return query


def only(xml, element):
    (found,) = re.findall(f"<{element}>([^<]*)</{element}>", xml)
    return found


def test_the_query_protocol(query, engine, names):
    name = next(names)
    status, xml = query(
        "CreateQueue",
        QueueName=name,
        **{"Attribute.1.Name": "VisibilityTimeout", "Attribute.1.Value": "40"},
        **{"Tag.1.Key": "k", "Tag.1.Value": "v"},
    )
    assert status == 200
    url = only(xml, "QueueUrl")
    assert url == f"{engine.endpoint}/{ACCOUNT}/{name}"
    assert xml.startswith(
        '<CreateQueueResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><CreateQueueResult>'
    )
    _, xml = query("ListQueueTags", QueueUrl=url)
    assert "<Tag><Key>k</Key><Value>v</Value></Tag>" in xml
    _, xml = query("GetQueueAttributes", QueueUrl=url, **{"AttributeName.1": "VisibilityTimeout"})
    assert (
        "<GetQueueAttributesResult><Attribute><Name>VisibilityTimeout</Name><Value>40</Value>"
        "</Attribute></GetQueueAttributesResult>"
    ) in xml

    status, xml = query(
        "SendMessageBatch",
        QueueUrl=url,
        **{
            "SendMessageBatchRequestEntry.1.Id": "one",
            "SendMessageBatchRequestEntry.1.MessageBody": "a & b",
            "SendMessageBatchRequestEntry.1.MessageAttribute.1.Name": "Foo",
            "SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType": "String",
            "SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue": "Bar",
            "SendMessageBatchRequestEntry.2.Id": "two",
            "SendMessageBatchRequestEntry.2.MessageBody": "x",
            "SendMessageBatchRequestEntry.2.DelaySeconds": "901",
        },
    )
    assert status == 200
    assert "<SendMessageBatchResultEntry><Id>one</Id>" in xml
    assert "<BatchResultErrorEntry><Id>two</Id><SenderFault>true</SenderFault>" in xml
    assert only(xml, "MD5OfMessageAttributes") == "ae7155c6026991b6d54b11589678bf9c"
    _, xml = query(
        "ReceiveMessage",
        path=f"/{ACCOUNT}/{name}",
        **{"AttributeName.1": "ApproximateReceiveCount", "MessageAttributeName.1": "All"},
    )
    assert only(xml, "Body") == "a &amp; b"
    assert "<Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute>" in xml
    assert (
        "<MessageAttribute><Name>Foo</Name><Value><StringValue>Bar</StringValue>"
        "<DataType>String</DataType></Value></MessageAttribute>"
    ) in xml
    status, xml = query("DeleteMessage", QueueUrl=url, ReceiptHandle=only(xml, "ReceiptHandle"))
    assert status == 200 and only(xml, "RequestId")
    _, xml = query("ListQueues", method="GET", QueueNamePrefix=name)
    assert f"<ListQueuesResult><QueueUrl>{url}</QueueUrl></ListQueuesResult>" in xml
    assert query("DeleteQueue", QueueUrl=url)[0] == 200


def test_errors_of_the_query_protocol(query, engine):
    url = f"{engine.endpoint}/{ACCOUNT}/nowhere"
    status, xml = query("SendMessage", QueueUrl=url, MessageBody="x")
    assert status == 400
    assert (
        "<Error><Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>The "
        "specified queue does not exist for this wsdl version.</Message><Detail/></Error>"
    ) in xml
    status, xml = query("SendMessage", MessageBody="x")
    assert (status, only(xml, "Code")) == (400, "MissingParameter")
    assert only(xml, "Message") == "The request must contain the parameter QueueUrl."
    status, xml = query("Brew")
    assert (status, only(xml, "Code")) == (400, "InvalidAction")


def test_the_aws_cli(aws_cli, engine, names):
    # Version 1 of the CLI has an endpoint of its own for SQS, which only the option overrides.
    sqs = functools.partial(aws_cli("sqs"), "--endpoint-url", engine.endpoint)
    name = next(names)
    url = sqs("create-queue", "--queue-name", name, "--attributes", "DelaySeconds=0")["QueueUrl"]
    assert sqs("get-queue-url", "--queue-name", name)["QueueUrl"] == url
    assert url in sqs("list-queues", "--queue-name-prefix", name)["QueueUrls"]
    sent = sqs("send-message", "--queue-url", url, "--message-body", "hello")
    (message,) = sqs("receive-message", "--queue-url", url, "--wait-time-seconds", "1")["Messages"]
    assert message["MessageId"] == sent["MessageId"]
    assert message["Body"] == "hello"
    handle = message["ReceiptHandle"]
    assert sqs("delete-message", "--queue-url", url, "--receipt-handle", handle) is None
    assert sqs("receive-message", "--queue-url", url) is None
    failed = aws_cli("sqs").fails("--endpoint-url", engine.endpoint, "send-message", "--queue-url", url + "x", "--message-body", "hello")
    assert "AWS.SimpleQueueService.NonExistentQueue" in failed.stderr
    sqs("delete-queue", "--queue-url", url)
