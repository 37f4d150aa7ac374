"""Functions as boto3 sees them: created, shown, listed, updated, deleted."""

import re
import urllib.request

import pytest

from support import functions
from support.engine import ACCOUNT, REGION

# What AWS answers for a zip function, from recordings of its answers.
CONFIGURATION = {
    "Architectures",
    "CodeSha256",
    "CodeSize",
    "Description",
    "EphemeralStorage",
    "FunctionArn",
    "FunctionName",
    "Handler",
    "LastModified",
    "LoggingConfig",
    "MemorySize",
    "PackageType",
    "RevisionId",
    "Role",
    "Runtime",
    "RuntimeVersionConfig",
    "SnapStart",
    "State",
    "Timeout",
    "TracingConfig",
    "Version",
}
PENDING = {"StateReason", "StateReasonCode"}
UPDATED = {"LastUpdateStatus"}
UPDATING = UPDATED | {"LastUpdateStatusReason", "LastUpdateStatusReasonCode"}
# Lists leave out what describes a version's present state.
LISTED = CONFIGURATION - {"State", "RuntimeVersionConfig"}


def fields(response):
    """The members of an answer, but for what an active function's host cannot give."""
    local = {"StateReason"} if response.get("State") == "Active" else set()
    return set(response) - {"ResponseMetadata"} - local


