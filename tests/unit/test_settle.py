"""What was decided about an order to approve is carried out, whoever decided it, and the pipeline goes on with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from ask import app
from aws import clients
from orders import approval
from tests.unit.approving import PARAMETERS, SECOND, settle
from tests.unit.builders import PERSONAL, a_state, an_order
from tests.unit.bus import THROTTLED, UNREACHABLE, Bus
from tests.unit.faults import dies_after, dies_before, fails, just_after, just_before
from tests.unit.stack import MotoStack

DECIDED_AT = "2026-01-01T10:00:00+00:00"


@pytest.fixture
def parameters() -> dict[str, str]:
    return PARAMETERS


@pytest.fixture(autouse=True)
def bus(stack: MotoStack, tasks: Any, outbox: Any) -> Bus:
    stack.table("OrdersTable").put_item(Item=an_order())
    return Bus()


@pytest.fixture
def states(stack: MotoStack) -> Any:
    return stack.table("OrderStatesTable")


def content(stack: MotoStack) -> str:
    """What somebody approves who approves order-1 as it is."""
    return approval.digest(stack.table("OrdersTable").get_item(Key={"order_id": "order-1"})["Item"])


def answer(approvals: Any, status: str) -> None:
    """What the approver's click writes, or the time that has run out."""
    approvals.update_item(
        Key={"order_id": "order-1"},
        UpdateExpression="SET #status = :status, decided_at = :at",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": status, ":at": DECIDED_AT},
    )


def decision(states: Any) -> tuple[str, str] | None:
    """The order's outcome and its reason, if it has one."""
    item = states.get_item(Key={"order_id": "order-1"}).get("Item")
    return item and (item["decision"]["outcome"], item["decision"]["reason"])


def reviewed(**more: Any) -> dict[str, Any]:
    """OrderReviewed's body."""
    detail = {"version": 1, "event_id": "order-1:reviewed", "order_id": "order-1", "occurred_at": DECIDED_AT}
    return detail | more


# ── What stands ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("asked", [True, False], ids=["asked", "not asked yet"])
def test_while_nobody_has_decided_nothing_happens(asked, tasks, bus, states):
    if asked:
        tasks.ask()

    assert settle() is False

    assert (bus.taken, decision(states)) == ([], None)


def test_an_order_that_is_approved_goes_on_with_what_was_approved(tasks, approvals, bus, states, stack):
    tasks.ask()
    answer(approvals, "APPROVED")

    assert settle() is True

    [event] = bus.taken
    assert (event["EventBusName"], event["Source"], event["DetailType"]) == (
        stack["EventBus"],
        "orders",
        "OrderReviewed",
    )
    assert json.loads(event["Detail"]) == reviewed(approved=content(stack))
    assert decision(states) is None  # which is the workflow's to make


def test_what_was_approved_is_what_was_asked_about_and_not_what_the_order_is_now(tasks, approvals, bus, stack):
    tasks.ask()
    asked_about = content(stack)
    answer(approvals, "APPROVED")
    stack.table("OrdersTable").put_item(Item=an_order(total=10**12))

    settle()

    assert [detail["approved"] for detail in bus.details] == [asked_about]


@pytest.mark.parametrize(("status", "reason"), [("DENIED", "NOT_APPROVED"), ("EXPIRED", "APPROVAL_EXPIRED")])
def test_an_order_that_is_not_approved_is_cancelled_and_goes_on_to_its_end(
    status, reason, *, tasks, approvals, bus, states
):
    tasks.ask()
    answer(approvals, status)

    assert settle() is True

    assert decision(states) == ("CANCELLED", reason)
    decided_at = states.get_item(Key={"order_id": "order-1"})["Item"]["decision"]["decided_at"]
    assert bus.details == [reviewed(occurred_at=decided_at)]


@pytest.mark.parametrize("status", ["PENDING", "APPROVED", "DENIED", "EXPIRED"])
@pytest.mark.parametrize(
    "standing", [a_state("CANCELLED", "CANCELLED_BY_CUSTOMER"), a_state("CONFIRMED")], ids=["cancelled", "confirmed"]
)
def test_what_was_decided_before_stands_and_the_pipeline_follows_it(
    status, standing, *, tasks, approvals, bus, states, stack
):
    tasks.ask()
    answer(approvals, status)
    states.put_item(Item=standing)

    assert settle() is True

    assert states.get_item(Key={"order_id": "order-1"})["Item"] == standing
    approved = {"approved": content(stack)} if status == "APPROVED" else {}
    assert bus.details == [reviewed(occurred_at=standing["decision"]["decided_at"], **approved)]


def test_an_order_that_was_decided_before_anybody_was_asked_goes_on_as_well(bus, states, tasks):
    states.put_item(Item=a_state("CANCELLED", "CANCELLED_BY_CUSTOMER"))

    assert settle(tried_minutes=7) is True

    assert bus.details == [reviewed(occurred_at="2026-01-01T09:00:05Z")]


@pytest.mark.parametrize("status", ["PENDING", "APPROVED", "DENIED"])
def test_an_order_that_was_deleted_goes_on_and_is_not_cancelled_for_it(status, *, tasks, approvals, bus, states, stack):
    tasks.ask()
    answer(approvals, status)
    stack.table("OrdersTable").delete_item(Key={"order_id": "order-1"})

    assert settle() is True

    assert bus.event_ids == ["order-1:reviewed"]
    assert decision(states) is None  # validate says that it was deleted


