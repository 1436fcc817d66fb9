"""News is kept once, and applied once it can be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aws import clients
from tests.unit.builders import EMAIL
from tests.unit.bus import UNREACHABLE
from tests.unit.faults import dies_after, dies_before, fails, just_before
from tests.unit.shipping import DAY, HOUR, a_payment
from tests.unit.signing import CARRIER, CREATED_AT, INTENT, OCCURRED_AT, STRIPE, of_a_parcel, of_money
from tests.unit.sweeping import MINUTE, OPENED
from webhooks import app
from webhooks import inbox as the_inbox
from webhooks.inbox import Sender

MAIN = "order-1/out/main"
DELIVERED = f"carrier:news-delivered-{MAIN}"
NOW = "2026-01-01T09:00:01.000+00:00"


@pytest.fixture
def ship(stack: Any) -> Any:
    """`ship()` writes down that an order is on its way, in one parcel."""

    def put(order_id: str = "order-1") -> None:
        parcels = {"main": {"status": "PLANNED", "units": {"TEA": 1}}}
        stack.table("ShipmentsTable").put_item(Item={"order_id": order_id, "prices": {"TEA": 450}, "parcels": parcels})

    return put


@pytest.fixture
def parcel(stack: Any) -> Any:
    """`parcel()` is how the parcel of an order stands."""

    def read(order_id: str = "order-1") -> str:
        item = stack.table("ShipmentsTable").get_item(Key={"order_id": order_id})["Item"]
        return str(item["parcels"]["main"]["status"])

    return read


def apply() -> dict[str, int]:
    """What the schedule does every five minutes."""
    return app.handler({"action": "apply"}, None)


def counted(**counts: int) -> dict[str, int]:
    return {"applied": 0, "waiting": 0, "unknown": 0, "failed": 0} | counts


def indexed(stack: Any) -> list[str]:
    """What waits, as the index has it."""
    return [item["id"] for item in stack.table("InboxTable").scan(IndexName="pending")["Items"]]


# ── Once ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_news_is_kept_under_the_id_that_its_sender_gave_it(senders, inbox, ship, stack):
    ship()
    assert senders.carrier("delivered", MAIN).body == {"status": "APPLIED"}

    assert inbox() == {
        DELIVERED: {
            "id": DELIVERED,
            "status": "APPLIED",
            "kind": "parcel.delivered",
            "subject": MAIN,
            "order_id": "order-1",
            "occurred_at": OCCURRED_AT,
            "received_at": NOW,
        }
    }
    assert indexed(stack) == []


def test_of_stripes_events_ids_kinds_amounts_times_and_codes_are_kept_and_nothing_else(senders, inbox, stack):
    stack.table("PaymentsTable").put_item(Item=a_payment())
    senders.stripe("charge.dispute.closed", metadata={"order_id": "order-1", "note": EMAIL}, status="won")

    [kept] = inbox().values()
    assert kept == {
        "id": "stripe:evt_charge.dispute.closed_du_1",
        "status": "APPLIED",
        "kind": "charge.dispute.closed",
        "subject": "du_1",
        "intent": INTENT,
        "amount": 900,
        "said": "won",
        "order_id": "order-1",
        "occurred_at": CREATED_AT,
        "received_at": NOW,
    }


@pytest.mark.parametrize(
    "thing",
    [
        {"metadata": None},
        {"metadata": "order-1"},
        {"metadata": {"order_id": 7}},
        {"metadata": {"order_id": "x" * 501}},
        {"payment_intent": None},
        {"payment_intent": {"id": INTENT, "receipt_email": EMAIL}},
        {"amount": "900"},
        {"amount": 10**40},
        {"amount": -1},
        {"status": EMAIL * 50},
        {"status": None},
    ],
    ids=str,
)
def test_what_an_event_has_in_another_form_is_left_out(thing, senders, inbox):
    assert senders.stripe("refund.failed", **thing).status == 200
    assert EMAIL not in str(inbox())


def test_what_comes_twice_is_applied_once(senders, inbox, ship, stack, log):
    ship()
    senders.carrier("delivered", MAIN)
    kept = inbox()
    stack.table("ShipmentsTable").delete_item(Key={"order_id": "order-1"})  # it would be looked for
    asked: list[str] = []
    clients.dynamodb().meta.events.register("before-call", lambda model, **_: asked.append(model.name))

    assert senders.carrier("delivered", MAIN).body == {"status": "APPLIED"}

    assert (inbox(), asked) == (kept, ["PutItem"])
    assert [line["message"] for line in log()] == ["news applied"]


def test_two_senders_may_give_the_same_id(senders, inbox):
    senders.tell(CARRIER, of_a_parcel("delivered", MAIN) | {"id": "1"})
    senders.tell(STRIPE, of_money("refund.failed", "1"))
    assert list(inbox()) == ["carrier:1", "stripe:1"]


def test_other_news_under_the_same_id_is_the_first_news_again(senders, inbox, ship, parcel):
    ship()
    senders.tell(CARRIER, of_a_parcel("shipped", MAIN) | {"id": "1"})
    senders.tell(CARRIER, of_a_parcel("delivered", MAIN) | {"id": "1"})

    assert parcel() == "SHIPPED"
    [kept] = inbox().values()
    assert kept["kind"] == "parcel.shipped"


def test_of_two_that_apply_it_at_the_same_moment_the_second_changes_nothing(senders, inbox, ship, parcel, log):
    ship()
    with just_before(clients.dynamodb(), "update_item", lambda: senders.carrier("delivered", MAIN)):
        assert senders.carrier("delivered", MAIN).body == {"status": "APPLIED"}

    assert parcel() == "DELIVERED"
    assert [kept["status"] for kept in inbox().values()] == ["APPLIED"]
    assert [line["message"] for line in log()] == ["news applied"]


# ── Later ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_news_that_is_faster_than_we_are_waits_and_is_applied(senders, inbox, ship, *, parcel, stack, clock):
    assert senders.carrier("delivered", MAIN).body == {"status": "RECEIVED"}
    assert indexed(stack) == [DELIVERED]
    ship()
    clock.now += 5 * MINUTE

    assert apply() == counted(applied=1)

    assert parcel() == "DELIVERED"
    [kept] = inbox().values()
    assert (kept["status"], kept["received_at"], indexed(stack)) == ("APPLIED", NOW, [])
    assert apply() == counted()


def test_its_repetition_applies_it_as_well(senders, ship, parcel, stack):
    senders.carrier("delivered", MAIN)
    ship()
    assert senders.carrier("delivered", MAIN).body == {"status": "APPLIED"}
    assert (parcel(), indexed(stack)) == ("DELIVERED", [])


@pytest.mark.parametrize("dies", [dies_before, dies_after])
def test_what_was_kept_by_somebody_who_died_is_applied_also_if_it_never_comes_again(
    dies, senders, ship, *, parcel, stack, clock
):
    ship()
    with dies(clients.dynamodb(), "update_item"):
        senders.carrier("delivered", MAIN)
    assert indexed(stack) == [DELIVERED]
    clock.now += 5 * MINUTE

    assert apply() == counted(applied=1)
    assert parcel() == "DELIVERED"


def test_what_came_a_moment_ago_is_left_to_who_has_taken_it(senders, ship, parcel, clock):
    senders.carrier("delivered", MAIN)
    ship()
    clock.now += 59
    assert apply() == counted()
    clock.now += 1
    assert apply() == counted(applied=1)


def test_after_a_day_it_is_of_nothing_that_is_ours(senders, inbox, ship, *, parcel, stack, clock, log):
    senders.carrier("delivered", MAIN)
    clock.now += DAY - 1
    assert apply() == counted(waiting=1)
    clock.now += 1

    assert apply() == counted(unknown=1)

    [kept] = inbox().values()
    assert (kept["status"], indexed(stack)) == ("UNKNOWN", [])
    assert [(line["level"], line["event_id"]) for line in log()] == [("WARNING", f"news-delivered-{MAIN}")]
    ship()
    assert senders.carrier("delivered", MAIN).body == {"status": "UNKNOWN"}
    assert parcel() == "PLANNED"


def test_what_is_applied_at_the_last_moment_is_not_unknown(senders, inbox, ship, parcel, clock):
    senders.carrier("delivered", MAIN)
    clock.now += DAY

    def arrives() -> None:
        ship()
        assert senders.carrier("delivered", MAIN).body == {"status": "APPLIED"}

    with just_before(the_inbox, "settle", arrives):
        apply()

    assert [kept["status"] for kept in inbox().values()] == ["APPLIED"]


@pytest.mark.parametrize("reference", ["order-1", "order-1/in/main", "/out/main", "order-1/out/", "a b/out/main", "é"])
def test_what_can_never_be_ours_does_not_wait(reference, senders, inbox, stack):
    assert senders.carrier("delivered", reference).body == {"status": "UNKNOWN"}
    assert [kept["status"] for kept in inbox().values()] == ["UNKNOWN"]
    assert indexed(stack) == []


def test_one_that_fails_holds_up_no_other(senders, ship, parcel, clock, log):
    for number in (1, 2, 3):
        senders.carrier("delivered", f"order-{number}/out/main")
        ship(f"order-{number}")
        clock.now += 1
    clock.now = OPENED + 10 * MINUTE
    with fails(clients.dynamodb(), "update_item", UNREACHABLE):
        assert apply() == counted(applied=2, failed=1)

    assert [line["error"] for line in log() if line["level"] == "WARNING"] == ["EndpointConnectionError"]
    assert apply() == counted(applied=1)
    assert [parcel(f"order-{number}") for number in (1, 2, 3)] == ["DELIVERED"] * 3


def test_all_pages_are_read(senders, ship, parcel, clock, monkeypatch):
    for number in (1, 2, 3):
        senders.carrier("delivered", f"order-{number}/out/main")
        ship(f"order-{number}")
    client: Any = clients.dynamodb()
    query = client.query
    monkeypatch.setattr(client, "query", lambda **asked: query(**asked, Limit=1))
    clock.now += 5 * MINUTE

    assert apply() == counted(applied=3)


@pytest.mark.parametrize(("minutes", "first"), [(5, "order-3"), (10, "order-1")])
def test_a_run_ends_in_time_and_every_other_one_begins_at_the_other_end(
    minutes, first, *, senders, ship, parcel, clock, monkeypatch
):
    for number in (1, 2, 3):
        senders.carrier("delivered", f"order-{number}/out/main")
        ship(f"order-{number}")
        clock.now += 1
    monkeypatch.setitem(app.APPLY, Sender.CARRIER, slowly(clock))
    clock.now = OPENED + minutes * MINUTE

    assert apply() == counted(applied=2)

    assert parcel(first) == "DELIVERED"
    assert [parcel(f"order-{number}") for number in (1, 2, 3)].count("PLANNED") == 1


def slowly(clock: Any) -> Any:
    applies = app.APPLY[Sender.CARRIER]

    def apply(news: Any) -> Any:
        clock.now += 8
        return applies(news)

    return apply


def test_the_schedule_may_run_twice(senders, ship, parcel, clock):
    senders.carrier("delivered", MAIN)
    ship()
    clock.now += HOUR
    with just_before(clients.dynamodb(), "update_item", apply):
        assert apply() == counted(applied=1)
    assert parcel() == "DELIVERED"


def test_nothing_personal_is_kept_told_or_logged(senders, inbox, log, clock):
    for kind in ("payment_intent.canceled", "refund.failed", "charge.dispute.created"):
        senders.stripe(kind)
    clock.now += DAY + MINUTE
    apply()
    seen = json.dumps([list(inbox().values()), log()], default=str)
    assert [word for word in (EMAIL, "Ada", "lovelace") if word in seen] == []
