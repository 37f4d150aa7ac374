"""Layers: published, shown, listed, used, deleted.

Rules found here:

- A member that was not given is shown empty: Description `""`, CompatibleRuntimes `[]`; LicenseInfo
  alone is absent. Listings show no content.
- Numbers are never used again, and a deleted version goes on working for who uses it.
- Deleting what does not exist is no error; a number below 1 is an InvalidParameterValueException.
- Lists are validated member by member, but a refusal quotes the whole list without quotes.
"""

from recordings.registry import scenario
from support import functions

CONTENT = {"ZipFile": functions.package({"layer.txt": "a layer\n"})}


def _publish(lab, key, layer, **more):
    return lab.record(key, "publish_layer_version", LayerName=layer, Content=CONTENT, **more)


@scenario("TestLambdaLayer::test_layer_compatibilities")
def compatibilities(lab, parameter):
    runtimes = {"runtimes2": ["provided.al2023", "provided.al2", "provided"]}[parameter]
    _publish(
        lab,
        "publish_result",
        lab.name(),
        CompatibleRuntimes=runtimes,
        CompatibleArchitectures=["arm64", "x86_64"],
    )


@scenario("TestLambdaLayer::test_layer_exceptions")
def exceptions(lab):
    layer = lab.name()
    published = _publish(
        lab,
        "publish_result",
        layer,
        CompatibleRuntimes=["python3.12"],
        CompatibleArchitectures=["x86_64"],
    )
    _publish(
        lab,
        "publish_layer_version_exc_invalid_runtime_arch",
        layer,
        CompatibleRuntimes=["invalidruntime"],
        CompatibleArchitectures=["invalidarch"],
    )
    _publish(
        lab,
        "publish_layer_version_exc_partially_invalid_values",
        layer,
        CompatibleRuntimes=["invalidruntime", "invalidruntime2", "nodejs20.x"],
        CompatibleArchitectures=["invalidarch", "x86_64"],
    )
    _publish(
        lab,
        "publish_empty_result",
        lab.name(),
        CompatibleRuntimes=[],
        CompatibleArchitectures=[],
    )
    for key, (name, number) in {
        "get_layer_version_exc_layer_doesnotexist": ("doesnotexist", 1),
        "get_layer_version_exc_layer_version_doesnotexist_negative": (layer, -1),
        "get_layer_version_exc_layer_version_doesnotexist_zero": (layer, 0),
        "get_layer_version_exc_layer_version_doesnotexist_2": (layer, 2),
    }.items():
        lab.record(key, "get_layer_version", LayerName=name, VersionNumber=number)
    for key, arn in {
        "get_layer_version_by_arn_exc_invalidarn": published["LayerArn"],
        "get_layer_version_by_arn_exc_nonexistentversion": f"{published['LayerArn']}:2",
    }.items():
        lab.record(key, "get_layer_version_by_arn", Arn=arn)
    lab.record("list_nonexistent_layer", "list_layer_versions", LayerName="doesnotexist")
    lab.record(
        "list_layers_exc_compatibleruntime_invalid",
        "list_layers",
        CompatibleRuntime="runtimedoesnotexist",
    )
    lab.record(
        "list_layers_exc_compatiblearchitecture_invalid",
        "list_layers",
        CompatibleArchitecture="archdoesnotexist",
    )
    for key, (name, number) in {
        "delete_nonexistent_response": ("doesnotexist", 1),
        "delete_nonexistent_version_response": (layer, 2),
        "delete_layer_response": (layer, 1),
        "delete_layer_again_response": (layer, 1),
        "delete_layer_version_exc_layerversion_invalid_version": (layer, -1),
    }.items():
        lab.record(key, "delete_layer_version", LayerName=name, VersionNumber=number)


@scenario("TestLambdaLayer::test_layer_function_exceptions")
def function_exceptions(lab):
    layer = lab.name()
    arns = [
        _publish(
            lab, key, layer, CompatibleRuntimes=[], CompatibleArchitectures=["x86_64"]
        )["LayerVersionArn"]
        for key in ("publish_result", "publish_result_2", "publish_result_3")
    ]
    name = lab.deploy()
    lab.record("get_fn_result", "get_function", FunctionName=name)
    bare = arns[0].removesuffix(":1")
    for key, layers in {
        "two_layer_versions_single_function_exc": arns[:2],
        "three_layer_versions_single_function_exc": arns,
        "two_identical_layer_versions_single_function_exc": [arns[0], arns[0]],
        "add_nonexistent_layer_exc": [bare.replace(layer, "doesnotexist") + ":1"],
        "add_nonexistent_layer_version_exc": [f"{bare}:9"],
        "add_layer_arn_without_version_exc": [bare],
    }.items():
        lab.record(key, "update_function_configuration", FunctionName=name, Layers=layers)
    elsewhere = lab.ask(
        "publish_layer_version", region="us-west-2", LayerName=layer, Content=CONTENT
    )
    lab.record(
        "create_function_with_layer_in_different_region",
        "create_function",
        **lab.arguments(Layers=[elsewhere["LayerVersionArn"]]),
    )


@scenario("TestLambdaLayer::test_layer_function_quota_exception")
def function_quota_exception(lab):
    arns = [
        lab.call("publish_layer_version", LayerName=lab.name(), Content=CONTENT)["LayerVersionArn"]
        for _ in range(6)
    ]
    lab.record("create_function_with_six_layers", "create_function", **lab.arguments(Layers=arns))


@scenario("TestLambdaLayer::test_layer_lifecycle")
def lifecycle(lab):
    name, layer = lab.deploy(), lab.name()
    function = {"FunctionName": name}
    lab.record("get_fn_result", "get_function", **function)
    lab.record("get_fn_config_result", "get_function_configuration", **function)
    described = {
        "Description": f"description of {layer}",
        "LicenseInfo": f"license of {layer}",
        "CompatibleRuntimes": ["python3.12"],
        "CompatibleArchitectures": ["x86_64"],
    }
    arn = _publish(lab, "publish_result", layer, **described)["LayerVersionArn"]
    lab.record("get_layer_ver_result", "get_layer_version", LayerName=layer, VersionNumber=1)
    lab.record("get_layer_by_arn_version", "get_layer_version_by_arn", Arn=arn)
    lab.record("update_fn_config", "update_function_configuration", Layers=[arn], **function)
    lab.updated(name)
    lab.record("get_fn_config", "get_function_configuration", **function)
    _publish(lab, "publish_result_2", layer, **described)
    lab.record("list_layer_versions_predelete", "list_layer_versions", LayerName=layer)
    for number in (1, 2):
        lab.record(
            f"delete_layer_{number}",
            "delete_layer_version",
            LayerName=layer,
            VersionNumber=number,
        )
    lab.record("get_fn_config_postdelete", "get_function_configuration", **function)
    lab.record("list_layer_versions_postdelete", "list_layer_versions", LayerName=layer)
    _publish(lab, "publish_result_3", layer, **described)
