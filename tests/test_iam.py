"""IAM as boto3, the AWS CLI, Terraform and the CDK use it."""

import datetime
import itertools
import json

import pytest

from support.engine import ACCOUNT
from support.identity import LAMBDA_MAY_ASSUME, error_of, policy, trust

READ = policy(("Allow", "lambda:Get*", "*"))
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


@pytest.fixture(scope="module")
def iam(engine):
    return engine.client("iam")


@pytest.fixture(scope="module")
def fresh():
    return (f"entity-{number}" for number in itertools.count())


@pytest.fixture
def role(iam, fresh):
    name = next(fresh)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=LAMBDA_MAY_ASSUME)
    return name


def test_a_role_is_there_as_soon_as_it_is_made(iam, fresh):
    name = next(fresh)
    made = iam.create_role(
        RoleName=name,
        Path="/service-role/",
        AssumeRolePolicyDocument=LAMBDA_MAY_ASSUME,
        Description="for tests",
        MaxSessionDuration=7200,
        Tags=[{"Key": "team", "Value": "a"}],
    )["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/service-role/{name}"
    assert made["RoleId"].startswith("AROA") and len(made["RoleId"]) == 21
    assert made["CreateDate"].tzinfo and isinstance(made["CreateDate"], datetime.datetime)
    # boto3 decodes the document, which is percent-encoded on the wire.
    assert made["AssumeRolePolicyDocument"] == json.loads(LAMBDA_MAY_ASSUME)

    found = iam.get_role(RoleName=name)["Role"]
    assert (found["Description"], found["MaxSessionDuration"]) == ("for tests", 7200)
    assert found["Tags"] == [{"Key": "team", "Value": "a"}]
    assert found["RoleLastUsed"] == {}
    assert found["RoleId"] == made["RoleId"]


def test_what_terraform_reads_of_a_new_role_is_empty_not_missing(iam, role):
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == []
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    assert iam.list_instance_profiles_for_role(RoleName=role)["InstanceProfiles"] == []
    assert iam.list_role_tags(RoleName=role)["Tags"] == []


def test_names_are_taken_whatever_their_case(iam, role):
    for name in (role, role.upper()):
        assert error_of(
            iam.create_role, RoleName=name, AssumeRolePolicyDocument=LAMBDA_MAY_ASSUME
        ) == ("EntityAlreadyExists", f"Role with name {name} already exists.", 409)


def test_what_is_not_there_is_named(iam, role):
    for call, arguments, message in [
        (iam.get_role, {"RoleName": "nobody"}, "The role with name nobody cannot be found."),
        (iam.delete_role, {"RoleName": "nobody"}, "The role with name nobody cannot be found."),
        (iam.get_user, {"UserName": "nobody"}, "The user with name nobody cannot be found."),
        (
            iam.get_role_policy,
            {"RoleName": role, "PolicyName": "p"},
            "The role policy with name p cannot be found.",
        ),
        (
            iam.attach_role_policy,
            {"RoleName": role, "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/none"},
            f"Policy arn:aws:iam::{ACCOUNT}:policy/none does not exist or is not attachable.",
        ),
        (
            iam.get_policy,
            {"PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/none"},
            f"Policy arn:aws:iam::{ACCOUNT}:policy/none was not found.",
        ),
        (
            iam.get_policy_version,
            {"PolicyArn": BASIC, "VersionId": "v9"},
            f"Policy {BASIC} version v9 does not exist or is not attachable.",
        ),
    ]:
        assert error_of(call, **arguments) == ("NoSuchEntity", message, 404)


def test_a_role_goes_only_when_nothing_is_attached(iam, role):
    iam.attach_role_policy(RoleName=role, PolicyArn=BASIC)
    iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=READ)
    conflict = ("DeleteConflict", "Cannot delete entity, must detach all policies first.", 409)
    assert error_of(iam.delete_role, RoleName=role) == conflict
    iam.detach_role_policy(RoleName=role, PolicyArn=BASIC)
    conflict = ("DeleteConflict", "Cannot delete entity, must delete policies first.", 409)
    assert error_of(iam.delete_role, RoleName=role) == conflict
    iam.delete_role_policy(RoleName=role, PolicyName="own")
    iam.delete_role(RoleName=role)
    assert error_of(iam.get_role, RoleName=role)[0] == "NoSuchEntity"


