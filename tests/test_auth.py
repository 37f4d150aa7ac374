"""`--auth`: who a caller really is."""

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
from support.identity import LAMBDA_MAY_ASSUME, ROOT, client, error_of, key_of, keys_file, new_user

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
