"""`--auth` and `--enforce-iam`: who a caller really is, and what it may do."""

import datetime
import http.client
import itertools
import json
import os
import subprocess
import urllib.parse

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import functions, raw
from support.engine import ACCOUNT, BINARY, REGION, Engine, command_environment
from support.identity import (
    LAMBDA_MAY_ASSUME,
    ROOT,
    client,
    error_of,
    key_of,
    keys_file,
    new_user,
    policy,
    trust,
)

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)
CALLS_ANOTHER = """
    import json, boto3, botocore.exceptions
    def handler(event, context):
        try:
            answer = boto3.client("lambda").invoke(
                FunctionName=event["call"], Payload=json.dumps("hello")
            )
        except botocore.exceptions.ClientError as error:
            return [error.response["Error"]["Code"], error.response["Error"]["Message"]]
        return json.loads(answer["Payload"].read())
"""


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Starts engines for the module."""
    engines = []

    def start(*arguments, **more):
        folder = tmp_path_factory.mktemp("auth")
        engine = Engine(folder / "data", "--auth", keys_file(folder), *arguments, **more)
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        engine.close()


@pytest.fixture(scope="module")
def verifying(start):
    """An engine that verifies signatures."""
    return start()


@pytest.fixture(scope="module")
def enforcing(start):
    """An engine that enforces policies, too; functions there need a role that exists."""
    engine = start("--enforce-iam")
    client(engine, "iam").create_role(
        RoleName=functions.ROLE.rpartition("/")[2], AssumeRolePolicyDocument=LAMBDA_MAY_ASSUME
    )
    return engine


@pytest.fixture(scope="module")
def fresh():
    return (f"auth-{number}" for number in itertools.count())


def function(engine, name, source=functions.ECHO, role=None):
    """A function that is active."""
    owner = client(engine, "lambda")
    arguments = functions.create_arguments(name, functions.python(source))
    if role:
        arguments["Role"] = role
    owner.create_function(**arguments)
    functions.wait_active(owner, name)
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def signed(engine, path, body=b"{}", *, key=ROOT, service="lambda", presign=False):
    """A signed POST, as botocore makes it, or a presigned GET: path with query, and headers."""
    method = "GET" if presign else "POST"
    request = AWSRequest(method=method, url=engine.endpoint + path, data=None if presign else body)
    signer = SigV4QueryAuth if presign else SigV4Auth
    signer(Credentials(*key), service, REGION).add_auth(request)
    prepared = request.prepare()
    target = urllib.parse.urlsplit(prepared.url)
    return f"{target.path}?{target.query}".rstrip("?"), dict(prepared.headers)


def send(engine, path, headers, body=None):
    """Sends it as it is: with a body by POST, else by GET."""
    connection = http.client.HTTPConnection(*engine.address, timeout=20)
    try:
        connection.request("GET" if body is None else "POST", path, body, headers)
        return raw.Answer(connection.getresponse())
    finally:
        connection.close()


INVOKE_NONE = "/2015-03-31/functions/none/invocations"


def test_the_right_secret_is_let_in(verifying):
    sts = client(verifying, "sts")
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert client(verifying, "lambda").list_functions()["Functions"] == []
    assert client(verifying, "logs").describe_log_groups()["logGroups"] == []


def test_a_wrong_secret_and_an_unknown_key_are_not(verifying):
    wrong = (ROOT[0], "not-the-secret")
    assert error_of(client(verifying, "lambda", wrong).list_functions) == (
        "InvalidSignatureException",
        MISMATCH,
        403,
    )
    assert error_of(client(verifying, "iam", wrong).list_roles) == (
        "SignatureDoesNotMatch",
        MISMATCH,
        403,
    )
    nobody = ("NOBODY", "not-the-secret")
    message = "The security token included in the request is invalid."
    assert error_of(client(verifying, "lambda", nobody).list_functions) == (
        "UnrecognizedClientException",
        message,
        403,
    )
    assert error_of(client(verifying, "sts", nobody).get_caller_identity) == (
        "InvalidClientTokenId",
        message,
        403,
    )


def test_whoever_is_not_known_is_refused_before_the_body_is_read(verifying):
    head = (
        f"POST {INVOKE_NONE} HTTP/1.1\r\nHost: {verifying.address[0]}:{verifying.address[1]}\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=NOBODY/20261122/us-east-1/lambda/aws4_request, "
        f"SignedHeaders=host, Signature={'0' * 64}\r\nX-Amz-Date: 20261122T000000Z\r\n"
        "Content-Length: 6000000\r\nConnection: close\r\n\r\n"
    )
    # The body never comes: an engine that waited for it would answer nothing.
    answer = raw.send(verifying.address, head.encode(), half_close=False)
    assert answer.startswith(b"HTTP/1.1 403"), answer
    assert b"UnrecognizedClientException" in answer


def test_what_was_signed_is_what_must_arrive(verifying):
    path, headers = signed(verifying, INVOKE_NONE, b'{"pay": 1}')
    answer = send(verifying, path, headers, b'{"pay": 1}')
    assert answer.headers["x-amzn-errortype"] == "ResourceNotFoundException"
    answer = send(verifying, path, headers, b'{"pay": 9}')
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")
    other = path.replace("/none/", "/some/")
    answer = send(verifying, other, headers, b'{"pay": 1}')
    assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException"
    answer = send(verifying, path + "?Qualifier=1", headers, b'{"pay": 1}')
    assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException"
    added = {**headers, "X-Amz-Invocation-Type": "Event"}
    answer = send(verifying, path, added, b'{"pay": 1}')
    assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("minutes", "expected"), [(-16, "Signature expired: "), (16, "Signature not yet current: ")]
)
def test_clocks_may_not_be_far_apart(verifying, monkeypatch, minutes, expected):
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: then)
    code, message, status = error_of(client(verifying, "lambda").list_functions)
    assert (code, status) == ("InvalidSignatureException", 403)
    assert message.startswith(expected), message


def test_a_presigned_url_is_good_for_its_time(verifying, monkeypatch):
    path, _ = signed(verifying, "/2015-03-31/functions/", presign=True)
    answer = send(verifying, path, {})
    assert answer.status == 200, answer
    answer = send(verifying, path.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200"), {})
    assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException"
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1, minutes=1)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: then)
    path, _ = signed(verifying, "/2015-03-31/functions/", presign=True)
    answer = send(verifying, path, {})
    assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException"
    assert "Signature expired" in answer.body.decode()


def test_nobody_calls_as_another_than_who_signed(verifying, fresh):
    """A second key beside the one that signed must not become the caller."""
    key = new_user(verifying, next(fresh))
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    path, headers = signed(verifying, "/", body, key=key, service="sts")
    answer = send(verifying, path, {**headers, **form}, body)
    assert answer.status == 200 and b":user/" in answer.body
    day = headers["X-Amz-Date"][:8]
    for other in ("NOBODY", "111122223333", ROOT[0]):
        claim = f"Credential={other}/{day}/us-east-1/sts/aws4_request"
        algorithm, _, rest = headers["Authorization"].partition(" ")
        for said in (f"{claim}, {rest}", f"{rest}, {claim}"):
            twice = {**headers, **form, "Authorization": f"{algorithm} {said}"}
            answer = send(verifying, path, twice, body)
            assert answer.status == 403, answer
            assert b"<Code>IncompleteSignature</Code>" in answer.body
    asked = "/?Action=GetCallerIdentity&Version=2011-06-15"
    path, _ = signed(verifying, asked, key=key, service="sts", presign=True)
    answer = send(verifying, path, {})
    assert answer.status == 200 and b":user/" in answer.body
    claim = urllib.parse.quote(f"{ROOT[0]}/{day}/us-east-1/sts/aws4_request", safe="")
    for name in ("X-Amz-Credential", "X-Amz%2DCredential"):
        answer = send(verifying, f"{path}&{name}={claim}", {})
        assert answer.headers["x-amzn-errortype"] == "IncompleteSignatureException"
        front = path.replace("?", f"?{name}={claim}&")
        assert send(verifying, front, {}).status == 403
    # Hidden from whoever looks for the plain name, the key that signed is still the one that calls.
    hidden = path.replace("X-Amz-Credential=", "X-Amz%2DCredential=")
    answer = send(verifying, hidden, {})
    assert answer.status == 200 and b":user/" in answer.body


def test_keys_that_iam_and_sts_hand_out_count(verifying, fresh):
    name = next(fresh)
    iam = client(verifying, "iam")
    key = new_user(verifying, name)
    own = client(verifying, "sts", key)
    assert own.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"

    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=LAMBDA_MAY_ASSUME)["Role"]
    session = key_of(own.assume_role(RoleArn=role["Arn"], RoleSessionName="me"))
    arn = client(verifying, "sts", session).get_caller_identity()["Arn"]
    assert arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/me"
    # Temporary credentials are three: without the token, or with another one, they are none.
    for made_up in (session[:2], (*session[:2], "made-up")):
        code, _, _ = error_of(client(verifying, "sts", made_up).get_caller_identity)
        assert code == "InvalidClientTokenId"

    iam.update_access_key(UserName=name, AccessKeyId=key[0], Status="Inactive")
    assert error_of(own.get_caller_identity)[0] == "InvalidClientTokenId"
    iam.update_access_key(UserName=name, AccessKeyId=key[0], Status="Active")
    own.get_caller_identity()
    iam.delete_access_key(UserName=name, AccessKeyId=key[0])
    assert error_of(own.get_caller_identity)[0] == "InvalidClientTokenId"


def test_credentials_outlive_the_engine(start, fresh):
    engine = start()
    name = next(fresh)
    key = new_user(engine, name)
    session = key_of(client(engine, "sts", key).get_session_token())
    engine.kill()
    engine.start()
    for kept in (key, session):
        arn = client(engine, "sts", kept).get_caller_identity()["Arn"]
        assert arn == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    mode = (engine.data_dir / "control.db").stat().st_mode
    assert mode & 0o777 == 0o600
    for secret in (key[1], session[1], ROOT[1]):
        assert secret not in engine.output()


def test_functions_sign_with_what_they_find(verifying, fresh):
    called, caller = next(fresh), next(fresh)
    function(verifying, called)
    function(verifying, caller, CALLS_ANOTHER)
    answer = functions.invoke(client(verifying, "lambda"), caller, {"call": called})
    assert answer.value == "hello"


def test_permission_is_needed_and_enough(enforcing, fresh):
    name = next(fresh)
    arn = function(enforcing, name)
    key = new_user(enforcing, name, ("Allow", "lambda:InvokeFunction", arn))
    user = client(enforcing, "lambda", key)
    assert functions.invoke(user, name, [1]).value == [1]
    assert error_of(user.get_function, FunctionName=name) == (
        "AccessDeniedException",
        f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: "
        f"lambda:GetFunction on resource: {arn} because no identity-based policy allows the "
        "lambda:GetFunction action",
        403,
    )
    assert error_of(client(enforcing, "iam", key).list_roles) == (
        "AccessDenied",
        f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: iam:ListRoles on "
        f"resource: arn:aws:iam::{ACCOUNT}:role/ because no identity-based policy allows the "
        "iam:ListRoles action",
        403,
    )
    assert error_of(client(enforcing, "logs", key).describe_log_groups)[0] == "AccessDeniedException"
    # Who somebody is may always be asked.
    client(enforcing, "sts", key).get_caller_identity()


def test_a_denial_wins(enforcing, fresh):
    name = next(fresh)
    arn = function(enforcing, name)
    key = new_user(
        enforcing,
        name,
        ("Allow", "*", "*"),
        ("Deny", "lambda:Get*", "arn:aws:lambda:*:*:function:" + name),
    )
    user = client(enforcing, "lambda", key)
    user.list_functions()
    code, message, _ = error_of(user.get_function_configuration, FunctionName=name)
    assert code == "AccessDeniedException"
    assert message == (
        f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: "
        f"lambda:GetFunctionConfiguration on resource: {arn} with an explicit deny in an "
        "identity-based policy"
    )


def test_changes_of_policies_count_at_once(enforcing, fresh):
    name = next(fresh)
    key = new_user(enforcing, name)
    user, iam = client(enforcing, "lambda", key), client(enforcing, "iam")
    assert error_of(user.list_functions)[0] == "AccessDeniedException"
    read = "arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess"
    iam.attach_user_policy(UserName=name, PolicyArn=read)
    user.list_functions()
    iam.detach_user_policy(UserName=name, PolicyArn=read)
    assert error_of(user.list_functions)[0] == "AccessDeniedException"


def test_conditions_are_asked(enforcing, fresh):
    name = next(fresh)
    arn = function(enforcing, name)
    only_here = {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}
    tagged = {"StringEquals": {"aws:ResourceTag/team": "a"}}
    key = new_user(
        enforcing,
        name,
        ("Allow", "lambda:GetFunction*", "*", {**only_here, **tagged}),
        ("Allow", "lambda:ListFunctions", "*", {"Bool": {"aws:SecureTransport": "true"}}),
    )
    user = client(enforcing, "lambda", key)
    assert error_of(user.list_functions)[0] == "AccessDeniedException"
    assert error_of(user.get_function, FunctionName=name)[0] == "AccessDeniedException"
    client(enforcing, "lambda").tag_resource(Resource=arn, Tags={"team": "a"})
    assert user.get_function(FunctionName=name)["Tags"] == {"team": "a"}


def test_the_operation_decides_what_it_is_about(enforcing, fresh):
    """Members that an operation does not have are none of the request."""
    mine, admin = next(fresh), next(fresh)
    new_user(enforcing, admin)
    policies = f"arn:aws:iam::{ACCOUNT}:policy/"
    key = new_user(enforcing, mine, ("Allow", "iam:*", f"arn:aws:iam::{ACCOUNT}:role/{mine}"))
    document = urllib.parse.quote(policy(("Allow", "*", "*")))
    for operation, more in [
        ("CreateAccessKey", f"UserName={admin}"),
        ("PutUserPolicy", f"UserName={admin}&PolicyName=all&PolicyDocument={document}"),
        ("AttachUserPolicy", f"UserName={admin}&PolicyArn={policies}p"),
        ("CreatePolicyVersion", f"PolicyArn={policies}p&PolicyDocument={document}"),
    ]:
        body = f"Action={operation}&Version=2010-05-08&{more}&RoleName={mine}".encode()
        path, headers = signed(enforcing, "/", body, key=key, service="iam")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = send(enforcing, path, {**headers, **form}, body)
        assert answer.status == 403, answer
        assert f"iam:{operation} on resource".encode() in answer.body
    iam = client(enforcing, "iam")
    assert len(iam.list_access_keys(UserName=admin)["AccessKeyMetadata"]) == 1


def test_another_partition_is_no_way_around_a_denial(enforcing, fresh):
    name = next(fresh)
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"
    client(enforcing, "logs").create_log_group(logGroupName=name)
    layer = client(enforcing, "lambda").publish_layer_version(
        LayerName=name, Content={"ZipFile": functions.python(functions.ECHO)}
    )["LayerVersionArn"]
    key = new_user(
        enforcing, name, ("Allow", "*", "*"), ("Deny", "*", f"{group}*"), ("Deny", "*", layer)
    )
    logs, user = client(enforcing, "logs", key), client(enforcing, "lambda", key)
    for arn in (group, group.replace(":aws:", ":aws-cn:")):
        found = error_of(logs.filter_log_events, logGroupIdentifier=arn)
        assert found[0] == "AccessDeniedException"
        found = error_of(logs.tag_resource, resourceArn=arn, tags={"a": "b"})
        assert found[0] == "AccessDeniedException"
    for arn in (layer, layer.replace(":aws:", ":aws-cn:")):
        found = error_of(user.get_layer_version_by_arn, Arn=arn)
        assert found[0] == "AccessDeniedException"
        found = error_of(
            user.delete_layer_version, LayerName=arn.rpartition(":")[0], VersionNumber=1
        )
        assert found[0] == "AccessDeniedException"


def test_the_functions_own_policy_permits_too(enforcing, fresh):
    name = next(fresh)
    function(enforcing, name)
    key = new_user(enforcing, name)
    user, owner = client(enforcing, "lambda", key), client(enforcing, "lambda")
    assert error_of(user.invoke, FunctionName=name)[0] == "AccessDeniedException"
    owner.add_permission(
        FunctionName=name,
        StatementId="user",
        Action="lambda:InvokeFunction",
        Principal=f"arn:aws:iam::{ACCOUNT}:user/{name}",
    )
    assert functions.invoke(user, name, [1]).value == [1]
    assert error_of(user.get_function, FunctionName=name)[0] == "AccessDeniedException"


def test_a_boundary_limits(enforcing, fresh):
    name = next(fresh)
    iam = client(enforcing, "iam")
    bound = iam.create_policy(
        PolicyName=name, PolicyDocument=policy(("Allow", "lambda:List*", "*"))
    )["Policy"]["Arn"]
    iam.create_user(UserName=name, PermissionsBoundary=bound)
    iam.attach_user_policy(
        UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
    )
    user = client(enforcing, "lambda", key_of(iam.create_access_key(UserName=name)))
    user.list_functions()
    code, message, _ = error_of(user.get_account_settings)
    assert code == "AccessDeniedException"
    assert message.endswith(
        "because no permissions boundary allows the lambda:GetAccountSettings action"
    )


def test_trust_decides_who_assumes_a_role(enforcing, fresh):
    name, stranger = next(fresh), next(fresh)
    iam = client(enforcing, "iam")
    key = new_user(enforcing, name)
    other = new_user(enforcing, stranger, ("Allow", "sts:AssumeRole", "*"))
    arn = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=trust(f"arn:aws:iam::{ACCOUNT}:user/{name}")
    )["Role"]["Arn"]
    iam.put_role_policy(
        RoleName=name,
        PolicyName="own",
        PolicyDocument=policy(("Allow", "lambda:*", "*")),
    )
    assert error_of(
        client(enforcing, "sts", other).assume_role, RoleArn=arn, RoleSessionName="me"
    ) == (
        "AccessDenied",
        f"User: arn:aws:iam::{ACCOUNT}:user/{stranger} is not authorized to perform: "
        f"sts:AssumeRole on resource: {arn}",
        403,
    )
    sts = client(enforcing, "sts", key)
    session = client(
        enforcing, "lambda", key_of(sts.assume_role(RoleArn=arn, RoleSessionName="me"))
    )
    session.list_functions()
    session.get_account_settings()
    limited = sts.assume_role(
        RoleArn=arn, RoleSessionName="me", Policy=policy(("Allow", "lambda:List*", "*"))
    )
    session = client(enforcing, "lambda", key_of(limited))
    session.list_functions()
    code, message, _ = error_of(session.get_account_settings)
    assert code == "AccessDeniedException"
    assert message.startswith(f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{name}/me is not")
    assert "because no session policy allows" in message


def test_what_a_session_is_tagged_with_needs_permission(enforcing, fresh):
    name = next(fresh)
    iam = client(enforcing, "iam")
    sts = client(enforcing, "sts", new_user(enforcing, name))
    user = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(user))["Role"]["Arn"]
    who = {"RoleArn": arn, "RoleSessionName": "me"}
    tags = {"Tags": [{"Key": "team", "Value": "a"}]}
    sts.assume_role(**who)
    for more, action in [(tags, "TagSession"), ({"SourceIdentity": "me"}, "SetSourceIdentity")]:
        assert error_of(sts.assume_role, **who, **more) == (
            "AccessDenied",
            f"User: {user} is not authorized to perform: sts:{action} on resource: {arn}",
            403,
        )
    only_a = {"StringEquals": {"aws:RequestTag/team": "a"}, "Null": {"aws:TagKeys": "false"}}
    statements = [
        {"Action": "sts:AssumeRole"},
        {"Action": "sts:TagSession", "Condition": only_a},
        {"Action": "sts:SetSourceIdentity"},
    ]
    allow = {"Effect": "Allow", "Principal": {"AWS": user}}
    document = {"Version": "2012-10-17", "Statement": [{**allow, **one} for one in statements]}
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(document))
    sts.assume_role(**who, **tags, SourceIdentity="me")
    other = [{"Key": "team", "Value": "b"}]
    assert error_of(sts.assume_role, **who, Tags=other)[0] == "AccessDenied"
    twice = [{"Key": "team", "Value": "a"}, {"Key": "Team", "Value": "a"}]
    assert error_of(sts.assume_role, **who, Tags=twice)[0] == "ValidationError"


def test_trust_is_asked_about_the_circumstances(enforcing, fresh):
    name = next(fresh)
    iam = client(enforcing, "iam")
    key = new_user(enforcing, name)
    sts = client(enforcing, "sts", key)
    allow = json.loads(trust(f"arn:aws:iam::{ACCOUNT}:user/{name}"))
    (statement,) = allow["Statement"]
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(allow))["Role"]["Arn"]
    for condition, allowed in [
        ({"DateLessThan": {"aws:CurrentTime": "2100-01-01T00:00:00Z"}}, True),
        ({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, False),
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        ({"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
    ]:
        document = {**allow, "Statement": [{**statement, "Condition": condition}]}
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(document))
        if allowed:
            sts.assume_role(RoleArn=arn, RoleSessionName="me")
        else:
            found = error_of(sts.assume_role, RoleArn=arn, RoleSessionName="me")
            assert found[0] == "AccessDenied", condition
    # A denial by address counts, too.
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(allow))
    here = {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}
    iam.put_user_policy(
        UserName=name,
        PolicyName="not-from-here",
        PolicyDocument=policy(("Deny", "sts:AssumeRole", "*", here)),
    )
    found = error_of(sts.assume_role, RoleArn=arn, RoleSessionName="me")
    assert found[0] == "AccessDenied"


def test_a_layer_is_attached_only_with_permission(enforcing, fresh):
    name = next(fresh)
    owner = client(enforcing, "lambda")
    layer = owner.publish_layer_version(
        LayerName=name, Content={"ZipFile": functions.python(functions.ECHO)}
    )["LayerVersionArn"]
    role = functions.ROLE
    all_functions = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:*"
    may = [("Allow", "lambda:*", all_functions), ("Allow", "iam:PassRole", role)]
    user = client(enforcing, "lambda", new_user(enforcing, name, *may))
    package = functions.python(functions.ECHO)
    arguments = functions.create_arguments(name, package)
    code, message, _ = error_of(user.create_function, **arguments, Layers=[layer])
    assert code == "AccessDeniedException"
    assert f"perform: lambda:GetLayerVersion on resource: {layer}" in message
    user.create_function(**arguments)
    functions.wait_active(owner, name)
    found = error_of(user.update_function_configuration, FunctionName=name, Layers=[layer])
    assert found[0] == "AccessDeniedException"
    client(enforcing, "iam").put_user_policy(
        UserName=name,
        PolicyName="layer",
        PolicyDocument=policy(("Allow", "lambda:GetLayerVersion", layer)),
    )
    user.update_function_configuration(FunctionName=name, Layers=[layer])


def test_a_role_is_passed_only_with_permission(enforcing, fresh):
    name = next(fresh)
    role = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    key = new_user(enforcing, name, ("Allow", "lambda:*", "*"))
    user = client(enforcing, "lambda", key)
    arguments = functions.create_arguments(name, functions.python(functions.ECHO), Role=role)
    code, message, _ = error_of(user.create_function, **arguments)
    assert code == "AccessDeniedException"
    assert message == (
        f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: iam:PassRole on "
        f"resource: {role} because no identity-based policy allows the iam:PassRole action"
    )
    to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    iam = client(enforcing, "iam")
    iam.put_user_policy(
        UserName=name,
        PolicyName="pass",
        PolicyDocument=policy(("Allow", "iam:PassRole", role, to_lambda)),
    )
    # It may be passed; it must also be there, and trust Lambda.
    refused = (
        "InvalidParameterValueException",
        "The role defined for the function cannot be assumed by Lambda.",
        400,
    )
    assert error_of(user.create_function, **arguments) == refused
    iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=trust(f"arn:aws:iam::{ACCOUNT}:user/{name}")
    )
    assert error_of(user.create_function, **arguments) == refused
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=LAMBDA_MAY_ASSUME)
    user.create_function(**arguments)


def test_a_function_may_what_its_role_may(enforcing, fresh):
    name, called, caller = next(fresh), next(fresh), next(fresh)
    iam, owner = client(enforcing, "iam"), client(enforcing, "lambda")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=LAMBDA_MAY_ASSUME)["Role"]["Arn"]
    arn = function(enforcing, called, role=role)
    function(enforcing, caller, CALLS_ANOTHER, role=role)
    code, message = functions.invoke(owner, caller, {"call": called}).value
    assert code == "AccessDeniedException"
    assert message.startswith(
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{caller} is not authorized to perform: "
        f"lambda:InvokeFunction on resource: {arn}"
    )
    iam.put_role_policy(
        RoleName=name,
        PolicyName="own",
        PolicyDocument=policy(("Allow", "lambda:InvokeFunction", arn)),
    )
    assert functions.invoke(owner, caller, {"call": called}).value == "hello"
    # Logs are written by the engine itself, whatever the role may.
    assert functions.invoke(owner, caller, {"call": called}, LogType="Tail").log


def up(folder, *arguments):
    """Runs `up` for as long as it takes to be refused."""
    return subprocess.run(
        [BINARY, "up", *map(str, arguments)],
        env=command_environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_what_is_wrong_with_the_keys_is_said(tmp_path):
    keys = keys_file(tmp_path, ("BOB", "short", "user/bob"))
    done = up(tmp_path, "--listen", "127.0.0.1:0", "--auth", keys)
    assert done.returncode == 2, done.stderr
    told = " ".join(done.stderr.replace("│", " ").split())
    assert "line 7: access key `BOB`: a secret_access_key has at least 8 characters" in told
    assert "short" not in told

    done = up(tmp_path, "--listen", "127.0.0.1:0", "--auth", tmp_path / "none.toml")
    assert done.returncode == 2 and "none.toml" in done.stderr

    done = up(tmp_path, "--listen", "127.0.0.1:0", "--enforce-iam")
    assert done.returncode == 2 and "--auth" in done.stderr

    done = up(tmp_path, "--listen", "0.0.0.0:0")
    assert done.returncode == 2 and "--auth" in done.stderr


def test_other_users_reading_the_keys_are_warned_of(own_engine, tmp_path):
    keys = keys_file(tmp_path / "keys")
    keys.chmod(0o644)
    engine = own_engine("--auth", keys)
    assert "other users of this machine may read the access keys" in engine.output()


def test_the_settings_are_shown_without_secrets(tmp_path):
    keys = keys_file(tmp_path)
    (tmp_path / "lambdalab.toml").write_text('auth = "keys.toml"\nenforce_iam = true\n')
    done = subprocess.run(
        [BINARY, "config", "show", "--output", "json"],
        env=command_environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    rows = {row["name"]: row["value"] for row in json.loads(done.stdout)}
    assert rows["auth"].endswith("keys.toml") and os.path.samefile(tmp_path / rows["auth"], keys)
    assert rows["enforce_iam"] == "true"
    assert ROOT[1] not in done.stdout


def test_an_engine_for_other_machines_verifies(start):
    engine = start(listen="0.0.0.0:0")
    assert engine.endpoint.startswith("http://127.0.0.1:")
    path, headers = signed(engine, "/2015-03-31/functions/", presign=True)
    assert send(engine, path, headers).status == 200
    # Another machine's name for it: what counts is that the host was signed.
    unsigned = raw.request(engine.address, "GET", path, host="lab.example", signed=False)
    assert unsigned.status == 403
    assert unsigned.headers["x-amzn-errortype"] == "InvalidSignatureException"
    # Pages that carry no signature are shown under the engine's own names alone, as a web page may
    # have its name lead to this machine.
    for path, status in [("operations", 403), ("lease", 403), ("health", 200)]:
        page = raw.request(
            engine.address, "GET", f"/_lambdalab/v1/{path}", host="evil.example", signed=False
        )
        assert page.status == status, page
    page = raw.request(engine.address, "GET", "/_lambdalab/v1/operations", signed=False)
    assert page.status == 200