def test_inline_policies_are_kept_as_given(iam, role):
    iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=READ)
    found = iam.get_role_policy(RoleName=role, PolicyName="own")
    assert (found["RoleName"], found["PolicyName"]) == (role, "own")
    assert found["PolicyDocument"] == json.loads(READ)
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == ["own"]


def test_a_document_that_is_no_policy_is_refused(iam, role, fresh):
    def refused(document):
        code, message, status = error_of(
            iam.put_role_policy, RoleName=role, PolicyName="own", PolicyDocument=document
        )
        assert (code, status) == ("MalformedPolicyDocument", 400)
        return message

    assert refused("no json") == "Syntax errors in policy."
    assert refused(policy(("Allow", "GetFunction", "*"))).startswith(
        "Actions/Conditions must be prefaced by a vendor"
    )
    assert refused(policy(("Allow", "s3:*", "bucket"))) == (
        'Resource bucket must be in ARN format or "*".'
    )
    code, message, _ = error_of(
        iam.create_role, RoleName=next(fresh), AssumeRolePolicyDocument=READ
    )
    assert (code, message) == ("MalformedPolicyDocument", "Has prohibited field Resource")
    much = policy(*[("Allow", "s3:*", f"arn:aws:s3:::{'b' * 60}{number}") for number in range(99)])
    assert error_of(
        iam.create_policy, PolicyName=next(fresh), PolicyDocument=much
    ) == ("LimitExceeded", "Cannot exceed quota for PolicySize: 6144", 409)