def test_an_order_that_was_deleted_before_anybody_was_asked_goes_on(bus, tasks, clock):
    assert settle("order-2") is True

    assert bus.details == [
        reviewed(event_id="order-2:reviewed", order_id="order-2", occurred_at="2026-01-01T09:00:01.000+00:00")
    ]


def test_nothing_personal_travels_on_the_bus(tasks, approvals, bus):
    tasks.ask()
    answer(approvals, "APPROVED")
    settle()

    assert [secret for secret in PERSONAL if secret in json.dumps(bus.taken)] == []


# ── Again, and at once ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["APPROVED", "DENIED", "EXPIRED"])
def test_what_is_settled_twice_is_the_same_event(status, tasks, approvals, bus):
    tasks.ask()
    answer(approvals, status)

    assert [settle(), settle()] == [True, True]

    assert bus.taken[0] == bus.taken[1]


def test_of_two_at_once_who_cancel_one_decides_and_both_say_the_same(tasks, approvals, bus):
    tasks.ask()
    answer(approvals, "DENIED")

    with just_before(clients.dynamodb(), "update_item", settle):
        settle()

    assert bus.taken[0] == bus.taken[1]


def test_a_customer_who_cancels_in_the_same_moment_has_cancelled(tasks, approvals, bus, states):
    tasks.ask()
    answer(approvals, "DENIED")
    by_customer = a_state("CANCELLED", "CANCELLED_BY_CUSTOMER")

    with just_before(clients.dynamodb(), "update_item", lambda: states.put_item(Item=by_customer)):
        assert settle() is True

    assert decision(states) == ("CANCELLED", "CANCELLED_BY_CUSTOMER")
    assert bus.details == [reviewed(occurred_at=by_customer["decision"]["decided_at"])]


def test_who_dies_after_the_decision_is_followed_by_whoever_comes_next(tasks, approvals, bus, states):
    tasks.ask()
    answer(approvals, "EXPIRED")
    with dies_after(clients.dynamodb(), "update_item"):
        settle()
    written = states.get_item(Key={"order_id": "order-1"})["Item"]
    assert bus.taken == []

    assert settle() is True

    assert states.get_item(Key={"order_id": "order-1"})["Item"] == written
    assert bus.details == [reviewed(occurred_at=written["decision"]["decided_at"])]


def test_a_decision_whose_answer_was_lost_is_carried_out_by_the_next_attempt(tasks, approvals, bus, states):
    tasks.ask()
    answer(approvals, "DENIED")

    def lose() -> None:
        raise ReadTimeoutError(endpoint_url="https://dynamodb")

    with pytest.raises(ReadTimeoutError), just_after(clients.dynamodb(), "update_item", lose):
        settle()
    settle()

    assert decision(states) == ("CANCELLED", "NOT_APPROVED")
    assert bus.event_ids == ["order-1:reviewed"]


# ── The bus ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_that_the_bus_refuses_fails_the_step_and_is_sent_by_the_next_attempt(tasks, approvals, bus, states):
    tasks.ask()
    answer(approvals, "DENIED")
    bus.refuses = lambda event_id: True
    with pytest.raises(app.EventRefused, match=r"^ThrottlingException$"):
        settle()
    assert decision(states) == ("CANCELLED", "NOT_APPROVED")

    bus.refuses = lambda event_id: False
    assert settle() is True

    assert bus.event_ids == ["order-1:reviewed"]


@pytest.mark.parametrize("error", [UNREACHABLE, THROTTLED], ids=["unreachable", "throttled"])
def test_a_bus_that_does_not_answer_fails_the_step_and_is_asked_by_the_next_attempt(error, tasks, approvals, bus):
    tasks.ask()
    answer(approvals, "APPROVED")
    with pytest.raises(type(error)), fails(clients.events(), "put_events", error):
        settle()

    assert settle() is True

    assert bus.event_ids == ["order-1:reviewed"]


def test_who_dies_before_the_event_is_followed_by_whoever_comes_next(tasks, approvals, bus):
    tasks.ask()
    answer(approvals, "APPROVED")
    with dies_before(clients.events(), "put_events"):
        settle()

    settle()

    assert bus.event_ids == ["order-1:reviewed"]


# ── Patience ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_time_that_the_approver_took_does_not_count_against_the_orders_patience(tasks, approvals, bus):
    tasks.ask()
    for minutes in (1, 3, 7, 15):
        tasks.ask(f"arn:execution-of-minute-{minutes}", tried_minutes=minutes)
    answer(approvals, "APPROVED")

    for minutes in (15, 30, 45):
        tasks.ask(f"arn:execution-of-minute-{minutes}", tried_minutes=minutes)
        settle(tried_minutes=minutes)

    assert [detail.get("tried_minutes", 0) for detail in bus.details] == [0, 15, 30]


def test_the_time_never_runs_backwards(tasks, approvals, bus):
    tasks.ask()
    tasks.ask(SECOND, tried_minutes=15)
    tasks.ask("arn:execution-3", tried_minutes=3)
    answer(approvals, "APPROVED")

    settle(tried_minutes=7)  # by an event that was under way for long
    settle(tried_minutes=30)

    assert [detail.get("tried_minutes", 0) for detail in bus.details] == [0, 15]


# ── Logs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_said_is_in_the_log_with_the_order_and_nothing_of_the_approver(tasks, approvals, bus, log):
    tasks.ask()
    answer(approvals, "APPROVED")
    settle()

    assert [(line["message"], line["order_id"]) for line in log()] == [
        ("approver asked", "order-1"),
        ("review announced", "order-1"),
    ]
