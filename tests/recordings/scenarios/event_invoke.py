"""How asynchronous invocations are retried and where their outcomes go: the configuration.

Rules found here:

- Put replaces everything, Update changes what is given; a member that was never given is absent,
  but DestinationConfig is always shown with both sides, empty ones as `{}`.
- Put and Update refuse a function that does not exist, and an alias that does not, with `The
  function doesn't exist.`; Get and Delete with `The function <arn> doesn't have an
  EventInvokeConfig`, the qualifier explicit; List with the former.
- A request without any setting is refused before the function is looked up.
"""

from recordings.registry import scenario


def _operation(verb):
    return f"{verb}_function_event_invoke_config"


@scenario("TestLambdaEventInvokeConfig::test_lambda_eventinvokeconfig_lifecycle")
def lifecycle(lab):
    function = {"FunctionName": lab.deploy()}
    latest = {**function, "Qualifier": "$LATEST"}
    first = {**function, "Qualifier": "1"}
    lab.record("put_invokeconfig_retries_0", _operation("put"), MaximumRetryAttempts=0, **function)
    lab.record(
        "put_invokeconfig_eventage_60", _operation("put"), MaximumEventAgeInSeconds=60, **function
    )
    lab.record(
        "update_invokeconfig_eventage_nochange",
        _operation("update"),
        MaximumEventAgeInSeconds=60,
        **function,
    )
    lab.record(
        "update_invokeconfig_retries", _operation("update"), MaximumRetryAttempts=1, **function
    )
    lab.record("get_invokeconfig", _operation("get"), **function)
    lab.record("list_single_invokeconfig", "list_function_event_invoke_configs", **function)
    lab.record("get_invokeconfig_latest", _operation("get"), **latest)
    lab.record("publish_version_result", "publish_version", **function)
    lab.record("get_invokeconfig_postpublish", _operation("get"), **first)
    lab.record(
        "put_published_invokeconfig", _operation("put"), MaximumEventAgeInSeconds=120, **first
    )
    lab.record("get_published_invokeconfig", _operation("get"), **first)
    lab.call(_operation("delete"), **function)
    lab.record("list_paging_nolimit_postdelete", "list_function_event_invoke_configs", **function)


@scenario("TestLambdaEventInvokeConfig::test_lambda_eventinvokeconfig_exceptions")
def exceptions(lab):
    name, other = lab.deploy(), lab.deploy()
    function, alias = {"FunctionName": name}, "eventinvokealias"
    lab.record("fn_version_result", "publish_version", **function)
    lab.record("fn_alias_result", "create_alias", Name=alias, FunctionVersion="1", **function)
    _missing(lab, name, alias)
    _destinations(lab, name, other)
    _qualifiers(lab, name, alias)
    _overwriting(lab, name)
    _deletions(lab, name, alias)


def _put(lab, key, name, qualifier=None, **settings):
    which = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
    lab.record(key, _operation("put"), **which, **(settings or {"MaximumRetryAttempts": 1}))


def _missing(lab, name, alias):
    """What does not exist: functions, aliases, configurations."""
    lab.record("put_functionname_nootherargs", _operation("put"), FunctionName=name)
    _put(lab, "put_functionname_name_notfound", "doesnotexist")
    _put(lab, "put_functionname_arn_notfound", lab.arn("doesnotexist"))
    _put(lab, "put_alias_doesnotexist", name, "doesnotexist")
    retries = {"MaximumRetryAttempts": 0}
    for key, verb, function, more in (
        ("get_function_doesnotexist", "get", "doesnotexist", {}),
        ("get_qualifier_doesnotexist", "get", name, {"Qualifier": "doesnotexist"}),
        ("get_eventinvokeconfig_doesnotexist", "get", name, {"Qualifier": alias}),
        ("delete_function_doesnotexist", "delete", "doesnotexist", {}),
        ("delete_function_not_found", "delete", name, {}),
        ("update_eventinvokeconfig_function_doesnotexist", "update", "doesnotexist", retries),
        (
            "update_eventinvokeconfig_config_doesnotexist_with_qualifier",
            "update",
            name,
            {**retries, "Qualifier": alias},
        ),
        (
            "update_eventinvokeconfig_config_doesnotexist_without_qualifier",
            "update",
            name,
            retries,
        ),
    ):
        lab.record(key, _operation(verb), FunctionName=function, **more)
    lab.record(
        "list_function_doesnotexist",
        "list_function_event_invoke_configs",
        FunctionName="doesnotexist",
    )


