"""Wrong input to the control plane: AWS's error codes, in AWS's words."""

import pytest

from support import functions
from support.engine import ACCOUNT, REGION
from test_functions import arn

FUNCTION_NAME = (
    "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?"
    "(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?"
)
NAMESPACED_FUNCTION_NAME = (
    "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?"
    "(\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
FAILED = "failed to satisfy constraint: Member must"


def refusal(call, **arguments):
    """Code, message and status of the error that the call must answer with."""
    with pytest.raises(call.__self__.exceptions.ClientError) as refused:
        call(**arguments)
    response = refused.value.response
    error = response["Error"]
    return error["Code"], error["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


def violations(message):
    """The single violations of a validation message; their order is the engine's own."""
    head, _, rest = message.partition(" detected: ")
    found = rest.split("; ")
    plural = "s" if len(found) > 1 else ""
    assert head == f"{len(found)} validation error{plural}", message
    return set(found)


def create(client, name, **changes):
    arguments = functions.create_arguments(name, functions.python(functions.ECHO), **changes)
    return refusal(client.create_function, **arguments)


def test_function_not_found(client):
    for call in (client.get_function, client.get_function_configuration, client.delete_function):
        code, message, status = refusal(call, FunctionName="nobody")
        assert (code, status) == ("ResourceNotFoundException", 404)
        assert message == f"Function not found: {arn('nobody')}"
    with pytest.raises(client.exceptions.ResourceNotFoundException) as refused:
        client.get_function(FunctionName="nobody")
    # The body has the members of the error's shape, with AWS's capitals.
    assert refused.value.response["Type"] == "User"
    assert refused.value.response["Message"] == f"Function not found: {arn('nobody')}"


def test_create_of_a_name_that_exists(client, echo):
    code, message, status = create(client, echo)
    assert (code, status) == ("ResourceConflictException", 409)
    assert message == f"Function already exist: {echo}"


def test_another_region_and_another_account(client):
    other_region = f"arn:aws:lambda:ap-southeast-1:{ACCOUNT}:function:f"
    code, message, status = refusal(client.get_function, FunctionName=other_region)
    assert (code, status) == ("ResourceNotFoundException", 404)
    assert message == (
        f"Functions from 'ap-southeast-1' are not reachable in this region ('{REGION}')"
    )
    other_account = f"arn:aws:lambda:{REGION}:999999999999:function:f"
    code, _, status = refusal(client.get_function, FunctionName=other_account)
    assert (code, status) == ("AccessDeniedException", 403)


def test_a_name_with_forbidden_characters(unchecked):
    code, message, status = create(unchecked, "my-function!")
    assert (code, status) == ("ValidationException", 400)
    assert violations(message) == {
        f"Value 'my-function!' at 'functionName' {FAILED} satisfy regular expression pattern: "
        f"{FUNCTION_NAME}"
    }
    code, message, status = refusal(unchecked.invoke, FunctionName="my-function!")
    assert (code, status) == ("ValidationException", 400)
    assert violations(message) == {
        f"Value 'my-function!' at 'functionName' {FAILED} satisfy regular expression pattern: "
        f"{NAMESPACED_FUNCTION_NAME}"
    }


def test_a_name_that_is_too_long(unchecked):
    name = "a" * 65
    code, message, status = create(unchecked, name)
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert message == (
        f"1 validation error detected: Value '{name}' at 'functionName' {FAILED} have length less "
        "than or equal to 64"
    )
    code, message, status = refusal(unchecked.invoke, FunctionName=name)
    assert (code, status) == ("ResourceNotFoundException", 404)
    assert message == f"Function not found: {arn(name)}:$LATEST"


def test_an_arn_of_another_service(unchecked):
    name = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance:i-1234567890abcdef0"
    code, message, _ = refusal(unchecked.invoke, FunctionName=name)
    assert code == "ValidationException"
    assert violations(message) == {
        f"Value '{name}' at 'functionName' {FAILED} satisfy regular expression pattern: "
        f"{NAMESPACED_FUNCTION_NAME}"
    }


def test_qualifiers(unchecked, echo):
    code, message, _ = refusal(unchecked.get_function, FunctionName=echo, Qualifier="invalid!")
    assert code == "ValidationException"
    assert violations(message) == {
        f"Value 'invalid!' at 'qualifier' {FAILED} satisfy regular expression pattern: "
        "\\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
    }
    code, message, _ = refusal(unchecked.get_function, FunctionName=echo, Qualifier="a" * 129)
    assert code == "ValidationException"
    assert violations(message) == {
        f"Value '{'a' * 129}' at 'qualifier' {FAILED} have length less than or equal to 128"
    }


@pytest.mark.parametrize("operation", ["get_function", "get_function_configuration", "invoke"])
def test_a_qualifier_that_contradicts_the_arn(client, echo, operation):
    code, message, status = refusal(
        getattr(client, operation), FunctionName=f"{arn(echo)}:1", Qualifier="2"
    )
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert message == (
        "The derived qualifier from the function name does not match the specified qualifier."
    )


def test_several_violations_come_in_one_message(unchecked, names):
    code, message, status = create(
        unchecked, next(names), MemorySize=64, Timeout=0, Description="d" * 257
    )
    assert (code, status) == ("ValidationException", 400)
    assert violations(message) == {
        f"Value '64' at 'memorySize' {FAILED} have value greater than or equal to 128",
        f"Value '0' at 'timeout' {FAILED} have value greater than or equal to 1",
        f"Value '{'d' * 257}' at 'description' {FAILED} have length less than or equal to 256",
    }


def test_what_is_missing_is_null(unchecked):
    code, message, status = refusal(unchecked.create_function, FunctionName="f", Handler="h.h")
    assert (code, status) == ("ValidationException", 400)
    assert violations(message) == {
        f"Value null at 'role' {FAILED} not be null",
        f"Value null at 'code' {FAILED} not be null",
    }


def test_a_role_that_is_none(unchecked, names):
    code, message, _ = create(unchecked, next(names), Role="admin")
    assert code == "ValidationException"
    (violation,) = violations(message)
    assert violation.startswith(
        f"Value 'admin' at 'role' {FAILED} satisfy regular expression pattern: arn:"
    )


def test_a_runtime_that_is_none(client, names):
    code, message, status = create(client, next(names), Runtime="cobol85")
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert message.startswith("Value cobol85 at 'runtime' failed to satisfy constraint: ")


def test_a_runtime_that_is_no_longer(client, names):
    code, message, status = create(client, next(names), Runtime="python3.6")
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert message == (
        "The runtime parameter of python3.6 is no longer supported for creating or updating AWS "
        "Lambda functions. We recommend you use a supported runtime while creating or updating "
        "functions."
    )


@pytest.mark.parametrize("missing", ["Handler", "Runtime"])
def test_a_zip_function_needs_handler_and_runtime(client, names, missing):
    arguments = functions.create_arguments(next(names), functions.python(functions.ECHO))
    del arguments[missing]
    code, message, status = refusal(client.create_function, **arguments)
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert missing.lower() in message.lower()


def test_what_is_not_a_zip(client, names):
    code, message, status = create(client, next(names), Code={"ZipFile": b"not a zip"})
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert (
        message
        == "Could not unzip uploaded file. Please check your file, then try to upload again."
    )


def test_a_zip_that_leaves_its_folder(client, names):
    archive = functions.package({"main.py": functions.ECHO, "../../escaped.py": "x = 1"})
    code, _, status = create(client, next(names), Code={"ZipFile": archive})
    assert (code, status) == ("InvalidParameterValueException", 400)


def test_a_zip_that_unpacks_to_too_much(client, names):
    archive = functions.package({"main.py": functions.ECHO, "zeros": bytes(262_144_001)})
    code, message, status = create(client, next(names), Code={"ZipFile": archive})
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert message == "Unzipped size must be smaller than 262144000 bytes"


def test_reserved_environment_variables(client, names):
    code, message, status = create(
        client, next(names), Environment={"Variables": {"AWS_LAMBDA_FUNCTION_NAME": "x"}}
    )
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert "AWS_LAMBDA_FUNCTION_NAME" in message
    assert "reserved" in message


def test_environment_variables_of_more_than_4_kilobytes(client, names):
    code, message, status = create(
        client, next(names), Environment={"Variables": {"LARGE": "x" * 4096}}
    )
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert message.startswith(
        "Lambda was unable to configure your environment variables because the environment "
        "variables you have provided exceeded the 4KB limit."
    )
