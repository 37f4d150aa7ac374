"""What is told of asynchronous invocations that have ended: destinations and dead letters."""

import json
from contextlib import closing

import pytest

from support import functions
from support.engine import ACCOUNT, REGION
from support.identity import LAMBDA_MAY_ASSUME, error_of, keys_file, policy
from support.identity import client as client_of
from support.waiting import eventually

# Succeeds, or fails as it is told.
WORK = """
    def handler(event, context):
        if event.get("fail"):
            raise ValueError("as it was told")
        return {"done": event["name"]}
"""

# Says on one line what it was given.
NOTE = """
    import json

    def handler(event, context):
        print("record " + json.dumps(event))
"""


# The same, in a log that outlives the engine: what a function prints is gone with one that is killed.
NOTE_FOR_GOOD = """
    import json
    import time

    import boto3

    logs = boto3.client("logs")
    PLACE = {"logGroupName": "/aws/lambda/note", "logStreamName": "notes"}

    def handler(event, context):
        line = "record " + json.dumps(event)
        made = {"timestamp": int(time.time() * 1000), "message": line}
        logs.put_log_events(**PLACE, logEvents=[made])
"""


def arn(name):
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def send(client, function, event, **more):
    """Sends an event and returns its request id."""
    answer = client.invoke(
        FunctionName=function, InvocationType="Event", Payload=json.dumps(event), **more
    )
    assert answer["StatusCode"] == 202
    return answer["ResponseMetadata"]["RequestId"]


def records(logs, function):
    """What the function has noted, by the request id of the event that it is about."""
    try:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{function}", filterPattern='"record "'
        )
        lines = [event["message"] for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return {}
    found = [json.loads(line.removeprefix("record ")) for line in lines]
    return {record["requestContext"]["requestId"]: record for record in found}


@pytest.fixture(scope="session")
def logs(engine):
    return engine.client("logs")


@pytest.fixture
def note(deploy):
    """A function that notes what it gets."""
    return deploy(NOTE)


@pytest.fixture
def work(deploy, client, note):
    """A function whose outcomes go to `note`, and fails once only."""
    name = deploy(WORK)
    client.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={
            "OnSuccess": {"Destination": arn(note)},
            "OnFailure": {"Destination": arn(note)},
        },
    )
    return name


def record_of(logs, note, request_id):
    return eventually(lambda: records(logs, note).get(request_id), "the record arrives")


def test_a_success_is_told(client, logs, work, note):
    sent = send(client, work, {"name": "a", "number": 1.5})
    record = record_of(logs, note, sent)
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": sent,
            "functionArn": arn(work) + ":$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"name": "a", "number": 1.5},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"done": "a"},
    }


def test_a_failure_is_told_once_its_retries_are_exhausted(client, logs, work, note):
    sent = send(client, work, {"fail": True})
    record = record_of(logs, note, sent)
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["requestPayload"] == {"fail": True}
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert record["responsePayload"]["errorMessage"] == "as it was told"


def test_an_age_that_the_next_attempt_would_exceed_ends_an_event(client, logs, work, note):
    client.update_function_event_invoke_config(
        FunctionName=work, MaximumRetryAttempts=2, MaximumEventAgeInSeconds=60
    )
    record = record_of(logs, note, send(client, work, {"fail": True}))
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 1


def test_an_event_of_an_alias_has_the_alias_s_configuration(client, logs, work, note):
    version = client.publish_version(FunctionName=work)["Version"]
    client.create_alias(FunctionName=work, Name="live", FunctionVersion=version)
    # Nobody is told of what becomes of the events of the alias, until somebody is to be.
    send(client, work, {"name": "untold"}, Qualifier="live")
    client.put_function_event_invoke_config(
        FunctionName=work,
        Qualifier="live",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": arn(note)}},
    )
    send(client, work, {"name": "untold, too"}, Qualifier="live")
    sent = send(client, work, {"fail": True}, Qualifier="live")
    record = record_of(logs, note, sent)
    assert record["requestContext"]["functionArn"] == arn(work) + ":live"
    assert record["responseContext"]["executedVersion"] == version
    assert records(logs, note).keys() == {sent}


def test_a_function_that_may_not_run_gives_its_events_up_where_somebody_is_told(
    client, logs, work, note
):
    client.put_function_concurrency(FunctionName=work, ReservedConcurrentExecutions=0)
    record = record_of(logs, note, send(client, work, {"name": "never"}))
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responseContext" not in record


def test_the_configuration_of_what_is_deleted_goes_with_it(client, work):
    client.publish_version(FunctionName=work)
    client.create_alias(FunctionName=work, Name="live", FunctionVersion="1")
    for qualifier in ("live", "1"):
        client.put_function_event_invoke_config(
            FunctionName=work, Qualifier=qualifier, MaximumRetryAttempts=1
        )
    client.delete_alias(FunctionName=work, Name="live")
    client.delete_function(FunctionName=work, Qualifier="1")
    (kept,) = client.list_function_event_invoke_configs(FunctionName=work)[
        "FunctionEventInvokeConfigs"
    ]
    assert kept["FunctionArn"] == arn(work) + ":$LATEST"


def test_configurations_are_listed_by_pages(client, deploy):
    name = deploy()
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    for qualifier in ("$LATEST", "1", "live"):
        client.put_function_event_invoke_config(
            FunctionName=name, Qualifier=qualifier, MaximumRetryAttempts=1
        )
    pages = client.get_paginator("list_function_event_invoke_configs").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 2}
    )
    pages = [
        [config["FunctionArn"].rpartition(":")[2] for config in page["FunctionEventInvokeConfigs"]]
        for page in pages
    ]
    assert pages == [["$LATEST", "1"], ["live"]]


