"""STS: who somebody is, and credentials for a while."""

import datetime
import itertools

import pytest

from support import functions, identity
from support.engine import ACCOUNT
from support.identity import error_of, key_of, trust

ANYBODY = trust(f"arn:aws:iam::{ACCOUNT}:root")


@pytest.fixture(scope="module")
def sts(engine):
    return engine.client("sts")


@pytest.fixture(scope="module")
def iam(engine):
    return engine.client("iam")


@pytest.fixture(scope="module")
def fresh():
    return (f"sts-{number}" for number in itertools.count())


@pytest.fixture
def role(iam, fresh):
    name = next(fresh)
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=ANYBODY)["Role"]


def who(client):
    answer = client.get_caller_identity()
    return answer["UserId"], answer["Account"], answer["Arn"]


def test_any_credentials_are_the_root_users(sts):
    assert who(sts) == (ACCOUNT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")


def test_twelve_digits_are_the_root_user_of_that_account(engine):
    other = engine.client("sts", access_key="111122223333")
    assert who(other) == ("111122223333", "111122223333", "arn:aws:iam::111122223333:root")


def test_a_users_key_is_the_user(engine, iam, fresh):
    name = next(fresh)
    user = iam.create_user(UserName=name, Path="/team/")["User"]
    key = key_of(iam.create_access_key(UserName=name))
    signed = identity.client(engine, "sts", key)
    assert who(signed) == (user["UserId"], ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/team/{name}")
    assert signed.get_access_key_info(AccessKeyId=key[0])["Account"] == ACCOUNT
    own = identity.client(engine, "iam", key).get_user()["User"]
    assert own["UserName"] == name


def test_an_assumed_role_is_a_session_of_it(engine, sts, role):
    before = datetime.datetime.now(datetime.UTC)
    answer = sts.assume_role(
        RoleArn=role["Arn"], RoleSessionName="me", DurationSeconds=900
    )
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role['RoleName']}/me"
    assert answer["AssumedRoleUser"] == {"AssumedRoleId": f"{role['RoleId']}:me", "Arn": session}
    credentials = answer["Credentials"]
    assert credentials["AccessKeyId"].startswith("ASIA")
    left = (credentials["Expiration"] - before).total_seconds()
    assert 880 <= left <= 930
    signed = identity.client(engine, "sts", key_of(answer))
    assert who(signed) == (f"{role['RoleId']}:me", ACCOUNT, session)
    assert error_of(signed.get_session_token)[0] == "AccessDenied"


def test_sessions_have_their_limits(sts, role):
    def refused(**more):
        return error_of(
            sts.assume_role, **{"RoleArn": role["Arn"], "RoleSessionName": "me", **more}
        )

    assert refused(DurationSeconds=3601) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        400,
    )
    code, message, _ = refused(Policy="no policy")
    assert (code, message) == ("MalformedPolicyDocument", "Syntax errors in policy.")
    arn = f"arn:aws:iam::{ACCOUNT}:role/none"
    assert refused(RoleArn=arn) == (
        "AccessDenied",
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: sts:AssumeRole on "
        f"resource: {arn}",
        403,
    )
    code, message, _ = refused(RoleArn="arn:aws:s3:::a-bucket-of-a-name")
    assert (code, message) == ("ValidationError", "arn:aws:s3:::a-bucket-of-a-name is invalid")


def test_a_session_token_is_the_same_user_for_a_while(engine, iam, fresh):
    name = next(fresh)
    user = iam.create_user(UserName=name)["User"]
    key = key_of(iam.create_access_key(UserName=name))
    answer = identity.client(engine, "sts", key).get_session_token(DurationSeconds=1000)
    signed = identity.client(engine, "sts", key_of(answer))
    assert who(signed)[2] == user["Arn"]


def test_a_function_is_a_session_of_its_role(deploy, client, role):
    name = deploy(
        """
        import boto3
        def handler(event, context):
            answer = boto3.client("sts").get_caller_identity()
            return [answer["UserId"], answer["Account"], answer["Arn"]]
        """,
        Role=role["Arn"],
    )
    assert functions.invoke(client, name).value == [
        f"{role['RoleId']}:{name}",
        ACCOUNT,
        f"arn:aws:sts::{ACCOUNT}:assumed-role/{role['RoleName']}/{name}",
    ]


def test_a_function_whose_role_does_not_exist_is_a_session_all_the_same(deploy, client):
    name = deploy(
        """
        import boto3
        def handler(event, context):
            return boto3.client("sts").get_caller_identity()["Arn"]
        """
    )
    role = functions.ROLE.rpartition("/")[2]
    assert functions.invoke(client, name).value == (
        f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}"
    )


def test_a_session_of_the_aws_cli(aws_cli, role):
    aws = aws_cli("sts")
    assert aws("get-caller-identity")["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    answer = aws("assume-role", "--role-arn", role["Arn"], "--role-session-name", "cli")
    credentials = answer["Credentials"]
    found = aws(
        "get-caller-identity",
        AWS_ACCESS_KEY_ID=credentials["AccessKeyId"],
        AWS_SECRET_ACCESS_KEY=credentials["SecretAccessKey"],
        AWS_SESSION_TOKEN=credentials["SessionToken"],
    )
    assert found["Arn"].endswith(f":assumed-role/{role['RoleName']}/cli")
    assert found["Account"] == ACCOUNT
