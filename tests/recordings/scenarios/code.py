"""Packages and what fits into a function.

Rules found here:

- The variables of a function may take 4 KB together; the unzipped package 262,144,000 bytes.
- Functions of the time before LoggingConfig and SnapStart show them today.
"""

import io
import zipfile

from recordings.registry import LAMBDA, scenario
from support import functions

# Members that AWS has added to every answer about a function since some scenarios were recorded.
ADDED = {
    "LoggingConfig": "since November 2023",
    "SnapStart": "since November 2022",
    "RuntimeVersionConfig": "since January 2023",
}
LARGEST_PACKAGE = 262_144_000
# What remains of 4 KB beside the name and the JSON around it.
LARGEST_VARIABLE = 4096 - len('{"LARGE_VAR":""}')


@scenario("TestLambdaSizeLimits::test_oversized_lambda")
def oversized(lab):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("index.py", functions.ECHO)
        with archive.open("zeros", "w") as file:
            for _ in range(LARGEST_PACKAGE // 1_000_000 + 1):
                file.write(bytes(1_000_000))
    code = {"ZipFile": buffer.getvalue()}
    lab.record("invalid_param_exc", "create_function", **lab.arguments(Code=code))


@scenario("TestLambdaSizeLimits::test_lambda_envvars_near_limit_succeeds")
def variables_near_limit(lab):
    lab.deploy(
        "successful_create_fn_result",
        Environment={"Variables": {"LARGE_VAR": "x" * LARGEST_VARIABLE}},
    )


@scenario("TestLambdaFeatures::test_basic_invoke", LAMBDA, grown=ADDED)
def basic_invoke(lab):
    names = [
        lab.create(key, Runtime="python3.9") for key in ("lambda_create_fn", "lambda_create_fn_2")
    ]
    for name, key in zip(names, ("lambda_get_fn", "lambda_get_fn_2"), strict=True):
        lab.record(key, "get_function", FunctionName=name)
    lab.invoke("lambda_invoke_result", names[0], {})
