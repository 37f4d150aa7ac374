"""Aliases, and the invocations that go through them."""

from recordings.registry import LAMBDA, scenario
from support import functions

TELLING = """
    def handler(event, context):
        return {{
            "invoked_arn": context.invoked_function_arn,
            "version_from_ctx": context.function_version,
            "version_id": "{0}",
        }}
"""


def _telling(version):
    return functions.package({"handler.py": TELLING.format(version)})


@scenario("TestLambdaAlias::test_non_existent_alias_update")
def non_existent_alias_update(lab):
    name = lab.create("create_response", Environment={"Variables": {"testenv": "staging"}})
    lab.record("update_alias_response", "update_alias", FunctionName=name, Name="non-existent")


@scenario("TestLambdaAliases::test_lambda_alias_moving", LAMBDA)
def alias_moving(lab):
    name = lab.create(
        "create_response",
        Handler="handler.handler",
        Code={"ZipFile": _telling("version1")},
        Description="No version :(",
    )
    lab.call("publish_version", FunctionName=name, Description="First version description :)")
    alias = lab.record(
        "create_alias_response",
        "create_alias",
        FunctionName=name,
        Name="alias1",
        FunctionVersion="1",
    )
    lab.invoke("invocation_result_qualifier_v1", name, Qualifier="alias1")
    lab.invoke("invocation_result_qualifier_v1_arn", alias["AliasArn"])
    lab.invoke("invocation_exc_not_existent", name, Qualifier="non-existent-alias")
    lab.record(
        "update_lambda_response",
        "update_function_code",
        FunctionName=name,
        ZipFile=_telling("version2"),
    )
    lab.updated(name)
    lab.invoke("invocation_result_qualifier_v1_after_update", name, Qualifier="alias1")
    lab.record(
        "second_publish_response",
        "publish_version",
        FunctionName=name,
        Description="Second version description :)",
    )
    lab.active(name, "2")
    lab.invoke("invocation_result_qualifier_v1_after_publish", name, Qualifier="alias1")
    lab.record(
        "update_alias_response",
        "update_alias",
        FunctionName=name,
        Name="alias1",
        FunctionVersion="2",
    )
    lab.invoke("invocation_result_qualifier_v2", name, Qualifier="alias1")