def arn(name):
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def test_create_answers_with_the_whole_configuration(client, names):
    name, archive = next(names), functions.python(functions.ECHO)
    answer = client.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="main.handler",
        Role=functions.ROLE,
        Code={"ZipFile": archive},
    )
    try:
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
        assert fields(answer) | UPDATED == CONFIGURATION | PENDING | UPDATED
        assert answer["FunctionName"] == name
        assert answer["FunctionArn"] == arn(name)
        assert answer["Runtime"] == "python3.11"
        assert answer["Role"] == functions.ROLE
        assert answer["Handler"] == "main.handler"
        assert answer["CodeSha256"] == functions.code_sha256(archive)
        assert answer["CodeSize"] == len(archive)
        assert answer["Description"] == ""
        assert answer["Timeout"] == 3
        assert answer["MemorySize"] == 128
        assert answer["Version"] == "$LATEST"
        assert answer["State"] == "Pending"
        assert answer["StateReason"] == "The function is being created."
        assert answer["StateReasonCode"] == "Creating"
        assert answer["PackageType"] == "Zip"
        assert answer["Architectures"] == ["x86_64"]
        assert answer["EphemeralStorage"] == {"Size": 512}
        assert answer["TracingConfig"] == {"Mode": "PassThrough"}
        assert answer["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}
        assert answer["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"}
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer["RevisionId"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", answer["LastModified"])
        assert answer["RuntimeVersionConfig"]["RuntimeVersionArn"].startswith(
            f"arn:aws:lambda:{REGION}::runtime:"
        )
    finally:
        client.delete_function(FunctionName=name)


def test_get_function_shows_it_active_with_its_code(client, deploy):
    archive = functions.python(functions.ECHO)
    name = deploy(archive)
    answer = client.get_function(FunctionName=name)
    configuration = answer["Configuration"]
    assert fields(answer) == {"Code", "Configuration"}
    assert fields(configuration) == CONFIGURATION | UPDATED
    assert configuration["State"] == "Active"
    assert configuration["LastUpdateStatus"] == "Successful"
    assert set(answer["Code"]) == {"Location", "RepositoryType"}
    assert answer["Code"]["RepositoryType"] == "S3"
    # The address needs no credentials, as on AWS, where it is presigned.
    with urllib.request.urlopen(answer["Code"]["Location"], timeout=10) as download:
        assert download.read() == archive


def test_configuration_is_the_same_by_every_name(client, deploy):
    name = deploy()
    answers = [
        client.get_function_configuration(FunctionName=reference)
        for reference in (name, arn(name), f"{ACCOUNT}:function:{name}")
    ]
    for answer in answers:
        del answer["ResponseMetadata"]
    assert answers[0] == answers[1] == answers[2]
    assert set(answers[0]) == CONFIGURATION | UPDATED
    qualified = client.get_function_configuration(FunctionName=name, Qualifier="$LATEST")
    assert qualified["FunctionArn"] == f"{arn(name)}:$LATEST"


def test_what_was_asked_for_is_kept(client, deploy):
    name = deploy(
        Description="kept",
        Timeout=17,
        MemorySize=640,
        Environment={"Variables": {"COLOUR": "green", "EMPTY": ""}},
        EphemeralStorage={"Size": 1024},
        Architectures=["x86_64"],
        TracingConfig={"Mode": "Active"},
        Tags={"team": "numerics"},
    )
    answer = client.get_function(FunctionName=name)
    configuration = answer["Configuration"]
    assert configuration["Description"] == "kept"
    assert configuration["Timeout"] == 17
    assert configuration["MemorySize"] == 640
    assert configuration["Environment"] == {"Variables": {"COLOUR": "green", "EMPTY": ""}}
    assert configuration["EphemeralStorage"] == {"Size": 1024}
    assert configuration["TracingConfig"] == {"Mode": "Active"}
    assert answer["Tags"] == {"team": "numerics"}


def test_list_functions_holds_each_once_and_pages(client, deploy):
    created = {deploy() for _ in range(3)}
    pages = list(client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    assert all(len(page["Functions"]) <= 2 for page in pages)
    listed = [function["FunctionName"] for page in pages for function in page["Functions"]]
    assert len(listed) == len(set(listed))
    assert created <= set(listed)
    for page in pages:
        for function in page["Functions"]:
            assert LISTED <= fields(function)
            assert function["Version"] == "$LATEST"


def test_update_code_changes_the_answer_and_the_hash(client, deploy):
    name = deploy("def handler(event, context):\n    return 1\n")
    before = client.get_function_configuration(FunctionName=name)
    assert functions.invoke(client, name).value == 1
    archive = functions.python("def handler(event, context):\n    return 2\n")
    update = client.update_function_code(FunctionName=name, ZipFile=archive)
    assert update["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert fields(update) == CONFIGURATION | UPDATING
    assert update["State"] == "Active"
    assert update["LastUpdateStatus"] == "InProgress"
    assert update["LastUpdateStatusReason"] == "The function is being created."
    assert update["LastUpdateStatusReasonCode"] == "Creating"
    assert update["CodeSha256"] == functions.code_sha256(archive)
    functions.wait_updated(client, name)
    after = client.get_function_configuration(FunctionName=name)
    assert after["LastUpdateStatus"] == "Successful"
    assert after["RevisionId"] != before["RevisionId"]
    assert functions.invoke(client, name).value == 2


def test_update_code_dry_run_changes_nothing(client, deploy):
    name = deploy()
    before = client.get_function_configuration(FunctionName=name)
    archive = functions.python("def handler(event, context):\n    return 2\n")
    answer = client.update_function_code(FunctionName=name, ZipFile=archive, DryRun=True)
    assert answer["CodeSha256"] == functions.code_sha256(archive)
    after = client.get_function_configuration(FunctionName=name)
    assert after["CodeSha256"] == before["CodeSha256"]
    assert after["RevisionId"] == before["RevisionId"]


def test_update_configuration_changes_only_what_is_given(client, deploy):
    name = deploy(Environment={"Variables": {"KEEP": "1"}}, Description="old", Timeout=9)
    update = client.update_function_configuration(FunctionName=name, Description="new")
    assert update["LastUpdateStatus"] == "InProgress"
    functions.wait_updated(client, name)
    answer = client.get_function_configuration(FunctionName=name)
    assert answer["Description"] == "new"
    assert answer["Timeout"] == 9
    assert answer["Environment"] == {"Variables": {"KEEP": "1"}}


def test_an_updated_environment_reaches_the_next_invocation(client, deploy):
    source = """
        import os

        def handler(event, context):
            return os.environ["COLOUR"]
    """
    name = deploy(source, Environment={"Variables": {"COLOUR": "red"}})
    assert functions.invoke(client, name).value == "red"
    client.update_function_configuration(
        FunctionName=name, Environment={"Variables": {"COLOUR": "blue"}}
    )
    functions.wait_updated(client, name)
    assert functions.invoke(client, name).value == "blue"


@pytest.mark.parametrize("operation", ["update_function_configuration", "update_function_code"])
def test_an_update_of_an_old_revision_is_refused(client, deploy, operation):
    name = deploy()
    change = {
        "update_function_configuration": {"Description": "x"},
        "update_function_code": {"ZipFile": functions.python(functions.ECHO)},
    }[operation]
    with pytest.raises(client.exceptions.PreconditionFailedException) as refused:
        getattr(client, operation)(
            FunctionName=name, RevisionId="00000000-0000-4000-8000-000000000000", **change
        )
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


def test_delete_removes_the_function_and_its_name_is_free(client, deploy):
    name = deploy()
    answer = client.delete_function(FunctionName=name)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    for operation in (client.get_function, client.invoke, client.delete_function):
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            operation(FunctionName=name)
    again = deploy("def handler(event, context):\n    return 'again'\n", FunctionName=name)
    assert functions.invoke(client, again).value == "again"


def test_every_answer_names_its_request(client, echo):
    answers = [client.get_function(FunctionName=echo), client.get_function(FunctionName=echo)]
    requests = [answer["ResponseMetadata"]["RequestId"] for answer in answers]
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id_) for id_ in requests)
    assert requests[0] != requests[1]


def test_empty_values_clear_settings(client, deploy):
    queue = "arn:aws:sqs:us-east-1:000000000000:letters"
    name = deploy(DeadLetterConfig={"TargetArn": queue})
    assert client.get_function_configuration(FunctionName=name)["DeadLetterConfig"]
    client.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": ""})
    functions.wait_updated(client, name)
    assert "DeadLetterConfig" not in client.get_function_configuration(FunctionName=name)


def test_what_is_not_served_is_refused_by_name(client, names):
    arguments = functions.create_arguments(next(names), functions.python(functions.ECHO))
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="DurableConfig"):
        client.create_function(**arguments, DurableConfig={"ExecutionTimeout": 10})


def test_file_systems_need_a_vpc(client, names):
    arguments = functions.create_arguments(next(names), functions.python(functions.ECHO))
    system = {
        "Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-01234567890abcdef",
        "LocalMountPath": "/mnt/x",
    }
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="in a VPC"):
        client.create_function(**arguments, FileSystemConfigs=[system])


def test_other_accounts_do_what_the_policy_lets_them(engine, client, deploy):
    name = deploy()
    stranger = engine.client(access_key="111122223333")
    by_arn = {"FunctionName": arn(name)}
    for call in (stranger.invoke, stranger.get_function_configuration):
        with pytest.raises(stranger.exceptions.ClientError, match="AccessDenied"):
            call(**by_arn)
    client.add_permission(
        FunctionName=name,
        StatementId="stranger",
        Action="lambda:InvokeFunction",
        Principal="111122223333",
    )
    assert stranger.invoke(**by_arn)["StatusCode"] == 200
    with pytest.raises(stranger.exceptions.ClientError, match="AccessDenied"):
        stranger.get_function_configuration(**by_arn)
