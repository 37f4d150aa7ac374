"""Access keys, policies, and clients that sign with them."""

import json

import boto3
from botocore.config import Config

from support.engine import REGION

ROOT = ("LABROOT", "root-secret-of-the-tests")
LAMBDA_MAY_ASSUME = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def policy(*statements):
    """A document of those statements, each an effect, an action, a resource and conditions."""
    shaped = []
    for effect, action, resource, *conditions in statements:
        statement = {"Effect": effect, "Action": action, "Resource": resource}
        if conditions:
            (statement["Condition"],) = conditions
        shaped.append(statement)
    return json.dumps({"Version": "2012-10-17", "Statement": shaped})


def trust(arn):
    """Lets that principal of AWS assume a role."""
    statement = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def keys_file(folder, *more):
    """A file with the root user's key and further ones: id, secret, principal."""
    lines = []
    for key, secret, principal in [(*ROOT, "root"), *more]:
        lines += [
            "[[keys]]",
            f'access_key_id = "{key}"',
            f'secret_access_key = "{secret}"',
            f'principal = "{principal}"',
        ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "keys.toml"
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    return path


def client(engine, service, key=ROOT, **config):
    """A boto3 client that signs with `key`: id, secret and, of a session, token."""
    access_key, secret, *token = key
    return boto3.client(
        service,
        endpoint_url=engine.endpoint,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        aws_session_token=token[0] if token else None,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=60, **config),
    )


def key_of(created):
    """The key in an answer of CreateAccessKey, AssumeRole or GetSessionToken."""
    found = created.get("AccessKey") or created["Credentials"]
    token = [found["SessionToken"]] if "SessionToken" in found else []
    return (found["AccessKeyId"], found["SecretAccessKey"], *token)


def new_user(engine, name, *statements):
    """Makes a user with one inline policy of those statements, and a key of its own."""
    iam = client(engine, "iam")
    iam.create_user(UserName=name)
    if statements:
        document = policy(*statements)
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    return key_of(iam.create_access_key(UserName=name))


def error_of(call, *arguments, **more):
    """Code, message and status of the error that a call answers."""
    try:
        answer = call(*arguments, **more)
    except call.__self__.exceptions.ClientError as error:
        found = error.response
        status = found["ResponseMetadata"]["HTTPStatusCode"]
        return found["Error"]["Code"], found["Error"]["Message"], status
    raise AssertionError(f"the call was answered: {answer}")
