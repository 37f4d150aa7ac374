"""Tags of functions and of the other resources that have them.

Rules found here:

- The ARN is validated first; then its kind decides the words of `… not found: <arn>`.
- Tags belong to functions, not to their versions and aliases, `$LATEST` included.
- 50 tags a resource, counted after the change.
"""

from recordings.registry import scenario

# The resource of each parameter, and an id that fits its pattern.
KINDS = {
    "event_source_mapping": ("event-source-mapping", "5d3a3c9e-8f0b-4a77-9a3c-0123456789ab"),
    "code_signing_config": ("code-signing-config", "csc-0123456789abcdefg"),
    "lambda_function": ("function", "doesnotexist"),
}


def _every_operation(lab, arn):
    lab.record("not_found_exception_tag", "tag_resource", Resource=arn, Tags={"key": "value"})
    lab.record("not_found_exception_untag", "untag_resource", Resource=arn, TagKeys=["key"])
    lab.record("not_found_exception_list", "list_tags", Resource=arn)


@scenario("TestLambdaTag::test_tag_exceptions")
def exceptions_of_a_kind(lab, parameter):
    kind, identifier = KINDS[parameter]
    arn = lab.arn("x").replace("function:x", f"{kind}:{identifier}")
    _every_operation(lab, arn)
    for key, other in {
        "invalid_arn_exception": arn.replace(kind, "foobar"),
        "aliased_arn_exception": f"{arn}:alias",
    }.items():
        lab.record(key, "tag_resource", Resource=other, Tags={"key": "value"})


@scenario("TestLambdaTag::test_tag_nonexisting_resource")
def nonexisting_resource(lab):
    name = lab.deploy()
    arn = lab.record("pre_delete_get_function", "get_function", FunctionName=name)["Configuration"][
        "FunctionArn"
    ]
    lab.call("delete_function", FunctionName=name)
    _every_operation(lab, arn)


@scenario("TestLambdaTags::test_tag_exceptions")
def exceptions(lab):
    arn = lab.arn(lab.deploy())
    tags = {"key": "value"}
    for key, resource, given in (
        ("tag_lambda_invalidarn", "arn:aws:something", tags),
        ("tag_lambda_doesnotexist", lab.arn("doesnotexist"), tags),
        ("tag_lambda_qualifier_doesnotexist", f"{arn}:v1", tags),
        ("tag_empty_tags", arn, {}),
    ):
        lab.record(key, "tag_resource", Resource=resource, Tags=given)
    lab.record("list_tag_lambda_empty", "list_tags", Resource=arn)
    lab.record("untag_nomatch", "untag_resource", Resource=arn, TagKeys=["somekey"])
    lab.record("untag_empty_keys", "untag_resource", Resource=arn, TagKeys=[])


def _tags(numbers):
    return {f"{number}_key": f"{number}_value" for number in numbers}


@scenario("TestLambdaTags::test_tag_limits")
def limits(lab):
    name = lab.deploy()
    arn = lab.arn(name)
    tag = {
        "tag_lambda_too_many_tags": range(51),
        "tag_response": range(50),
        "tag_lambda_too_many_tags_additional": range(50, 51),
    }
    for key, numbers in tag.items():
        lab.record(key, "tag_resource", Resource=arn, Tags=_tags(numbers))
    lab.record("list_tags_response", "list_tags", Resource=arn)
    lab.record("get_fn_response", "get_function", FunctionName=name)
    lab.record(
        "create_function_invalid_tags", "create_function", **lab.arguments(Tags=_tags(range(51)))
    )


@scenario("TestLambdaTags::test_tag_versions")
def versions(lab):
    name = lab.deploy()
    lab.call("publish_version", FunctionName=name)
    for key, qualifier in {
        "tag_resource_exception": "1",
        "tag_resource_latest_exception": "$LATEST",
    }.items():
        lab.record(key, "tag_resource", Resource=lab.arn(name, qualifier), Tags={"key": "value"})
