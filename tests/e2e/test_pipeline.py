"""Orders through the deployed template: put into the table, followed by what they leave behind."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from demo import shop
from invariants.checks import violations
from tests.e2e.conftest import Pipeline, until

OPENING = dict(shop.OPENING_STOCK)
PLANTED = {"email": "grace.planted@example.com", "customer_id": "Planted-Grace-Hopper"}


@pytest.fixture(scope="module", autouse=True)
def _all_adds_up_at_the_end(pipeline: Pipeline) -> Any:
    yield
    until(pipeline.executions, lambda seen: all(execution["status"] != "RUNNING" for execution in seen))
    now = pipeline.wait()
    ours = {sku: counters for sku, counters in now.counters.items() if sku in OPENING}  # a burst brings its own
    found = violations(replace(now, opening=OPENING, counters=ours, waiting=0))  # one test puts a record into a queue
    assert {invariant.name: problems for invariant, problems in found.items() if problems} == {}


def test_every_kind_of_order_comes_to_its_outcome(pipeline: Pipeline) -> None:
    placements = shop.showcase()
    for placement in placements:
        pipeline.place(placement.item)
    now = pipeline.wait(*[placement.order_id for placement in placements])
    outcomes = {placement.order_id: now.status(placement.order_id) for placement in placements}
    assert {
        order_id: status
        for placement, (order_id, status) in zip(placements, outcomes.items(), strict=True)
        if status not in placement.expected
    } == {}
    assert Counter([outcomes["last-unit-a"], outcomes["last-unit-b"]]) == {"CONFIRMED": 1, "CANCELLED": 1}


def test_the_same_event_twenty_times_at_once_and_late_changes_nothing(pipeline: Pipeline) -> None:
    before = len(pipeline.executions())
    order_id = pipeline.place(shop.order("duplicated", {"TEA-100": 2, "TRAY": 1}))
    for _ in range(10):
        shop.deliver_again(pipeline.stack, order_id)
    at_once = pipeline.wait(order_id)
    for _ in range(10):
        shop.deliver_again(pipeline.stack, order_id)
    pipeline.quiet(before + 21)
    late = pipeline.wait(order_id)
    assert late.states[order_id] == at_once.states[order_id]
    assert late.reservations[order_id] == at_once.reservations[order_id]
    assert late.payments[order_id] == at_once.payments[order_id]
    assert [intent.status for intent in late.intents[order_id]] == ["succeeded"]
    assert len(late.told(order_id)) == 1


def test_a_put_that_is_repeated_after_the_decision_does_not_undo_it(pipeline: Pipeline) -> None:
    prices = pipeline.stack.table("InventoryTableName")
    prices.put_item(
        Item={"pk": "SKU#DEAR", "sk": "STOCK", "available": 9, "unit_price": 100, "currency": "EUR", "name": "Dear"}
    )
    OPENING["DEAR"] = 9
    item = shop.order("put-twice", {"DEAR": 1})
    first = pipeline.wait(pipeline.place(item))
    prices.update_item(
        Key={"pk": "SKU#DEAR", "sk": "STOCK"},
        UpdateExpression="SET unit_price = :dearer",
        ExpressionAttributeValues={":dearer": 200},
    )
    pipeline.place(item)
    shop.deliver_again(pipeline.stack, "put-twice")
    pipeline.quiet(len(pipeline.executions()))
    again = pipeline.wait("put-twice")
    assert again.states["put-twice"] == first.states["put-twice"]
    assert again.reservations["put-twice"] == first.reservations["put-twice"]
    assert again.payments["put-twice"] == first.payments["put-twice"]


def test_an_order_that_is_restored_from_a_backup_stays_as_it_was_decided(pipeline: Pipeline) -> None:
    item = shop.order("restored", {"TEA-100": 1})
    first = pipeline.wait(pipeline.place(item))
    before = len(pipeline.executions())
    pipeline.stack.table("OrdersTableName").delete_item(Key={"order_id": "restored"})
    pipeline.place(item)
    pipeline.quiet(before + 1)
    again = pipeline.wait("restored")
    assert again.states["restored"] == first.states["restored"]
    assert again.payments["restored"] == first.payments["restored"]
    assert len(again.told("restored")) == 1


# What other shops put into their orders, and what somebody would put who wants goods for nothing.
FOREIGN: dict[str, dict[str, Any]] = {
    "status-pending": {"status": "pending"},
    "decision-forged": {"status": "CONFIRMED", "decision": {"outcome": "CONFIRMED", "reason": "ACCEPTED"}},
    "decision-nonsense": {"decision": "CONFIRMED", "history": 7},
}


def test_what_the_item_says_became_of_the_order_means_nothing(pipeline: Pipeline) -> None:
    good = [pipeline.place(shop.order(name, {"TEA-100": 1}) | foreign) for name, foreign in FOREIGN.items()]
    bad = [
        pipeline.place(shop.order(f"unpaid-{name}", {"TEA-100": 1}, total=1) | foreign)
        for name, foreign in FOREIGN.items()
    ]
    now = pipeline.wait(*good, *bad)
    assert {order_id: now.status(order_id) for order_id in good} == dict.fromkeys(good, "CONFIRMED")
    assert {order_id: now.status(order_id) for order_id in bad} == dict.fromkeys(bad, "REJECTED")


# A rejected order ends without a person, whatever is in it.
STRANGE_IDS = ["o\n1", "o\r\nBcc: bob@example.com", "nul\x001", "[/]", "<b>", "😀" * 512, "o" * 2048, " "]


def test_orders_with_strange_ids_are_rejected_and_told_of_and_need_nobody(pipeline: Pipeline) -> None:
    before = len(pipeline.executions())
    for number, order_id in enumerate(STRANGE_IDS):
        customer = {"customer_id": "c", "email": f"strange-{number}@example.com"}
        pipeline.place(shop.order(order_id, {"TEA-100": 1}, customer=customer))
    pipeline.quiet(before + len(STRANGE_IDS))
    now = pipeline.wait(*STRANGE_IDS)
    assert {now.status(order_id) for order_id in STRANGE_IDS} == {"REJECTED"}
    assert [execution["status"] for execution in pipeline.executions() if execution["status"] != "SUCCEEDED"] == []
    told = [one.to for one in now.emails if one.to.startswith("strange-")]
    assert sorted(told) == [f"strange-{number}@example.com" for number in range(len(STRANGE_IDS))]


def test_an_item_as_large_as_dynamodb_takes_is_decided_like_any_other(pipeline: Pipeline) -> None:
    item = shop.order("large", {"TEA-100": 1})
    others = sum(len(name) for name in item) + 300  # more than the rest takes
    now = pipeline.wait(pipeline.place(item | {"note": "x" * (400 * 1024 - others)}))
    assert now.status("large") == "CONFIRMED"


def test_the_last_unit_goes_to_exactly_one_of_many(pipeline: Pipeline) -> None:
    pipeline.stack.table("InventoryTableName").put_item(
        Item={"pk": "SKU#LAST", "sk": "STOCK", "available": 1, "unit_price": 100, "currency": "EUR", "name": "Last"}
    )
    OPENING["LAST"] = 1
    order_ids = [pipeline.place(shop.order(f"wants-last-{number}", {"LAST": 1})) for number in range(6)]
    now = pipeline.wait(*order_ids)
    assert Counter(map(now.status, order_ids)) == {"CONFIRMED": 1, "CANCELLED": 5}


BAD_ITEMS: dict[str, dict[str, Any]] = {
    "for-nothing": {"lines": [], "total": 0},
    "negative": {"lines": [{"sku": "TEA-100", "quantity": -1, "unit_price": 890}], "total": -890},
    "huge": {"lines": [{"sku": "TEA-100", "quantity": 10**30, "unit_price": 890}], "total": 890 * 10**30},
    "not-a-number": {"total": "NaN"},
    "string-amount": {"total": "1780"},
    "unknown-currency": {"currency": "XXX"},
    "fifty-one-lines": {"lines": [{"sku": f"SKU-{n}", "quantity": 1, "unit_price": 1} for n in range(51)], "total": 51},
    "same-sku-twice": {"lines": [{"sku": "TEA-100", "quantity": 1, "unit_price": 890}] * 2, "total": 1780},
    "unicode": {"payment_method": "pm_💳", "currency": "€€€"},
    "100-kilobytes": {"payment_method": "x" * 100_000},
    "nothing-but-an-id": {"customer": None, "lines": None, "total": None, "placed_at": "never", "schema_version": None},
    "wrong-types": {"customer": ["ada"], "lines": {"sku": "TEA-100"}, "schema_version": "one"},
}


def test_bad_orders_are_rejected_with_reasons_and_block_nobody(pipeline: Pipeline) -> None:
    bad = [pipeline.place(shop.order(f"bad-{name}", {"TEA-100": 2}) | changes) for name, changes in BAD_ITEMS.items()]
    good = pipeline.place(shop.order("behind-the-bad-ones", {"TEA-100": 1}))
    now = pipeline.wait(*bad, good)
    assert {order_id: now.status(order_id) for order_id in bad} == dict.fromkeys(bad, "REJECTED")
    assert {now.decision(order_id)["reason"] for order_id in bad} == {"ORDER_INVALID"}
    assert all(now.decision(order_id)["violations"] for order_id in bad)
    assert now.status(good) == "CONFIRMED"


def test_an_item_that_changes_after_its_event_is_judged_and_charged_as_one(pipeline: Pipeline) -> None:
    item = shop.order("changing", {"TEA-100": 1})
    pipeline.place(item | {"total": 1})
    pipeline.place(item)
    now = pipeline.wait("changing")
    captured = [intent.amount for intent in now.live("changing") if intent.status == "succeeded"]
    # Which of the two contents was read is a race; mixing them is not possible.
    assert captured == {"CONFIRMED": [890], "REJECTED": []}[now.status("changing")]


def test_a_record_that_cannot_be_parsed_is_put_aside_and_its_neighbours_are_published(pipeline: Pipeline) -> None:
    states = pipeline.stack.table("OrderStatesTableName").latest_stream_arn

    def record(number: int, order_id: str, status: str) -> dict[str, Any]:
        change = {
            "SequenceNumber": str(number),
            "ApproximateCreationDateTime": 1_770_000_000,
            "Keys": {"order_id": {"S": order_id}},
            "NewImage": {
                "order_id": {"S": order_id},
                "status": {"S": status},
                "decision": {"M": {"outcome": {"S": status}, "reason": {"S": "ACCEPTED"}}},
            },
        }
        return {"eventID": f"event-{number}", "eventName": "INSERT", "eventSourceARN": states, "dynamodb": change}

    pipeline.place(shop.order("neighbour", {"TEA-100": 1}))
    pipeline.wait("neighbour")
    records = [record(1, "garbage", PLANTED["email"]), record(2, "neighbour", "CONFIRMED")]
    answer, failure = pipeline.invoke("PublishFunction", {"Records": records})
    assert (answer, failure) == ({"batchItemFailures": []}, None)
    (message,) = pipeline.messages(pipeline.stack.outputs["StreamFailureQueueUrl"])
    assert message["keys"] == {"order_id": {"S": "garbage"}}
    assert PLANTED["email"] not in json.dumps(message)


def test_decisions_are_announced_on_the_bus(pipeline: Pipeline) -> None:
    pipeline.place(shop.order("announced", {"TEA-100": 1}))
    pipeline.wait("announced")

    def announced() -> set[str]:
        events = [
            message for message in pipeline.messages(pipeline.tap) if message["detail"]["order_id"] == "announced"
        ]
        return {f"{event['detail-type']} {event['detail']['event_id']}" for event in events}

    seen: set[str] = set()

    def all_seen() -> set[str]:
        seen.update(announced())  # a message that was received is hidden for a while
        return seen

    until(all_seen, lambda found: len(found) >= 2)
    assert seen == {"OrderPlaced announced:placed", "OrderConfirmed announced:confirmed"}


def test_personal_data_appears_in_no_log_line_event_or_execution_history(pipeline: Pipeline) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"payment_method": "pm_card_chargeDeclined"},
        {"total": 1},
        {"payment_method": "4242 4242 4242 4242 Planted-Grace"},
    ]
    order_ids = [
        pipeline.place(shop.order(f"private-{number}", {"TEA-100": 1}) | {"customer": PLANTED} | change)
        for number, change in enumerate(changes)
    ]
    pipeline.wait(*order_ids)
    until(pipeline.executions, lambda seen: all(execution["status"] != "RUNNING" for execution in seen))
    client = pipeline.stack.client("stepfunctions")
    everything = json.dumps(
        [client.get_execution_history(executionArn=one["executionArn"])["events"] for one in pipeline.executions()],
        default=str,
    )
    everything += json.dumps(pipeline.messages(pipeline.tap))
    logs = pipeline.stack.client("logs")
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    lines = [
        event["message"]
        for group in groups
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        for event in page["events"]
    ]
    assert any("private-0" in line for line in lines)
    everything += "\n".join(lines)
    assert [word for word in ("planted", "Planted", "4242 4242") if word in everything] == []


def test_a_permission_that_is_taken_away_is_missed(pipeline: Pipeline) -> None:
    iam, role = pipeline.stack.client("iam"), pipeline.function("ValidateRole")
    policy = iam.get_role_policy(RoleName=role, PolicyName="validate")["PolicyDocument"]
    document = json.loads(policy) if isinstance(policy, str) else policy
    narrowed = document | {
        "Statement": [s for s in document["Statement"] if "dynamodb:BatchGetItem" not in json.dumps(s["Action"])]
    }
    order_id = pipeline.place(shop.order("needs-permission", {"TEA-100": 1}))
    pipeline.wait(order_id)
    try:
        iam.put_role_policy(RoleName=role, PolicyName="validate", PolicyDocument=json.dumps(narrowed))
        answer, failure = pipeline.invoke("ValidateFunction", {"order_id": order_id, "approved": ""})
    finally:
        iam.put_role_policy(RoleName=role, PolicyName="validate", PolicyDocument=json.dumps(document))
    assert failure
    assert "AccessDenied" in json.dumps(answer)


def test_a_policy_for_one_table_does_not_open_another(pipeline: Pipeline) -> None:
    environment = {"ORDERS_TABLE": pipeline.stack.outputs["PaymentsTableName"]}
    client = pipeline.stack.client("lambda")
    name = pipeline.function("ValidateFunction")
    usual = client.get_function_configuration(FunctionName=name)["Environment"]
    try:
        client.update_function_configuration(
            FunctionName=name, Environment={"Variables": usual["Variables"] | environment}
        )
        answer, failure = pipeline.invoke("ValidateFunction", {"order_id": "any", "approved": ""})
    finally:
        client.update_function_configuration(FunctionName=name, Environment=usual)
    assert failure
    assert "AccessDenied" in json.dumps(answer)
