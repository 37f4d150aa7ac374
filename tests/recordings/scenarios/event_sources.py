"""Event source mappings, as far as the control plane answers for them.

Rules found here:

- A source is recognised before the function is looked up: without one `Unrecognized event source.`,
  with one `Function does not exist`.
- FunctionArn is as it was named, but for a full ARN with `$LATEST`, which is shown without it; a
  partial one keeps it.
- Kafka's consumer group is the mapping's UUID unless given; a second mapping of the same function
  with any of the same brokers and topics conflicts.
"""

import uuid

from recordings.lab import ACCOUNT, REGION
from recordings.registry import scenario

CREATE = "create_event_source_mapping"


def _queue(name):
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


@scenario("TestLambdaEventSourceMappings::test_event_source_mapping_exceptions")
def exceptions(lab):
    unknown = {"UUID": str(uuid.uuid4())}
    for verb, arguments in {"get": {}, "delete": {}, "update": {"Enabled": False}}.items():
        lab.record(
            f"{verb}_unknown_uuid", f"{verb}_event_source_mapping", **unknown, **arguments
        )
    lab.record("create_no_event_source_arn", CREATE, FunctionName="doesnotexist")
    lab.record(
        "create_unknown_params",
        CREATE,
        FunctionName="doesnotexist",
        EventSourceArn=_queue("somequeue"),
    )
    queue = lab.name()
    lab.call("sqs.create_queue", QueueName=queue)
    lab.record(
        "destination_config_failure",
        CREATE,
        FunctionName=lab.deploy(),
        EventSourceArn=_queue(queue),
        DestinationConfig={"OnFailure": {"Destination": _queue(queue)}},
    )


@scenario("TestLambdaEventSourceMappings::test_create_event_source_self_managed")
def self_managed(lab):
    name = lab.deploy()
    secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:secret-0123ab"
    access = {"SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": secret}]}

    def create(key, topic, brokers=("kafka:1000",), **more):
        lab.record(
            key,
            CREATE,
            FunctionName=name,
            Topics=[topic],
            SelfManagedEventSource={"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": list(brokers)}},
            **more,
        )

    create("missing-source-access-configuration", "topic")
    create("event-source-mapping-default", "topic", **access)
    create(
        "event-source-mapping-values",
        "topic_2",
        BatchSize=1,
        StartingPosition="LATEST",
        SelfManagedKafkaEventSourceConfig={"ConsumerGroupId": "random_id"},
        **access,
    )
    create("duplicate-source", "topic", **access)
    create("multiple-duplicate-source", "topic", ("kafka:1000", "kafka:2000"), **access)


@scenario("TestLambdaEventSourceMappings::test_function_name_variations")
def name_variations(lab):
    name, queue = lab.deploy(), lab.name()
    lab.call("sqs.create_queue", QueueName=queue)
    lab.call("publish_version", FunctionName=name)
    lab.call("create_alias", FunctionName=name, Name="myalias", FunctionVersion="1")
    names = {"name_only": name}
    kinds = {"partial_arn": f"{ACCOUNT}:function:{name}", "full_arn": lab.arn(name)}
    for kind, start in kinds.items():
        for suffix, qualifier in {"latest": "$LATEST", "version": "1", "alias": "myalias"}.items():
            names[f"{kind}_{suffix}"] = f"{start}:{qualifier}"
    for variation, named in names.items():
        created = lab.record(
            f"{variation}_create_esm", CREATE, FunctionName=named, EventSourceArn=_queue(queue)
        )
        lab.call("delete_event_source_mapping", UUID=created["UUID"])
