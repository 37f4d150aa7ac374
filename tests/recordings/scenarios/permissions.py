"""Resource policies of functions, versions and aliases.

Rules found here:

- A function, each version and each alias has a policy of its own; publishing copies none, and
  GetPolicy of what has none is ResourceNotFoundException in the words of a missing resource.
- Which qualifier is meant decides the words: an alias-like one that is missing is `Cannot find
  alias arn: …`, a number or one with a `$` is `Function not found: …`, `$LATEST` is not supported.
- The revision that GetPolicy shows changes with every statement.
"""

from recordings.registry import scenario

INVOKE = "lambda:InvokeFunction"
S3 = {
    "StatementId": "s3",
    "Action": INVOKE,
    "Principal": "s3.amazonaws.com",
    "SourceArn": "arn:aws:s3:::some-bucket",
}


@scenario("TestLambdaPermissions::test_create_multiple_lambda_permissions")
def create_multiple(lab):
    name = lab.deploy()
    for number, service in enumerate(("logs", "kinesis"), 1):
        lab.record(
            f"add_permission_response_{number}",
            "add_permission",
            FunctionName=name,
            StatementId=service,
            Action=INVOKE,
            Principal=f"{service}.amazonaws.com",
        )
    lab.record("policy_after_2_add", "get_policy", FunctionName=name)


@scenario("TestLambdaPermissions::test_permission_exceptions")
def exceptions(lab):
    name = lab.deploy()
    statement = {**S3, "FunctionName": name}
    del statement["SourceArn"]

    def remove(key, function, **more):
        lab.record(key, "remove_permission", FunctionName=function, StatementId="s3", **more)

    remove("remove_permission_policy_doesnotexist", name)
    remove("remove_permission_fn_doesnotexist", "doesnotexist")
    remove("remove_permission_fn_alias_doesnotexist", name, Qualifier="alias-doesnotexist")
    lab.record("get_policy_fn_doesnotexist", "get_policy", FunctionName="doesnotexist")
    version = {"FunctionName": name, "Qualifier": "77"}
    lab.record("get_policy_fn_version_doesnotexist", "get_policy", **version)
    for key, change in {
        "invalid_statement_id": {"StatementId": "example.com"},
        "principal_invalid": {"Principal": "invalid.nonaws.com"},
        "fn_doesnotexist": {"FunctionName": "doesnotexist"},
        "fn_alias_doesnotexist": {"Qualifier": "alias-doesnotexist"},
        "fn_qualifier_invalid": {"Qualifier": "invalid-qualifier-with-?-char"},
        "fn_qualifier_latest": {"Qualifier": "$LATEST"},
        "fn_qualifier_mismatch": {"FunctionName": lab.arn(name, "alias-1"), "Qualifier": "alias-2"},
        "fn_qualifier_valid_doesnotexist": {"Qualifier": "valid-with-$-but-doesnotexist"},
        "fn_version_doesnotexist": {"Qualifier": "42"},
    }.items():
        lab.record(f"add_permission_{key}", "add_permission", **{**statement, **change})
    lab.call("add_permission", **statement)
    lab.record("add_permission_conflicting_statement_id", "add_permission", **statement)


def _versioning(lab, name):
    """The common beginning: a statement for the function, and a version that does not have it."""
    function = {"FunctionName": name}
    lab.record("add_permission", "add_permission", **function, **S3)
    lab.record("get_policy", "get_policy", **function)
    published = lab.call("publish_version", **function)
    lab.record("get_policy_after_publishing_latest", "get_policy", **function)
    lab.record("get_policy_after_publishing_new_version", "get_policy", **function, Qualifier="1")
    return published


@scenario("TestLambdaPermissions::test_lambda_permission_versioning")
def versioning(lab):
    name = lab.deploy()
    _versioning(lab, name)
    lab.call("add_permission", FunctionName=name, Qualifier="1", **S3)
    lab.record("get_policy_after_adding_to_new_version", "get_policy", FunctionName=name)
    lab.call("add_permission", FunctionName=name, **{**S3, "StatementId": "s3_2"})
    lab.record("get_policy_after_adding_2", "get_policy", FunctionName=name)


@scenario("TestLambdaPermissions::test_lambda_permission_fn_versioning")
def function_versioning(lab):
    name = lab.deploy()
    function = {"FunctionName": name}
    lab.keep("publish_version_result", _versioning(lab, name))
    lab.record("get_function_result_after_publishing", "get_function", **function)

    version = {**function, "Qualifier": "1"}
    lab.call("add_permission", **version, **S3)
    lab.record("get_policy_version", "get_policy", **version)
    lab.record("get_policy_after_adding_to_new_version", "get_policy", **function)

    alias = {**function, "Qualifier": "permission-alias"}
    lab.record(
        "create_alias_response",
        "create_alias",
        **function,
        Name="permission-alias",
        FunctionVersion="1",
    )
    lab.record("get_alias", "get_alias", **function, Name="permission-alias")
    lab.record(
        "add_permission_alias_revision_exception",
        "add_permission",
        **alias,
        **S3,
        RevisionId="wrong",
    )
    lab.call("add_permission", **alias, **S3)
    lab.record("get_policy_alias", "get_policy", **alias)
    lab.call("add_permission", **function, **{**S3, "StatementId": "s3_2"})
    lab.record("get_policy_after_adding_2", "get_policy", **function)
