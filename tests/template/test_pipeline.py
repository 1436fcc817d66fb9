"""The pipeline's template: what other tools, operators and its own code rely on."""

from __future__ import annotations

import json
import re

import pytest

from orders import events, retention
from simulation.stack import PIPELINE
from tests.template.alarms import alarm_metric, anchors
from tests.template.stack import TransformedTemplate, parameter_sets, transformed

DAY = 24 * 60 * 60
FOURTEEN_DAYS = 14 * DAY


# ── Outputs ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_outputs_are_those_of_the_contract(defaults: TransformedTemplate) -> None:
    assert {name: output["Value"] for name, output in defaults.outputs.items()} == {
        "OrdersTableName": defaults.ref("OrdersTable"),
        "OrderStatesTableName": defaults.ref("OrderStatesTable"),
        "InventoryTableName": defaults.ref("InventoryTable"),
        "PaymentsTableName": defaults.ref("PaymentsTable"),
        "SimulatedGatewayTableName": defaults.ref("SimulatedGatewayTable"),
        "EventBusName": defaults.ref("EventBus"),
        "OrderWorkflowArn": defaults.ref("OrderWorkflow"),
        "DeadLetterQueueUrl": defaults.ref("DeadLetterQueue"),
        "StreamFailureQueueUrl": defaults.ref("StreamFailureQueue"),
        "AlertTopicArn": defaults.ref("AlertTopic"),
        "AlertKeyArn": defaults.arn("AlertKey"),
    }


def test_a_stack_with_stripe_has_no_simulated_gateway() -> None:
    stack = TransformedTemplate(transformed(), **parameter_sets(PIPELINE)["everything"])
    assert "SimulatedGatewayTable" not in stack.resources
    assert "SimulatedGatewayTableName" not in stack.outputs


def test_alerts_go_to_the_address_that_was_given_or_to_nobody(defaults: TransformedTemplate) -> None:
    assert defaults.of_type("AWS::SNS::Subscription") == {}
    stack = TransformedTemplate(transformed(), AlertEmail="oncall@example.com")
    [subscription] = stack.of_type("AWS::SNS::Subscription").values()
    assert subscription == {
        "TopicArn": stack.ref("AlertTopic"),
        "Protocol": "email",
        "Endpoint": "oncall@example.com",
    }


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("table", "keys", "expiry"),
    [
        ("OrdersTable", {"order_id": "HASH"}, None),
        ("InventoryTable", {"pk": "HASH", "sk": "RANGE"}, "expires_at"),
        ("PaymentsTable", {"order_id": "HASH"}, "expires_at"),
        ("IdempotencyTable", {"id": "HASH"}, "expiration"),
        ("SimulatedGatewayTable", {"id": "HASH"}, None),
    ],
)
def test_a_table_has_the_keys_and_the_expiry_that_the_code_writes(
    defaults: TransformedTemplate, table: str, keys: dict[str, str], expiry: str | None
) -> None:
    properties = defaults.of_type("AWS::DynamoDB::Table")[table]
    assert {key["AttributeName"]: key["KeyType"] for key in properties["KeySchema"]} == keys
    assert properties.get("TimeToLiveSpecification") == (expiry and {"AttributeName": expiry, "Enabled": True})


