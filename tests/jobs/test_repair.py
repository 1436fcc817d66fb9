"""What the books mend by themselves: through the functions that are idempotent, and each repair written down."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError

from jobs import repair, services
from jobs.findings import SEND_AGAIN, VOID, Code
from jobs.parts import PartMissing
from jobs.runs import Plan
from orders import Charge, backoff
from payment import app as payment
from tests.exhaustive import sampled
from tests.jobs.arranging import AS_OF, DAY, RUN
from tests.jobs.reconciled import a_finding, put_part, put_parts
from tests.jobs.repairing import FINDINGS, HELD, LOST, STUCK, Died, World, authorize, intent_of


@pytest.fixture
def plan(plan):
    return replace(plan, repair=True)


@pytest.fixture
def world(tables, monkeypatch):
    for cached in (repair.functions, repair.events):
        cached.cache_clear()
    monkeypatch.setenv("PAYMENT_FUNCTION", "payment")
    monkeypatch.setenv("EVENT_BUS_NAME", "bus")
    made = World(tables)
    authorize(HELD)
    tables["OrdersTable"].put_item(Item={"order_id": LOST, "placed_at": "2026-01-01T09:00:00.000+00:00"})
    tables["OpenOrdersTable"].put_item(
        Item={"order_id": STUCK, "occurred_at": "2026-01-01T08:00:00+00:00", "sweeps": 3, "sweep_at": 1, "review": True}
    )

    def call(client: Any, operation: str, parameters: Any) -> Any:
        return made.call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    return made


DONE = {
    "HOLD_OF_A_FINISHED_ORDER": "DONE",
    "ORDER_LOST": "DONE",
    "DECISION_WITHOUT_EFFECTS": "DONE",
}


def test_each_repair_is_made_and_written_down(plan, world):
    put_parts(plan, findings=FINDINGS)
    repair.repair(plan)
    assert world.hold() == "canceled"
    assert sorted(event["order_id"] for event in world.sent) == [LOST, STUCK]
    assert world.statuses() == DONE
    record = world.records()["HOLD_OF_A_FINISHED_ORDER"]
    assert (record["what"], record["order_id"]) == ("void", HELD)
    assert record["asked_at"] <= record["done_at"]


def test_holds_that_we_never_heard_of_are_given_back_all_in_one_night(plan, world):
    payment.handler({"action": "void", "order_id": "o-astray", "reason": "OUT_OF_STOCK"}, None)
    charge = Charge("o-astray", 2000, "EUR", "pm_card_visa")
    astray = [payment.gateway().authorize(f"forgotten {number}", charge).reference for number in range(2)]
    code = Code.HOLD_OF_A_FINISHED_ORDER
    put_parts(plan, findings=[a_finding(code, "o-astray", subject=each, repair=VOID) for each in astray])

    repair.repair(plan)

    assert [world.hold_of(each) for each in astray] == ["canceled", "canceled"]


def test_the_intent_is_written_before_the_call(plan, world):
    put_parts(plan, findings=FINDINGS[:1])
    seen = []
    world.before = lambda operation: seen.append(world.statuses()) if operation == "Invoke" else None
    repair.repair(plan)
    assert seen == [{"HOLD_OF_A_FINISHED_ORDER": "ASKED"}]


def test_an_order_that_is_listed_is_sent_again_as_the_sweep_does(plan, world):
    put_parts(plan, findings=FINDINGS)
    repair.repair(plan)
    assert [event for event in world.sent if event["order_id"] == STUCK] == [
        {
            "detail-type": "OrderPlaced",
            "version": 1,
            "event_id": f"{STUCK}:placed",
            "order_id": STUCK,
            "occurred_at": "2026-01-01T08:00:00+00:00",
            "review": True,
            "tried_minutes": backoff.tried_minutes(3),
        }
    ]


@pytest.mark.parametrize(
    ("item", "occurred_at"),
    [
        ({"placed_at": "2026-01-01T09:00:00.000+00:00"}, "2026-01-01T09:00:00.000+00:00"),
        ({"placed_at": "yesterday"}, AS_OF),
        ({}, AS_OF),
    ],
)
def test_an_order_on_no_list_was_placed_when_its_item_says(plan, world, item, occurred_at):
    world.tables["OrdersTable"].put_item(Item={"order_id": LOST} | item)
    put_parts(plan, findings=FINDINGS[1:2])
    repair.repair(plan)
    [event] = world.sent
    assert (event["occurred_at"], event["review"], "tried_minutes" in event) == (occurred_at, False, False)


def test_what_is_no_text_is_no_time(monkeypatch):
    """The table refuses such an item, because of its index by that time."""
    monkeypatch.setattr(repair, "read_items", lambda *_: ({"placed_at": {"N": "17"}}, None))
    assert repair.event_of(LOST, AS_OF).occurred_at == AS_OF


def test_nothing_is_repaired_where_nobody_wants_it(plan, world):
    put_parts(plan, findings=FINDINGS)
    repair.repair(replace(plan, repair=False))
    assert (world.statuses(), world.invoked, world.sent) == ({}, [], [])


def test_a_run_that_lost_the_day_repairs_nothing(plan, world, tables):
    put_parts(plan, findings=FINDINGS)
    tables["BookRunsTable"].put_item(Item={"id": f"DAY#{DAY}", "run": RUN + "-another", "claimed_at": AS_OF})
    repair.repair(plan)
    assert (world.statuses(), world.invoked, world.sent) == ({}, [], [])


def test_a_missing_part_fails(plan, world):
    put_part(plan, 0, findings=FINDINGS)
    with pytest.raises(PartMissing):
        repair.repair(plan)
    assert world.statuses() == {}


def test_a_function_error_is_a_failure_and_stops_nothing(plan, world):
    payment.handler({"action": "capture", "order_id": HELD}, None)
    put_parts(plan, findings=FINDINGS)
    repair.repair(plan)
    assert world.statuses() == DONE | {"HOLD_OF_A_FINISHED_ORDER": "FAILED"}
    assert world.hold() == "succeeded"


def test_a_failed_entry_is_a_failure_and_stops_nothing(plan, world):
    put_parts(plan, findings=FINDINGS)
    world.refuses = lambda event: event["order_id"] == STUCK
    repair.repair(plan)
    assert world.statuses() == DONE | {"DECISION_WITHOUT_EFFECTS": "FAILED"}


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "Rate exceeded"}}, "Invoke"),
        EndpointConnectionError(endpoint_url="https://lambda"),
    ],
)
def test_a_function_that_is_out_of_reach_is_a_failure(plan, world, error):
    put_parts(plan, findings=FINDINGS)
    world.breaks = lambda payload: error
    repair.repair(plan)
    assert world.statuses() == DONE | {"HOLD_OF_A_FINISHED_ORDER": "FAILED"}


def test_an_open_order_that_is_malformed_is_a_failure(plan, world, tables):
    tables["OpenOrdersTable"].put_item(Item={"order_id": STUCK, "occurred_at": "2026-01-01T08:00:00+00:00"})
    put_parts(plan, findings=FINDINGS)
    repair.repair(plan)
    assert world.statuses() == DONE | {"DECISION_WITHOUT_EFFECTS": "FAILED"}


def test_what_is_settled_stands(plan, world):
    put_parts(plan, findings=FINDINGS)
    world.refuses = lambda event: True
    repair.repair(plan)
    failed = world.records()
    world.refuses = lambda event: False
    repair.repair(plan)
    assert world.records() == failed
    assert (len(world.invoked), world.sent) == (1, [])


def test_another_run_repairs_anew(plan, world, tables):
    put_parts(plan, findings=FINDINGS[:1])
    repair.repair(plan)
    another = replace(plan, run=f"{RUN}-2")
    tables["BookRunsTable"].put_item(Item={"id": f"DAY#{DAY}", "run": another.run, "claimed_at": AS_OF})
    put_parts(another, findings=FINDINGS[:1])
    repair.repair(another)
    assert len(world.invoked) == 2
    assert world.hold() == "canceled"


def test_no_more_than_a_night_makes(plan, world, monkeypatch):
    monkeypatch.setattr(repair, "MOST", 2)
    put_parts(plan, findings=FINDINGS)
    repair.repair(plan)
    assert len(world.statuses()) == 2


def test_an_id_that_no_order_can_have_is_repaired_as_well(plan, world):
    longest = "\n" * 2048
    put_parts(plan, findings=[a_finding(Code.ORDER_LOST, longest, repair=SEND_AGAIN)])
    repair.repair(plan)
    [record] = world.records().values()
    assert (record["order_id"], record["status"]) == (longest, "DONE")
    assert [event["order_id"] for event in world.sent] == [longest]
    [(wanted, status)] = repair.results(plan, [repair.Wanted("ORDER_LOST", longest, "", SEND_AGAIN)])
    assert (wanted.order_id, status) == (longest, "DONE")


def a_night(world: World, plan: Plan, number: int) -> Plan:
    """A run of its own, with the same findings of other orders."""
    night = replace(plan, run=f"{RUN}-{number}")
    world.tables["BookRunsTable"].put_item(Item={"id": f"DAY#{DAY}", "run": night.run, "claimed_at": AS_OF})
    authorize(f"{HELD}-{number}")
    findings = [finding | {"order_id": f"{finding['order_id']}-{number}"} for finding in FINDINGS]
    findings[0] |= {"subject": intent_of(findings[0]["order_id"])}
    put_parts(night, findings=findings)
    world.sent.clear()
    world.invoked.clear()
    return night


# The claim, two parts, their two files of findings, and for each repair the intent, what it does, and the outcome; an
# order is read before its event is sent.
REQUESTS = 1 + 2 + 2 + 3 + 2 * 4


def test_a_run_makes_so_many_requests(plan, world):
    put_parts(plan, findings=FINDINGS)
    asked: list[str] = []
    world.before = asked.append
    repair.repair(plan)
    assert len(asked) == REQUESTS


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", sampled(range(REQUESTS)))
def test_a_run_that_dies_anywhere_is_made_good_by_the_next(plan, world, number, when):
    night = a_night(world, plan, number)
    requests = count()

    def die(operation: str) -> None:
        if next(requests) == number:
            raise Died

    setattr(world, when, die)
    with pytest.raises(Died):
        repair.repair(night)
    setattr(world, when, lambda operation: None)
    repair.repair(night)
    assert world.statuses(night.run) == DONE
    assert world.hold(f"{HELD}-{number}") == "canceled"
    assert {event["order_id"] for event in world.sent} == {f"{LOST}-{number}", f"{STUCK}-{number}"}
    assert len(world.sent) + len(world.invoked) <= len(DONE) + 1


@pytest.mark.parametrize("number", sampled(range(REQUESTS)))
def test_two_runs_beside_each_other_come_to_the_same(plan, world, number):
    night = a_night(world, plan, number)
    requests = count()

    def let_another_pass(operation: str) -> None:
        if next(requests) == number:
            world.before = lambda operation: None
            repair.repair(night)

    world.before = let_another_pass
    repair.repair(night)
    assert world.statuses(night.run) == DONE
    assert world.hold(f"{HELD}-{number}") == "canceled"
    assert {event["order_id"] for event in world.sent} == {f"{LOST}-{number}", f"{STUCK}-{number}"}


def test_an_outcome_that_comes_second_changes_nothing(plan, world):
    put_parts(plan, findings=FINDINGS[1:2])

    def another_one_fails(operation: str) -> None:
        if operation == "PutEvents":
            world.before = lambda operation: None
            world.refuses = lambda event: True
            repair.repair(plan)
            world.refuses = lambda event: False

    world.before = another_one_fails
    repair.repair(plan)
    assert world.statuses() == {"ORDER_LOST": "FAILED"}


def test_what_dynamodb_left_unread_is_read_again(plan, world, monkeypatch):
    put_parts(plan, findings=FINDINGS)
    repair.repair(plan)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    repairs = [
        repair.Wanted(each["code"], each["order_id"], each["subject"] if each["repair"] == VOID else "", each["repair"])
        for each in FINDINGS[:3]
    ]
    dynamodb = services.dynamodb()
    whole = dynamodb.batch_get_item

    def one_at_a_time(RequestItems: Any) -> Any:  # noqa: N803
        [(table, wanted)] = RequestItems.items()
        first, rest = wanted["Keys"][:1], wanted["Keys"][1:]
        answer = whole(RequestItems={table: wanted | {"Keys": first}})
        return answer | {"UnprocessedKeys": {table: wanted | {"Keys": rest}} if rest else {}}

    monkeypatch.setattr(dynamodb, "batch_get_item", one_at_a_time)
    assert len([*repair.results(plan, repairs)]) == len(DONE)
    monkeypatch.setattr(
        dynamodb,
        "batch_get_item",
        lambda RequestItems: {"Responses": {}, "UnprocessedKeys": RequestItems},  # noqa: N803
    )
    with pytest.raises(repair.Unread):
        list(repair.results(plan, repairs))


def test_the_log_tells_nothing_of_an_order_but_its_id():
    refused = ClientError({"Error": {"Code": "ValidationException", "Message": "it quotes the order"}}, "PutEvents")
    assert repair.describe(refused) == "ValidationException"
    assert repair.describe(ValueError("it quotes the order")) == "ValueError"