def test_managed_policies_have_versions(iam, role, fresh):
    name = next(fresh)
    made = iam.create_policy(PolicyName=name, Path="/team/", PolicyDocument=READ)["Policy"]
    arn = made["Arn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/team/{name}"
    assert (made["DefaultVersionId"], made["AttachmentCount"]) == ("v1", 0)
    assert error_of(iam.create_policy, PolicyName=name, PolicyDocument=READ)[1] == (
        f"A policy called {name} already exists. Duplicate names are not allowed."
    )

    write = policy(("Allow", "lambda:*", "*"))
    for number in range(2, 6):
        version = iam.create_policy_version(
            PolicyArn=arn, PolicyDocument=write, SetAsDefault=number == 5
        )["PolicyVersion"]
        assert version["VersionId"] == f"v{number}"
    code, message, _ = error_of(iam.create_policy_version, PolicyArn=arn, PolicyDocument=write)
    assert code == "LimitExceeded" and message.startswith("A managed policy can have up to 5")

    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v5"
    version = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    assert version["Document"] == json.loads(READ)
    listed = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [version["VersionId"] for version in listed] == ["v5", "v4", "v3", "v2", "v1"]
    assert [version["IsDefaultVersion"] for version in listed] == [True] + [False] * 4

    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert [found["RoleName"] for found in iam.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"]] == [role]
    assert error_of(iam.delete_policy, PolicyArn=arn)[1] == (
        "Cannot delete a policy attached to entities."
    )
    iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    assert error_of(iam.delete_policy_version, PolicyArn=arn, VersionId="v5") == (
        "DeleteConflict",
        "Cannot delete the default version of a policy.",
        409,
    )
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    assert error_of(iam.delete_policy, PolicyArn=arn)[0] == "DeleteConflict"
    for number in range(2, 6):
        iam.delete_policy_version(PolicyArn=arn, VersionId=f"v{number}")
    iam.delete_policy(PolicyArn=arn)
    assert error_of(iam.get_policy, PolicyArn=arn)[0] == "NoSuchEntity"


def test_policies_of_aws_are_there(iam, role):
    found = iam.get_policy(PolicyArn=BASIC)["Policy"]
    assert (found["PolicyName"], found["Path"]) == ("AWSLambdaBasicExecutionRole", "/service-role/")
    version = iam.get_policy_version(PolicyArn=BASIC, VersionId=found["DefaultVersionId"])
    (statement,) = version["PolicyVersion"]["Document"]["Statement"]
    assert "logs:PutLogEvents" in statement["Action"]
    iam.attach_role_policy(RoleName=role, PolicyArn=BASIC)
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == [
        {"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}
    ]
    names = {
        found["PolicyName"]
        for page in iam.get_paginator("list_policies").paginate(Scope="AWS")
        for found in page["Policies"]
    }
    assert {"AdministratorAccess", "AWSLambdaBasicExecutionRole"} <= names
    assert error_of(iam.delete_policy, PolicyArn=BASIC)[0] == "AccessDenied"


def test_lists_come_in_pages(iam, fresh):
    names = sorted(next(fresh) for _ in range(5))
    for name in names:
        iam.create_role(
            RoleName=name, Path="/pages/", AssumeRolePolicyDocument=LAMBDA_MAY_ASSUME
        )
    pages = list(
        iam.get_paginator("list_roles").paginate(
            PathPrefix="/pages/", PaginationConfig={"PageSize": 2}
        )
    )
    assert [len(page["Roles"]) for page in pages] == [2, 2, 1]
    assert [page["IsTruncated"] for page in pages] == [True, True, False]
    assert sorted(role["RoleName"] for page in pages for role in page["Roles"]) == names
    assert error_of(iam.list_roles, Marker="made up!")[0] == "ValidationError"


def test_a_role_is_changed(iam, role, fresh):
    iam.update_role(RoleName=role, Description="new", MaxSessionDuration=3601)
    other = trust(f"arn:aws:iam::{ACCOUNT}:root")
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=other)
    iam.tag_role(RoleName=role, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.untag_role(RoleName=role, TagKeys=["a"])
    boundary = iam.create_policy(PolicyName=next(fresh), PolicyDocument=READ)["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)
    found = iam.get_role(RoleName=role)["Role"]
    assert (found["Description"], found["MaxSessionDuration"]) == ("new", 3601)
    assert found["AssumeRolePolicyDocument"] == json.loads(other)
    assert found["Tags"] == [{"Key": "b", "Value": "2"}]
    assert found["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": boundary,
    }
    assert error_of(iam.delete_policy, PolicyArn=boundary)[0] == "DeleteConflict"
    iam.delete_role_permissions_boundary(RoleName=role)
    assert "PermissionsBoundary" not in iam.get_role(RoleName=role)["Role"]


def test_a_services_role_is_the_services(iam):
    made = iam.create_service_linked_role(AWSServiceName="lex.amazonaws.com")["Role"]
    assert made["Path"] == "/aws-service-role/lex.amazonaws.com/"
    name = made["RoleName"]
    assert name == "AWSServiceRoleForLexBots"
    assert error_of(iam.delete_role, RoleName=name)[0] == "UnmodifiableEntity"
    code, message, _ = error_of(iam.create_service_linked_role, AWSServiceName="lex.amazonaws.com")
    assert code == "InvalidInput" and "has been taken in this account" in message


def test_users_have_two_keys_at_most(iam, fresh):
    name = next(fresh)
    user = iam.create_user(UserName=name)["User"]
    assert user["UserId"].startswith("AIDA")
    keys = [iam.create_access_key(UserName=name)["AccessKey"] for _ in range(2)]
    assert all(key["AccessKeyId"].startswith("AKIA") for key in keys)
    assert all(len(key["SecretAccessKey"]) == 40 for key in keys)
    assert error_of(iam.create_access_key, UserName=name) == (
        "LimitExceeded",
        "Cannot exceed quota for AccessKeysPerUser: 2",
        409,
    )
    one, other = (key["AccessKeyId"] for key in keys)
    iam.update_access_key(UserName=name, AccessKeyId=one, Status="Inactive")
    listed = iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
    assert {key["AccessKeyId"]: key["Status"] for key in listed} == {
        one: "Inactive",
        other: "Active",
    }
    assert all("SecretAccessKey" not in key for key in listed)
    assert error_of(iam.delete_user, UserName=name) == (
        "DeleteConflict",
        "Cannot delete entity, must delete access keys first.",
        409,
    )
    for key in (one, other):
        iam.delete_access_key(UserName=name, AccessKeyId=key)
    iam.delete_user(UserName=name)


def test_the_simulator_says_what_would_be(iam, fresh):
    name = next(fresh)
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    document = policy(
        ("Allow", "lambda:*", "*"),
        ("Deny", "lambda:DeleteFunction", "arn:aws:lambda:*:*:function:prod-*"),
    )
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    target = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:prod-a"
    answer = iam.simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=["lambda:GetFunction", "lambda:DeleteFunction", "s3:GetObject"],
        ResourceArns=[target],
    )
    assert [
        (result["EvalActionName"], result["EvalDecision"]) for result in answer["EvaluationResults"]
    ] == [
        ("lambda:GetFunction", "allowed"),
        ("lambda:DeleteFunction", "explicitDeny"),
        ("s3:GetObject", "implicitDeny"),
    ]
    custom = iam.simulate_custom_policy(
        PolicyInputList=[policy(("Allow", "s3:*", "*", {"Bool": {"aws:SecureTransport": "true"}}))],
        ActionNames=["s3:GetObject"],
        ContextEntries=[
            {
                "ContextKeyName": "aws:SecureTransport",
                "ContextKeyType": "boolean",
                "ContextKeyValues": ["true"],
            }
        ],
    )
    assert custom["EvaluationResults"][0]["EvalDecision"] == "allowed"


def test_accounts_know_nothing_of_one_another(engine, iam, role):
    other = engine.client("iam", access_key="111122223333")
    assert error_of(other.get_role, RoleName=role)[0] == "NoSuchEntity"
    name = other.create_role(RoleName=role, AssumeRolePolicyDocument=LAMBDA_MAY_ASSUME)["Role"]
    assert name["Arn"] == f"arn:aws:iam::111122223333:role/{role}"


def test_what_is_made_is_kept(own_engine):
    engine = own_engine()
    iam = engine.client("iam")
    iam.create_role(RoleName="kept", AssumeRolePolicyDocument=LAMBDA_MAY_ASSUME)
    iam.put_role_policy(RoleName="kept", PolicyName="own", PolicyDocument=READ)
    engine.kill()
    engine.start()
    iam = engine.client("iam")
    assert iam.get_role(RoleName="kept")["Role"]["RoleName"] == "kept"
    assert iam.list_role_policies(RoleName="kept")["PolicyNames"] == ["own"]


def test_a_summary_counts(iam, role):
    summary = iam.get_account_summary()["SummaryMap"]
    assert summary["Roles"] >= 1
    assert summary["AssumeRolePolicySizeQuota"] == 2048
    assert iam.list_account_aliases()["AccountAliases"] == []


def test_a_session_of_the_aws_cli(aws_cli, fresh, tmp_path):
    name = next(fresh)

    aws = aws_cli("iam")
    (tmp_path / "trust.json").write_text(LAMBDA_MAY_ASSUME)
    (tmp_path / "read.json").write_text(READ)
    made = aws(
        "create-role", "--role-name", name, "--assume-role-policy-document", "file://trust.json",
        "--tags", "Key=team,Value=a",
    )  # fmt: skip
    assert made["Role"]["AssumeRolePolicyDocument"] == json.loads(LAMBDA_MAY_ASSUME)
    aws("attach-role-policy", "--role-name", name, "--policy-arn", BASIC)
    aws(
        "put-role-policy", "--role-name", name, "--policy-name", "own",
        "--policy-document", "file://read.json",
    )  # fmt: skip
    attached = aws("list-attached-role-policies", "--role-name", name)["AttachedPolicies"]
    assert [found["PolicyArn"] for found in attached] == [BASIC]
    inline = aws("get-role-policy", "--role-name", name, "--policy-name", "own")
    assert inline["PolicyDocument"] == json.loads(READ)
    assert name in aws("list-roles", "--query", "Roles[].RoleName")
    aws("delete-role-policy", "--role-name", name, "--policy-name", "own")
    aws("detach-role-policy", "--role-name", name, "--policy-arn", BASIC)
    aws("delete-role", "--role-name", name)


def test_policies_of_awss_that_are_not_known_here_can_be_attached(iam, role):
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaMSKExecutionRole"
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert attached == [{"PolicyName": "AWSLambdaMSKExecutionRole", "PolicyArn": arn}]
    iam.detach_role_policy(RoleName=role, PolicyArn=arn)
