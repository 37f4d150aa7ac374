"""`--enforce-iam`: what a caller may do."""

import json
import urllib.parse

import pytest

from support import functions
from support.engine import ACCOUNT, REGION
from support.identity import (
    LAMBDA_MAY_ASSUME,
    client,
    error_of,
    key_of,
    new_user,
    policy,
    trust,
)
from test_auth import CALLS_ANOTHER, fresh, function, send, signed, start  # noqa: F401


@pytest.fixture(scope="module")
def enforcing(start):
    """An engine that enforces policies, too; functions there need a role that exists."""
    engine = start("--enforce-iam")
    client(engine, "iam").create_role(
        RoleName=functions.ROLE.rpartition("/")[2], AssumeRolePolicyDocument=LAMBDA_MAY_ASSUME
    )
    return engine


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


def test_a_queue_is_permitted_by_the_caller_s_policies_or_its_own(enforcing, fresh):
    name = next(fresh)
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    owner = client(enforcing, "sqs")
    url = owner.create_queue(QueueName=name, tags={"team": "a"})["QueueUrl"]
    user = client(enforcing, "sqs", new_user(enforcing, name, ("Allow", "sqs:SendMessage", arn)))
    # A batch is permitted to whoever may do what is in it.
    user.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"}])
    assert error_of(user.receive_message, QueueUrl=url) == (
        "AccessDenied",
        f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: "
        f"sqs:ReceiveMessage on resource: {arn} because no identity-based policy allows the "
        "sqs:ReceiveMessage action",
        403,
    )
    permission = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{name}"},
        "Action": "sqs:ReceiveMessage",
        "Resource": arn,
        "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": permission})
    owner.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document})
    assert user.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "x"
    owner.delete_queue(QueueUrl=url)