def test_queues_are_told(engine, client, deploy, names):
    sqs = engine.client("sqs")
    url = sqs.create_queue(QueueName=next(names))["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    queue = queue["Attributes"]["QueueArn"]
    name = deploy(WORK, DeadLetterConfig={"TargetArn": queue})
    client.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": queue}},
    )
    sent = send(client, name, {"fail": True})
    found = []

    def both():
        answer = sqs.receive_message(
            QueueUrl=url, WaitTimeSeconds=5, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        found.extend(answer.get("Messages", []))
        return len(found) == 2

    eventually(both, "the record and the dead letter arrive")
    letter, record = sorted(found, key=lambda message: len(message["Body"]))
    assert json.loads(record["Body"])["requestContext"]["requestId"] == sent
    assert "MessageAttributes" not in record
    assert json.loads(letter["Body"]) == {"fail": True}
    said = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert said == {"RequestID": sent, "ErrorCode": "200", "ErrorMessage": "as it was told"}
    sqs.delete_queue(QueueUrl=url)


def test_what_cannot_be_delivered_is_said_and_counted(engine, client, deploy):
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:nowhere"
    name = deploy(WORK, DeadLetterConfig={"TargetArn": queue})
    client.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": queue}},
    )
    before = engine.health()["destination_delivery_failures"]
    send(client, name, {"fail": True})
    eventually(
        lambda: engine.health()["destination_delivery_failures"] == before + 2,
        "the record and the dead letter are given up",
    )
    assert "could not be delivered" in engine.output()


def test_records_are_delivered_in_the_function_s_role(own_engine, tmp_path):
    engine = own_engine("--auth", keys_file(tmp_path / "keys"), "--enforce-iam")
    iam, owner, logs = (client_of(engine, service) for service in ("iam", "lambda", "logs"))
    role = functions.ROLE.rpartition("/")[2]
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=LAMBDA_MAY_ASSUME)
    for name, source in (("work", WORK), ("note", NOTE)):
        owner.create_function(**functions.create_arguments(name, functions.python(source)))
        functions.wait_active(owner, name)
    told = {
        "FunctionName": "work",
        "DestinationConfig": {"OnSuccess": {"Destination": arn("note")}},
    }
    assert error_of(owner.put_function_event_invoke_config, **told) == (
        "InvalidParameterValueException",
        "The function's execution role does not have permissions to call InvokeFunction on "
        + arn("note"),
        400,
    )
    allowed = policy(("Allow", "lambda:InvokeFunction", arn("note")))
    own = {"RoleName": role, "PolicyName": "own"}
    iam.put_role_policy(**own, PolicyDocument=allowed)
    owner.put_function_event_invoke_config(**told)
    iam.delete_role_policy(**own)
    send(owner, "work", {"name": "refused"})
    eventually(
        lambda: "lambda:InvokeFunction on resource" in engine.output(),
        "the role may not call the destination any more",
    )
    iam.put_role_policy(**own, PolicyDocument=allowed)
    sent = send(owner, "work", {"name": "allowed"})
    record_of(logs, "note", sent)
    assert records(logs, "note").keys() == {sent}

    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:letters"
    letters = {"DeadLetterConfig": {"TargetArn": queue}}
    refusal = (
        "InvalidParameterValueException",
        "The provided execution role does not have permissions to call SendMessage on SQS",
        400,
    )
    code = functions.python(WORK)
    created = functions.create_arguments("other", code, **letters)
    assert error_of(owner.create_function, **created) == refusal
    change = owner.update_function_configuration
    assert error_of(change, FunctionName="work", **letters) == refusal
    may_send = policy(("Allow", "sqs:SendMessage", queue))
    iam.put_role_policy(RoleName=role, PolicyName="letters", PolicyDocument=may_send)
    assert change(FunctionName="work", **letters)["DeadLetterConfig"] == {"TargetArn": queue}
    functions.wait_updated(owner, "work")
    iam.create_role(RoleName="silent", AssumeRolePolicyDocument=LAMBDA_MAY_ASSUME)
    silent = f"arn:aws:iam::{ACCOUNT}:role/silent"
    assert error_of(change, FunctionName="work", Role=silent) == refusal, "the letters stay"
    change(FunctionName="work", Role=silent, DeadLetterConfig={"TargetArn": ""})


def test_what_is_to_be_told_survives_a_kill(own_engine):
    engine = own_engine()
    with closing(engine.client("logs")) as logs:
        logs.create_log_group(logGroupName="/aws/lambda/note")
        logs.create_log_stream(logGroupName="/aws/lambda/note", logStreamName="notes")
    with closing(engine.client()) as client:
        for name, source in (("work", WORK), ("note", NOTE_FOR_GOOD)):
            client.create_function(**functions.create_arguments(name, functions.python(source)))
            functions.wait_active(client, name)
        client.put_function_event_invoke_config(
            FunctionName="work",
            MaximumRetryAttempts=0,
            DestinationConfig={
                side: {"Destination": arn("note")} for side in ("OnSuccess", "OnFailure")
            },
        )
        # The first answer is there, so records are on their way when the engine dies.
        first = send(client, "work", {"name": "first"})
        eventually(
            lambda: records(engine.client("logs"), "note").get(first), "records come", timeout=60
        )
        sent = {send(client, "work", {"name": n, "fail": n % 2 == 1}) for n in range(60)}
    engine.kill()
    engine.start()
    with closing(engine.client("logs")) as logs:
        eventually(
            lambda: records(logs, "note").keys() >= sent,
            "every event that was accepted is told of",
            timeout=60,
        )
        found = records(logs, "note")
    conditions = {found[request]["requestContext"]["condition"] for request in sent}
    assert conditions == {"Success", "RetriesExhausted"}
