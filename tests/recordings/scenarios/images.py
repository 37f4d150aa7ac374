"""Functions from container images, as far as no registry is needed.

Rule found here: a function keeps its package type, and a code update of the other kind is refused
with the member that it should, or should not, have.
"""

from recordings.lab import ACCOUNT, REGION
from recordings.registry import scenario
from support import functions


@scenario("TestLambdaImages::test_lambda_zip_file_to_image")
def zip_to_image(lab):
    code = {"ZipFile": functions.package({"handler.py": functions.ECHO})}
    name = lab.create("create-image-response", Handler="handler.handler", Code=code)
    function = {"FunctionName": name}

    def read(suffix):
        lab.record(f"get-function-code-response{suffix}", "get_function", **function)
        lab.record(
            f"get-function-config-response{suffix}", "get_function_configuration", **function
        )

    read("")
    image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/repository:latest"
    lab.record("zipfile-to-image-error", "update_function_code", ImageUri=image, **function)
    read("-after-update")
