"""The pipeline's template: what other tools, operators and its own code rely on."""

from __future__ import annotations

import inspect
import json
import re

import pytest

import sweep.app
from orders import Outcome, Reason, Status, backoff, events, retention
from simulation.stack import PIPELINE
from tests.template.alarms import alarm_metric, anchors
from tests.template.stack import Json, TransformedTemplate, parameter_sets, transformed

DAY = 24 * 60 * 60
FOURTEEN_DAYS = 14 * DAY


# ── Outputs ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_outputs_are_those_of_the_contract(defaults: TransformedTemplate) -> None:
    assert {name: output["Value"] for name, output in defaults.outputs.items()} == {
        "OrdersTableName": defaults.ref("OrdersTable"),
        "OrderStatesTableName": defaults.ref("OrderStatesTable"),
        "OrderStatesStreamArn": defaults.attribute("OrderStatesTable", "StreamArn"),
        "OpenOrdersTableName": defaults.ref("OpenOrdersTable"),
        "InventoryTableName": defaults.ref("InventoryTable"),
        "PaymentsTableName": defaults.ref("PaymentsTable"),
        "SimulatedGatewayTableName": defaults.ref("SimulatedGatewayTable"),
        "IdempotencyTableName": defaults.ref("IdempotencyTable"),
        "InventoryFunctionArn": defaults.arn("InventoryFunction"),
        "PaymentFunctionArn": defaults.arn("PaymentFunction"),
        "EventBusName": defaults.ref("EventBus"),
        "OrderWorkflowArn": defaults.ref("OrderWorkflow"),
        "DeadLetterQueueUrl": defaults.ref("DeadLetterQueue"),
        "StreamFailureQueueUrl": defaults.ref("StreamFailureQueue"),
        "AlertTopicArn": defaults.ref("AlertTopic"),
        "ApprovalHours": 24,
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
        ("OrderStatesTable", {"order_id": "HASH"}, None),
        # Nothing takes an order off the list but its end.
        ("OpenOrdersTable", {"order_id": "HASH"}, None),
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


def test_a_customers_orders_are_found_by_when_they_were_placed(defaults: TransformedTemplate) -> None:
    # Sparse: an order is in it that has a customer_id at its top level, as those have that came through the front door.
    # What is in it is billed twice, so no more is than what a list shows.
    [index] = defaults.of_type("AWS::DynamoDB::Table")["OrdersTable"]["GlobalSecondaryIndexes"]
    assert index == {
        "IndexName": "by-customer",
        "KeySchema": [
            {"AttributeName": "customer_id", "KeyType": "HASH"},
            {"AttributeName": "placed_at", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["total", "currency"]},
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


RULES = {
    "OrderPlacedRule": {"detail-type": [events.PLACED], "detail": {"review": [False]}},
    "OrderReviewedRule": {"detail-type": [events.REVIEWED]},
    "CancelledByCustomerRule": {
        "detail-type": [events.BECAME[Outcome.CANCELLED]],
        "detail": {"reason": [Reason.CANCELLED_BY_CUSTOMER]},
    },
}


@pytest.mark.parametrize(("name", "pattern"), RULES.items())
def test_a_rule_starts_the_workflow_for_every_order_that_goes_on(
    pipeline: TransformedTemplate, name: str, pattern: dict[str, object]
) -> None:
    rule = pipeline.of_type("AWS::Events::Rule")[name]
    assert rule["EventBusName"] == pipeline.ref("EventBus")
    assert rule["EventPattern"] == {"source": [events.SOURCE]} | pattern
    [target] = rule["Targets"]
    assert target["Arn"] == pipeline.ref("OrderWorkflow")
    # The workflow reads its input's order_id: what it gets is the event's detail, without the envelope.
    assert target["InputPath"] == "$.detail"


def test_no_other_rule_starts_the_workflow(pipeline: TransformedTemplate) -> None:
    assert pipeline.of_type("AWS::Events::Rule").keys() == RULES.keys()


def matches(rule: Json, event: events.OrderEvent) -> bool:
    """Whether an event starts what a rule starts, as EventBridge matches lists of values.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
    """
    pattern = rule["EventPattern"]
    fields = pattern.get("detail", {}).items()
    return event.detail_type in pattern["detail-type"] and all(
        event.detail.get(key) in values for key, values in fields
    )


@pytest.mark.parametrize(
    ("event", "starts"),
    [
        (events.OrderEvent(events.PLACED, "o-1", "", review=False), ["order"]),
        (events.OrderEvent(events.PLACED, "o-1", "", review=True), ["approval"]),
        (events.OrderEvent(events.PLACED, "o-1", "", tried_minutes=15, review=True), ["approval"]),
        (events.OrderEvent(events.REVIEWED, "o-1", "", approved="a-digest"), ["order"]),
        (events.OrderEvent(events.REVIEWED, "o-1", ""), ["order"]),
        (events.OrderEvent("OrderCancelled", "o-1", "", reason=Reason.CANCELLED_BY_CUSTOMER), ["approval", "order"]),
        (events.OrderEvent("OrderCancelled", "o-1", "", reason=Reason.NOT_APPROVED), []),
        (events.OrderEvent("OrderCancelled", "o-1", "", reason=Reason.OUT_OF_STOCK), []),
        (events.OrderEvent("OrderCancelled", "o-1", "", reason=Reason.CANCELLED_BEFORE_SHIPPING), ["shipping"]),
        (events.OrderEvent("OrderConfirmed", "o-1", "", reason=Reason.ACCEPTED), ["shipping"]),
        (events.OrderEvent("OrderConfirmed", "o-1", "", tried_minutes=15), ["shipping"]),
        (events.OrderEvent(events.RETURN_REQUESTED, "o-1", "", return_id="r-1"), ["return"]),
        *(
            (events.OrderEvent(events.BECAME[status], "o-1", ""), [])
            for status in (Status.SHIPPING, Status.DELIVERED, Status.ARCHIVED, Status.RETURNED)
        ),
        (events.OrderEvent("OrderRejected", "o-1", "", reason=Reason.ORDER_INVALID), []),
    ],
    ids=lambda value: " ".join(map(str, value.detail.values())) if isinstance(value, events.OrderEvent) else None,
)
def test_each_event_starts_what_goes_on_with_the_order_and_nothing_else(
    stacks: dict[str, TransformedTemplate], event: events.OrderEvent, starts: list[str]
) -> None:
    """Of all stacks together: no order is let fall between them, and none is tried while it waits for its approval."""
    started = [
        stack.workflows[stack.id_of("AWS::StepFunctions::StateMachine", target["Arn"])].file.name
        for stack in stacks.values()
        for rule in stack.of_type("AWS::Events::Rule").values()
        if matches(rule, event)
        for target in rule["Targets"]
    ]
    assert sorted(started) == [f"{name}.asl.json" for name in starts]


@pytest.mark.parametrize("name", RULES)
def test_an_event_that_cannot_start_the_workflow_is_tried_for_a_day_and_then_kept(
    pipeline: TransformedTemplate, name: str
) -> None:
    [target] = pipeline.of_type("AWS::Events::Rule")[name]["Targets"]
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
    for_a_person = FOURTEEN_DAYS
    longest = in_the_stream + on_the_bus + waiting + on_the_bus + for_a_person
    assert longest <= retention.LONGEST_REDELIVERY_SECONDS < retention.RETENTION_SECONDS


# ── The workflow ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_the_workflow_is_of_the_type_that_was_asked_for(kind: str) -> None:
    workflow = TransformedTemplate(transformed(), WorkflowType=kind).workflows["OrderWorkflow"]
    assert workflow.properties["StateMachineType"] == kind


def test_the_workflow_is_standard_by_default(defaults: TransformedTemplate) -> None:
    assert defaults.workflows["OrderWorkflow"].properties["StateMachineType"] == "STANDARD"


# ── The sweep ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_open_orders_are_looked_at_every_minute(pipeline: TransformedTemplate) -> None:
    [schedule] = pipeline.of_type("AWS::Scheduler::Schedule").values()
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule.get("State", "ENABLED") == "ENABLED"
    assert schedule["Target"]["Arn"] == pipeline.arn("SweepFunction")


def test_a_sweep_is_over_before_the_next_and_none_is_repeated(pipeline: TransformedTemplate) -> None:
    assert sweep.app.RUN_SECONDS < pipeline.functions["sweep"].properties["Timeout"] < 60
    # The scheduler hands it over to Lambda, which would repeat a run that failed: twice, and for six hours.
    # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    once = {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}
    [schedule] = pipeline.of_type("AWS::Scheduler::Schedule").values()
    assert schedule["Target"]["RetryPolicy"] == once
    [invoked] = pipeline.of_type("AWS::Lambda::EventInvokeConfig").values()
    assert invoked == {"FunctionName": pipeline.ref("SweepFunction"), "Qualifier": "$LATEST"} | once


def test_patience_ends_and_a_person_is_called_only_after_what_passes_by_itself(defaults: TransformedTemplate) -> None:
    values = {name: parameter["Default"] for name, parameter in transformed()["Parameters"].items()}
    # An order that has run out of patience is seen to by the next sweep, whose wait is the longest by then.
    longest_wait = backoff.wait_seconds(100) // 60
    assert values["OpenLimitMinutes"] > values["PatienceMinutes"] + 2 * longest_wait
    assert defaults.functions["sweep"].environment["OPEN_LIMIT_MINUTES"] == values["OpenLimitMinutes"]


def test_the_limit_and_the_time_for_an_approval_are_the_parameters(defaults: TransformedTemplate) -> None:
    limit = {name: one.environment.get("APPROVAL_LIMIT") for name, one in defaults.functions.items()}
    assert {name: str(value) for name, value in limit.items() if value is not None} == {"publish": "0", "validate": "0"}
    stack = TransformedTemplate(transformed(), ApprovalLimit=50_000, ApprovalHours=6)
    # Who marks an order and who lets it pass have to agree, or it would wait for nobody.
    limits = [int(stack.functions[name].environment["APPROVAL_LIMIT"]) for name in ("publish", "validate")]
    assert limits == [50_000, 50_000]
    assert stack.functions["sweep"].environment["APPROVAL_HOURS"] == stack.outputs["ApprovalHours"]["Value"] == 6


def test_an_alarm_about_open_orders_sees_at_least_one_look_at_each(pipeline: TransformedTemplate) -> None:
    # What is swept is counted, once for each sweep. A shorter period would ring and stop ringing between two of them.
    alarms = pipeline.of_type("AWS::CloudWatch::Alarm")
    between = backoff.wait_seconds(100) + 60 + sweep.app.RUN_SECONDS
    for name in ("PeopleNeededAlarm", "OldestOpenOrderAlarm"):
        assert alarms[name]["Period"] > between, name


def test_more_orders_are_open_than_an_hour_of_sweeps_can_start_before_that_alarm_rings(
    pipeline: TransformedTemplate,
) -> None:
    a_second = int(pipeline.functions["sweep"].environment["SWEEPS_PER_SECOND"])
    alarm = pipeline.of_type("AWS::CloudWatch::Alarm")["OpenOrdersAlarm"]
    assert alarm["Threshold"] == a_second * sweep.app.RUN_SECONDS * 60


def test_the_sweeps_message_says_where_to_read_what_to_do() -> None:
    [(page, anchor)] = re.findall(r'"(docs/\w+\.md)#([\w-]+)"', inspect.getsource(sweep.app))
    assert anchor in anchors(page)


# ── What is watched ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_there_is_an_alarm_for_everything_that_needs_a_person(pipeline: TransformedTemplate) -> None:
    swept = (("service", "sweep"),)
    assert {alarm_metric(alarm) for alarm in pipeline.of_type("AWS::CloudWatch::Alarm").values()} == {
        ("orders", "PeopleNeeded", swept),
        ("orders", "OldestOpenOrderMinutes", swept),
        ("orders", "OpenOrders", swept),
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
        ("AWS/Lambda", "Throttles", ()),
        ("AWS/DynamoDB", "TransactionConflict", (("TableName", pipeline.ref("InventoryTable")),)),
    }
