"""Names, ARNs and qualifiers: what is taken, what is refused, and in which words.

Rules found here:

- Every operation checks patterns and lengths of all members first; those of CreateFunction are its
  own (140 characters, no `$LATEST.PUBLISHED`), and only CreateFunction holds the bare name to 64,
  with an InvalidParameterValueException in the words of a validation.
- A qualifier in the name and another one beside it are refused before anything is looked up.
- The ARN in `Function not found` ends with the qualifier that was asked for; Invoke and
  GetFunctionConfiguration with `$LATEST` made explicit only where the caller, or Invoke, named it.
- DeleteFunction never names the qualifier, and refuses aliases and `$LATEST` before it looks.
"""

import re

from recordings.lab import ACCOUNT, REGION
from recordings.registry import NotExpressible, scenario

NAME = "my-function"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"

# FunctionName and Qualifier of every case.
CASES = {
    "full_arn_and_qualifier_too_long_and_invalid_region": (
        f"arn:aws:lambda:invalid-region:{ACCOUNT}:function:{NAME}-{'a' * 170}",
        "a" * 129,
    ),
    "full_arn_with_multiple_qualifiers": (f"{ARN}:{NAME}:1:2", None),
    "function_name_and_qualifier_too_long": (f"{NAME}:{'a' * 65}", None),
    "function_name_is_single_invalid": ("*", None),
    "function_name_too_long": ("a" * 65, None),
    "incomplete_arn": (ARN, None),
    "invalid_account_id_in_partial_arn": (f"invalid-account:function:{NAME}", None),
    "invalid_characters_in_function_name": (f"{NAME}!", None),
    "invalid_characters_in_qualifier": (NAME, "invalid!"),
    "invalid_region_in_arn": (f"arn:aws:lambda:invalid-region:{ACCOUNT}:function:{NAME}", None),
    "latest_version_with_additional_qualifier": (f"{NAME}:$LATEST", "1"),
    "lowercase_latest_qualifier": (f"{ARN}:{NAME}", "$latest"),
    "missing_account_id_in_arn": (f"arn:aws:lambda:{REGION}::function:{NAME}", None),
    "missing_region_in_arn": (f"arn:aws:lambda::{ACCOUNT}:function:{NAME}", None),
    "misspelled_latest_in_arn": (f"{ARN}:{NAME}:$LATES", None),
    "non_lambda_arn": (f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance:i-1234567890abcdef0", None),
    "partial_arn_with_extra_qualifier": (f"function:{NAME}:$LATEST:extra", None),
    "qualifier_too_long": (NAME, "a" * 129),
    "qualifier_too_long0": (NAME, "a" * 129),
    "qualifier_too_long1": (NAME, "a" * 65),
}

# CreateFunction takes these, so that no exception was recorded.
TAKEN = {"function_name_and_qualifier_too_long", "incomplete_arn", "qualifier_too_long1"}


@scenario("TestLambdaFunction::test_function_name_and_qualifier_validation")
def name_and_qualifier_validation(lab, parameter):
    case, _, operation = parameter.rpartition("-")
    name, qualifier = CASES[case]
    arguments = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
    if operation == "create_function":
        if case in TAKEN:
            raise NotExpressible("its name alone was recorded, no answer")
        # It has no Qualifier: the name carries it.
        arguments = lab.arguments(":".join(filter(None, (name, qualifier))))
    lab.keep(f"{operation}_exception", _validation(lab.ask(operation, **arguments)["Error"]))


def _validation(error):
    """An error with its list of validation errors taken apart, as the recording has it."""
    match = re.fullmatch(r"(\d+) validation errors? detected: (.*)", error["Message"])
    if not match:
        return {"Code": error["Code"], "Message": error["Message"]}
    # AWS sends several in no certain order.
    errors = sorted(match[2].split("; "))
    return {"Code": error["Code"], "Count": int(match[1]), "Errors": errors}


@scenario("TestLambdaFunction::test_get_function_wrong_region")
def wrong_region(lab, operation):
    elsewhere = lab.arn("some-function", region="ap-southeast-1")
    lab.record("wrong_region_exception", operation, FunctionName=elsewhere)


@scenario("TestLambdaFunction::test_ops_on_nonexisting_fn")
def nonexisting_function(lab, operation):
    lab.record("not_found_exception", operation, FunctionName=lab.name())


@scenario("TestLambdaFunction::test_ops_on_nonexisting_version")
def nonexisting_version(lab, operation):
    name = lab.deploy()
    lab.record("version_not_found_exception", operation, FunctionName=name, Qualifier="1221")


@scenario("TestLambdaFunction::test_ops_with_arn_qualifier_mismatch")
def qualifier_mismatch(lab, operation):
    arn = lab.arn("some-function", "$LATEST")
    lab.record("not_match_exception", operation, FunctionName=arn, Qualifier="1")
    lab.record("match_exception", operation, FunctionName=arn, Qualifier="$LATEST")


@scenario("TestLambdaFunction::test_function_arns")
def function_arns(lab):
    lab.deploy("create-function-arn-response", name=lab.arn(lab.name()))
    lab.deploy(
        "create-function-partial-arn-response",
        name=f"function:{lab.name()}",
        source="def handler(event, context):\n    return None\n",
    )
    for key, name in {
        "invalid_function_name_exc": "invalid:function:name",
        "long_function_name_exc": "a" * 65,
        "long_function_arn_exc": lab.arn("a" * 200),
        "function_arn_other_region_exc": lab.arn("other", region="ap-southeast-1"),
        "function_arn_other_account_exc": lab.arn("other", account="123456789012"),
    }.items():
        lab.record(key, "create_function", **lab.arguments(name))