def _destinations(lab, name, other):
    """Destinations that are refused, and some that are taken."""
    arn = lab.arn(name)

    def destined(key, side, destination):
        side_config = {} if destination is None else {"Destination": destination}
        _put(lab, key, name, DestinationConfig={side: side_config})

    destined("put_destination_recursive", "OnSuccess", arn)
    destined("put_destination_lambda_doesntexist", "OnSuccess", lab.arn("doesnotexist"))
    destined(
        "put_destination_invalid_service_arn", "OnSuccess", arn.replace(":lambda:", ":iam:")
    )
    destined(
        "put_destination_invalid_arn_pattern", "OnFailure", arn.replace(":lambda:", ":_-/!lambda:")
    )
    destined("put_destination_success_no_destination_arn", "OnSuccess", None)
    destined("put_destination_failure_no_destination_arn", "OnFailure", None)
    destined("put_destination_other_lambda", "OnSuccess", lab.arn(other))


def _qualifiers(lab, name, alias):
    """The ways to name what a configuration is for, and the contradictions."""
    qualified = lab.arn(name, alias)
    _put(lab, "put_destination_latest", name)
    _put(lab, "put_destination_latest_explicit_qualifier", name, "$LATEST")
    _put(lab, "put_destination_version", name, "1")
    _put(lab, "put_alias_functionname_qualifier", name, alias)
    _put(lab, "put_alias_qualifiedarn", qualified)
    _put(lab, "put_alias_qualifiedarn_qualifier", qualified, alias)
    _put(lab, "put_alias_qualifiedarn_qualifierconflict", qualified, "$LATEST")
    _put(lab, "put_alias_shorthand", f"{name}:{alias}")
    _put(lab, "put_alias_shorthand_qualifier", f"{name}:{alias}", alias)
    _put(lab, "put_alias_shorthand_qualifierconflict", f"{name}:{alias}", "$LATEST")
    _put(lab, "put_version_shorthand", f"{name}:1")
    _put(lab, "put_shorthand_qualifier_match", f"{name}:$LATEST", "$LATEST")
    _put(lab, "put_shorthand_qualifier_mismatch_1", f"{name}:1", "$LATEST")
    _put(lab, "put_shorthand_qualifier_mismatch_2", f"{name}:$LATEST", "1")
    _put(lab, "put_shorthand_qualifier_mismatch_3", f"{name}:{alias}", "1")


def _overwriting(lab, name):
    """Put replaces, Update amends."""
    age = {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 2}
    function = {"FunctionName": name}
    _put(lab, "put_maxevent_maxvalue_result", name, **{**age, "MaximumEventAgeInSeconds": 21600})
    _put(lab, "put_pre_overwrite", name, **age)
    _put(lab, "put_post_overwrite", name, MaximumRetryAttempts=0)
    lab.record("get_post_overwrite", _operation("get"), **function)
    _put(lab, "second_overwrite_existing_response", name, MaximumRetryAttempts=0)
    _put(lab, "pre_update_response", name, **age)
    for key in ("update_response", "update_response_existing"):
        lab.record(key, _operation("update"), MaximumRetryAttempts=0, **function)


def _deletions(lab, name, alias):
    """All of them listed, deleted one by one, and none left."""
    function = {"FunctionName": name}
    lab.record("list_configs", "list_function_event_invoke_configs", **function)
    lab.record("delete_latest", _operation("delete"), **function)
    lab.record("delete_version", _operation("delete"), Qualifier="1", **function)
    lab.record("delete_alias", _operation("delete"), Qualifier=alias, **function)
    lab.record("list_configs_postdelete", "list_function_event_invoke_configs", **function)