def test_the_gateways_intents_are_found_by_order(defaults: TransformedTemplate) -> None:
    [index] = defaults.of_type("AWS::DynamoDB::Table")["SimulatedGatewayTable"]["GlobalSecondaryIndexes"]
    assert index == {
        "IndexName": "by-order",
        "KeySchema": [{"AttributeName": "order_id", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }


# ── From the stream to the workflow ───────────────────────────────────────────────────────────────────────────────────


def test_the_streams_show_what_publish_reads_and_no_more(pipeline: TransformedTemplate) -> None:
    tables = pipeline.of_type("AWS::DynamoDB::Table")
    streams = {name: table["StreamSpecification"] for name, table in tables.items() if "StreamSpecification" in table}
    assert streams == {
        "OrdersTable": {"StreamViewType": "KEYS_ONLY"},
        "OrderStatesTable": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
    }


@pytest.mark.parametrize(
    ("table", "changes"), [("OrdersTable", ["INSERT"]), ("OrderStatesTable", ["INSERT", "MODIFY"])]
)
def test_the_stream_mappings_neither_lose_records_nor_block_a_shard(
    pipeline: TransformedTemplate, table: str, changes: list[str]
) -> None:
    mappings = pipeline.of_type("AWS::Lambda::EventSourceMapping").values()
    [mapping] = [each for each in mappings if each["EventSourceArn"] == pipeline.attribute(table, "StreamArn")]
    assert json.loads(mapping["FilterCriteria"]["Filters"][0]["Pattern"]) == {"eventName": changes}
    assert {key: value for key, value in mapping.items() if key not in ("FilterCriteria", "BatchSize")} == {
        "FunctionName": pipeline.ref("PublishFunction"),
        "EventSourceArn": pipeline.attribute(table, "StreamArn"),
        # An order placed before the mapping was ready is an order too.
        "StartingPosition": "TRIM_HORIZON",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        # Without a number of attempts, which Lambda would use up in minutes: an outage of the bus may last hours.
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": 12 * 60 * 60,
        "DestinationConfig": {"OnFailure": {"Destination": pipeline.arn("StreamFailureQueue")}},
    }


def test_the_rule_starts_the_workflow_for_every_placed_order(pipeline: TransformedTemplate) -> None:
    rule = pipeline.of_type("AWS::Events::Rule")["OrderPlacedRule"]
    assert rule["EventBusName"] == pipeline.ref("EventBus")
    assert rule["EventPattern"] == {"source": [events.SOURCE], "detail-type": [events.PLACED]}
    [target] = rule["Targets"]
    assert target["Arn"] == pipeline.ref("OrderWorkflow")
    # The workflow reads its input's order_id: what it gets is the event's detail, without the envelope.
    assert target["InputPath"] == "$.detail"


def test_an_event_that_cannot_start_the_workflow_is_tried_for_a_day_and_then_kept(
    pipeline: TransformedTemplate,
) -> None:
    [target] = pipeline.of_type("AWS::Events::Rule")["OrderPlacedRule"]["Targets"]
    # The most that EventBridge offers: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": DAY, "MaximumRetryAttempts": 185}
    assert target["DeadLetterConfig"] == {"Arn": pipeline.arn("DeadLetterQueue")}


def test_what_absorbs_duplicates_outlives_every_redelivery_that_the_template_allows(
    pipeline: TransformedTemplate,
) -> None:
    [target] = pipeline.of_type("AWS::Events::Rule")["OrderPlacedRule"]["Targets"]
    on_the_bus = target["RetryPolicy"]["MaximumEventAgeInSeconds"]
    in_the_stream = DAY  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
    waiting = pipeline.of_type("AWS::SQS::Queue")["DeadLetterQueue"]["MessageRetentionPeriod"]
    redrivable = FOURTEEN_DAYS  # https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
    longest = in_the_stream + on_the_bus + waiting + on_the_bus + redrivable
    assert longest <= retention.LONGEST_REDELIVERY_SECONDS < retention.RETENTION_SECONDS


# ── The workflow ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_the_workflow_is_of_the_type_that_was_asked_for(kind: str) -> None:
    workflow = TransformedTemplate(transformed(), WorkflowType=kind).workflows["OrderWorkflow"]
    assert workflow.properties["StateMachineType"] == kind


def test_the_workflow_is_standard_by_default(defaults: TransformedTemplate) -> None:
    assert defaults.workflows["OrderWorkflow"].properties["StateMachineType"] == "STANDARD"


def test_the_workflows_alert_says_where_to_read_what_to_do(defaults: TransformedTemplate) -> None:
    message = defaults.workflows["OrderWorkflow"].states["Escalate"]["Arguments"]["Message"]
    [(page, anchor)] = re.findall(r"(docs/\w+\.md)#([\w-]+)", message)
    assert anchor in anchors(page)


# ── What is watched ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_there_is_an_alarm_for_everything_that_needs_a_person(pipeline: TransformedTemplate) -> None:
    workflow = (("StateMachineArn", pipeline.ref("OrderWorkflow")),)
    assert {alarm_metric(alarm) for alarm in pipeline.of_type("AWS::CloudWatch::Alarm").values()} == {
        ("AWS/States", "ExecutionsFailed", workflow),
        ("AWS/States", "ExecutionsTimedOut", workflow),
        (
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            (("QueueName", pipeline.attribute("DeadLetterQueue", "QueueName")),),
        ),
        (
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            (("QueueName", pipeline.attribute("StreamFailureQueue", "QueueName")),),
        ),
        ("AWS/Lambda", "IteratorAge", (("FunctionName", pipeline.ref("PublishFunction")),)),
        ("orders", "UnexpectedErrors", ()),
        ("AWS/Lambda", "Throttles", ()),
        ("AWS/DynamoDB", "TransactionConflict", (("TableName", pipeline.ref("InventoryTable")),)),
    }
