"""Functions from container images.

The images lie in AWS's registry; here they are imported under the names that they would have there.

Rules found here: a function keeps its package type, and a code update of the other kind is refused
with the member that it should, or should not, have. `CodeSha256` of an image is its digest as the
registry writes it. `ImageConfig` is replaced as a whole, and an empty one takes it away.
"""

import itertools

from recordings.lab import ACCOUNT, REGION, ROLE
from recordings.registry import scenario
from support import functions, images

_repositories = itertools.count()


def image(lab, words):
    """Imports an image that says `words`, and returns its URI."""
    repository = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/repository-{next(_repositories)}"
    made = images.Image([images.Layer({"words": words})], Entrypoint=["/words"])
    return images.imported(lab.engine, made, f"{repository}:latest")


def create(lab, key, uri, **more):
    """Creates a function from an image and returns its name."""
    name = lab.name()
    lab.record(
        key,
        "create_function",
        FunctionName=name,
        Role=ROLE,
        PackageType="Image",
        Code={"ImageUri": uri},
        Environment={"Variables": {"CUSTOM_ENV": "test"}},
        **more,
    )
    lab.active(name)
    return name


def read(lab, code_key, configuration_key, name):
    """Records both ways to look at a function."""
    lab.record(code_key, "get_function", FunctionName=name)
    lab.record(configuration_key, "get_function_configuration", FunctionName=name)


@scenario("TestLambdaImages::test_lambda_image_crud")
def crud(lab):
    name = create(lab, "create-image-response", image(lab, "one"))
    read(lab, "get-function-code-response", "get-function-config-response", name)
    package = functions.package({"handler.py": functions.ECHO})
    lab.record(
        "image-to-zipfile-error", "update_function_code", FunctionName=name, ZipFile=package
    )
    other = image(lab, "other")
    lab.record(
        "update-function-code-response", "update_function_code", FunctionName=name, ImageUri=other
    )
    lab.updated(name)
    suffix = "-after-update"
    read(lab, f"get-function-code-response{suffix}", f"get-function-config-response{suffix}", name)


@scenario("TestLambdaImages::test_lambda_image_and_image_config_crud")
def image_config(lab):
    asked = {
        "EntryPoint": ["sh"],
        "Command": ["-c", "echo test"],
        "WorkingDirectory": "/app1",
    }
    name = create(
        lab, "create-image-with-config-response", image(lab, "one"), ImageConfig=asked
    )
    read(
        lab,
        "get-function-code-with-config-response",
        "get-function-config-with-config-response",
        name,
    )
    asked = {"Command": ["-c", "echo test1"], "WorkingDirectory": "/app1"}
    changes = [("", "after-update", asked), ("delete-imageconfig-", "after-delete-imageconfig", {})]
    for infix, suffix, asked in changes:
        lab.record(
            f"update-function-code-{infix}response",
            "update_function_configuration",
            FunctionName=name,
            ImageConfig=asked,
        )
        lab.updated(name)
        read(
            lab,
            f"get-function-code-response-{suffix}",
            f"get-function-config-response-{suffix}",
            name,
        )


@scenario("TestLambdaImages::test_lambda_image_versions")
def versions(lab):
    name = create(lab, "create_image_response", image(lab, "one"), Publish=True)
    function = {"FunctionName": name}
    lab.record("get_function_result", "get_function", **function)
    lab.record("list_versions_result", "list_versions_by_function", **function)

    def change(ordinal, description):
        lab.record(
            f"{ordinal}_update_response",
            "update_function_configuration",
            Description=description,
            **function,
        )
        lab.updated(name)
        return lab.record(f"{ordinal}_update_get_function", "get_function", **function)

    latest = change("first", "Second version :)")
    lab.record("invalid_sha_publish", "publish_version", CodeSha256="a" * 64, **function)
    digest = latest["Configuration"]["CodeSha256"]
    lab.record(
        "first_publish_response",
        "publish_version",
        CodeSha256=digest,
        Description="Second version description :)",
        **function,
    )
    change("second", "Third version :)")
    lab.record(
        "second_publish_response",
        "publish_version",
        CodeSha256=digest,
        Description="Third version description :)",
        **function,
    )


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
