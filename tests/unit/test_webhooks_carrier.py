"""What the carrier tells of parcels: they only go on, in whatever order it is told."""

from __future__ import annotations

from typing import Any

import pytest

from aws import callback, clients, open_orders
from tests.unit.approving import Tasks
from tests.unit.builders import TASK_TOKEN, an_open_order
from tests.unit.bus import UNREACHABLE
from tests.unit.faults import dies_after, dies_before, fails, just_after
from tests.unit.shipping import MAIN, NORTH, RETURN, a_return, put_returns, read, sweep_at
from tests.unit.signing import OCCURRED_AT
from tests.unit.sweeping import MINUTE, OPENED

FAR_OFF = OPENED + 10 * 24 * 60 * MINUTE
SOON = OPENED + MINUTE
BACK = f"order-1/back/{RETURN}"
RETURNS_ENTRY = f"order-1/{RETURN}"


@pytest.fixture
def tasks(senders: Any) -> Tasks:
    return Tasks()


@pytest.fixture
def waits(stack: Any, tasks: Tasks) -> Any:
    """`waits()` is the attributes that a task leaves which waits for news."""

    def register() -> dict[str, Any]:
        tasks.waiting.append(TASK_TOKEN)
        token = callback.encrypt(TASK_TOKEN, "order-1", stack["ShippingKey"])
        return {"waiter": "arn:execution", "attempt": 0, "task_token": token}

    return register


@pytest.fixture
def ship(stack: Any) -> Any:
    """`ship()` writes down that order-1 is booked, in two parcels, and that nothing is to be done but wait."""

    def put(**changes: Any) -> None:
        parcels = {
            "main": {"status": "PLANNED", "units": {"TEA": 2}, "tracking": "SIM-1"},
            "north": {"status": "PLANNED", "units": {"POT": 1}},
        }
        item = {"order_id": "order-1", "prices": {"TEA": 450, "POT": 2900}, "parcels": parcels}
        stack.table("ShipmentsTable").put_item(Item=item | changes)
        stack.table("OpenShipmentsTable").put_item(Item=an_open_order(what="OrderConfirmed", sweep_at=FAR_OFF))

    return put


@pytest.fixture
def sends_back(stack: Any) -> Any:
    """`sends_back()` writes down that a TEA of order-1 comes back, and that nothing is to be done but wait."""

    def put(*, left: dict[str, int] | None = None, closed: str = "", **changes: Any) -> None:
        put_returns(
            stack,
            returns={RETURN: a_return(**changes)},
            left={"TEA": 1, "POT": 1} if left is None else left,
            **({"closed": closed} if closed else {}),
        )
        entry = an_open_order(order_id=RETURNS_ENTRY, what="ReturnRequested", return_id=RETURN, sweep_at=FAR_OFF)
        stack.table("OpenShipmentsTable").put_item(Item=entry)

    return put


@pytest.fixture
def parcels(stack: Any) -> Any:
    """`parcels()` is how the parcels stand, the main warehouse's first."""
    return lambda: [parcel["status"] for _, parcel in sorted(read(stack, "ShipmentsTable")["parcels"].items())]


@pytest.fixture
def returned(stack: Any) -> Any:
    """`returned()` is how the return stands, how many are under way, and how much TEA may still come back."""

    def look() -> tuple[str, int, int]:
        item = read(stack, "ReturnsTable")
        return item["returns"][RETURN]["status"], int(item["open"]), int(item["left"]["TEA"])

    return look


# ── To the customer ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_parcel_goes_on_as_the_carrier_tells(senders, ship, parcels, log):
    ship()
    for kind, stands in (("shipped", "SHIPPED"), ("delivered", "DELIVERED")):
        senders.carrier(kind, MAIN)
        assert parcels() == [stands, "PLANNED"]

    assert [(line["level"], line["kind"], line["order_id"]) for line in log()] == [
        ("INFO", f"parcel.{kind}", "order-1") for kind in ("shipped", "delivered")
    ]


@pytest.mark.parametrize("order", [("shipped", "delivered"), ("delivered", "shipped")])
@pytest.mark.parametrize("times", [1, 2])
def test_a_parcel_never_goes_back(order, times, senders, ship, parcels):
    ship()
    seen = []
    for kind in order:
        for number in range(times):
            senders.carrier(kind, MAIN, id=f"{kind}-{number}")
            seen.append(["PLANNED", "SHIPPED", "DELIVERED"].index(parcels()[0]))

    assert seen == sorted(seen)
    assert parcels() == ["DELIVERED", "PLANNED"]


def test_the_news_that_changes_nothing_is_not_logged(senders, ship, log):
    ship()
    senders.carrier("delivered", MAIN)
    before = len(log())
    senders.carrier("shipped", MAIN)
    assert len(log()) == before


def test_nothing_else_of_the_shipment_is_touched(senders, ship, stack):
    ship(deliver_by=FAR_OFF)
    before = read(stack, "ShipmentsTable")
    senders.carrier("shipped", NORTH)

    before["parcels"]["north"]["status"] = "SHIPPED"
    assert read(stack, "ShipmentsTable") == before


def test_the_last_delivery_wakes_who_waits(senders, *, ship, waits, tasks, stack):
    ship(**waits())
    senders.carrier("delivered", MAIN)
    assert (tasks.woken, sweep_at(stack)) == ([], FAR_OFF)

    senders.carrier("delivered", NORTH)

    assert (tasks.woken, sweep_at(stack)) == ([TASK_TOKEN], SOON)


def test_a_late_shipped_wakes_nobody_again(senders, *, ship, waits, tasks, stack, monkeypatch):
    ship(**waits())
    for reference in (MAIN, NORTH):
        senders.carrier("delivered", reference)
    monkeypatch.setattr(callback, "wake", None)

    assert senders.carrier("shipped", MAIN).body == {"status": "APPLIED"}


def test_who_has_gone_on_since_is_nobodys_loss(senders, ship, waits, tasks):
    ship(**waits())
    tasks.waiting.clear()
    for reference in (MAIN, NORTH):
        assert senders.carrier("delivered", reference).body == {"status": "APPLIED"}


def test_before_anybody_waits_there_is_nobody_to_wake(senders, ship, stack):
    ship()
    for reference in (MAIN, NORTH):
        assert senders.carrier("delivered", reference).body == {"status": "APPLIED"}
    assert sweep_at(stack) == SOON


def test_the_sweep_is_told_before_anybody_is_woken(senders, *, ship, waits, tasks, stack):
    ship(**waits())
    senders.carrier("delivered", MAIN)
    with dies_before(clients.workflows(), "send_task_success"):
        senders.carrier("delivered", NORTH)
    assert sweep_at(stack) == SOON


@pytest.mark.parametrize("failing", [clients.keys, clients.workflows], ids=["keys", "workflows"])
def test_who_could_not_be_woken_is_woken_by_the_repetition(failing, senders, *, ship, waits, tasks):
    ship(**waits())
    senders.carrier("delivered", MAIN)
    with fails(failing(), "decrypt" if failing is clients.keys else "send_task_success", UNREACHABLE):
        assert senders.carrier("delivered", NORTH).status == 500
    assert tasks.woken == []

    assert senders.carrier("delivered", NORTH).body == {"status": "APPLIED"}
    assert tasks.woken == [TASK_TOKEN]


def test_who_died_after_the_write_leaves_the_waking_to_the_repetition(senders, *, ship, waits, tasks, parcels, stack):
    ship(**waits())
    senders.carrier("delivered", MAIN)
    with dies_after(clients.dynamodb(), "update_item"):
        senders.carrier("delivered", NORTH)
    assert (parcels(), tasks.woken, sweep_at(stack)) == (["DELIVERED"] * 2, [], FAR_OFF)

    senders.carrier("delivered", NORTH)
    assert (tasks.woken, sweep_at(stack)) == ([TASK_TOKEN], SOON)


def test_an_order_that_is_off_the_list_stays_off(senders, ship, stack):
    ship()
    stack.table("OpenShipmentsTable").delete_item(Key={"order_id": "order-1"})
    for reference in (MAIN, NORTH):
        senders.carrier("delivered", reference)
    assert sweep_at(stack) is None


@pytest.mark.parametrize("reference", ["order-2/out/main", "order-1/out/south"])
def test_a_parcel_that_nobody_has_written_down_waits(reference, senders, ship, stack):
    ship()
    before = read(stack, "ShipmentsTable")
    assert senders.carrier("delivered", reference).body == {"status": "RECEIVED"}
    assert read(stack, "ShipmentsTable") == before


# ── And back ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_return_that_arrives_goes_on(senders, *, sends_back, waits, tasks, returned, stack, log):
    sends_back(**waits())
    senders.carrier("shipped", BACK)
    assert returned() == ("REQUESTED", 1, 1)

    senders.carrier("delivered", BACK)

    assert returned() == ("ARRIVED", 1, 1)
    assert (tasks.woken, sweep_at(stack, RETURNS_ENTRY)) == ([TASK_TOKEN], SOON)
    assert [(line["level"], line["kind"]) for line in log()] == [("INFO", "parcel.delivered")]


@pytest.mark.parametrize("status", ["ARRIVED", "REFUNDED"])
def test_a_return_never_goes_back(status, senders, sends_back, returned, stack):
    sends_back(status=status)
    for kind in ("shipped", "delivered"):
        assert senders.carrier(kind, BACK).body == {"status": "APPLIED"}
    assert returned()[0] == status


def test_who_is_done_with_a_return_is_not_looked_at_again(senders, sends_back, waits, tasks, stack):
    sends_back(status="REFUNDED", **waits())
    senders.carrier("delivered", BACK)
    assert (tasks.woken, sweep_at(stack, RETURNS_ENTRY)) == ([], FAR_OFF)


@pytest.mark.parametrize("kind", ["shipped", "delivered"])
@pytest.mark.parametrize("reference", ["order-2/back/r-1", "order-1/back/r-2"])
def test_a_return_that_nobody_has_written_down_waits(kind, reference, senders, sends_back, returned):
    sends_back()
    assert senders.carrier(kind, reference).body == {"status": "RECEIVED"}
    assert returned() == ("REQUESTED", 1, 1)


def test_who_died_after_the_arrival_was_written_leaves_the_waking_to_the_repetition(
    senders, *, sends_back, waits, tasks, stack
):
    sends_back(**waits())
    with dies_after(clients.dynamodb(), "update_item"):
        senders.carrier("delivered", BACK)
    assert (tasks.woken, sweep_at(stack, RETURNS_ENTRY)) == ([], FAR_OFF)

    senders.carrier("delivered", BACK)
    assert (tasks.woken, sweep_at(stack, RETURNS_ENTRY)) == ([TASK_TOKEN], SOON)


# ── Back after all ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def expired(sends_back: Any, stack: Any) -> Any:
    """`expired()` writes down that nobody expects the return any more."""

    def put(**changes: Any) -> None:
        sends_back(status="EXPIRED", **({"left": {"TEA": 2, "POT": 1}} | changes))
        stack.table("OpenShipmentsTable").delete_item(Key={"order_id": RETURNS_ENTRY})

    return put


def test_a_return_that_had_expired_is_taken_up_again(senders, expired, returned, stack, called):
    expired()
    assert senders.carrier("delivered", BACK).body == {"status": "APPLIED"}

    assert (returned(), called) == (("ARRIVED", 1, 1), [])
    entry = read(stack, "OpenShipmentsTable", RETURNS_ENTRY)
    assert entry == {
        "order_id": RETURNS_ENTRY,
        "return_id": RETURN,
        "what": "ReturnRequested",
        "occurred_at": a_return()["requested_at"],
        "sweeps": 0,
        "sweep_at": SOON,
    }


def test_it_takes_all_of_its_units_in_one_write(senders, expired, stack):
    expired(units={"TEA": 2, "POT": 1})
    senders.carrier("delivered", BACK)
    assert read(stack, "ReturnsTable")["left"] == {"TEA": 0, "POT": 0}


def test_it_is_taken_up_once(senders, expired, returned):
    expired()
    for number in range(3):
        senders.carrier("delivered", BACK, id=f"news-{number}")
    assert returned() == ("ARRIVED", 1, 1)


def test_who_died_over_the_list_leaves_it_to_the_repetition(senders, expired, returned, stack):
    expired()
    with dies_after(open_orders, "enlist"):
        senders.carrier("delivered", BACK)
    assert returned() == ("EXPIRED", 0, 2)

    senders.carrier("delivered", BACK)
    assert (returned(), sweep_at(stack, RETURNS_ENTRY)) == (("ARRIVED", 1, 1), SOON)


def test_a_workflow_that_takes_it_off_the_list_just_before_the_write_does_not_lose_it(
    senders, expired, returned, stack
):
    """It was put on the list first, and found expired once more."""
    expired()
    with just_after(open_orders, "enlist", lambda: open_orders.close("order-1", RETURN)):
        senders.carrier("delivered", BACK)
    assert (returned(), sweep_at(stack, RETURNS_ENTRY)) == (("ARRIVED", 1, 1), SOON)


CANNOT = pytest.mark.parametrize(
    "obstacle",
    [
        {"left": {"TEA": 0, "POT": 1}},
        {"units": {"TEA": 1, "POT": 1}, "left": {"TEA": 2, "POT": 0}},
        {"closed": "2026-01-31T09:00:00.000+00:00"},
    ],
    ids=["sent back by another return", "a part of it was", "the order is archived"],
)


@CANNOT
def test_where_it_cannot_be_a_person_is_called(obstacle, senders, expired, stack, called):
    expired(**obstacle)
    before = read(stack, "ReturnsTable")
    assert senders.carrier("delivered", BACK).body == {"status": "APPLIED"}

    assert read(stack, "ReturnsTable") == before
    assert sweep_at(stack, RETURNS_ENTRY) is None
    assert called == [
        {
            "order_id": "order-1",
            "occurred_at": OCCURRED_AT,
            "stuck": f"{RETURN}: came back after it had expired, and is not refunded",
        }
    ]


def meanwhile(stack: Any, what: str) -> None:
    """Something happens to the order's returns."""
    updates = {"another return takes the units": "SET #left.TEA = :none", "the order is archived": "SET closed = :now"}
    values = {":none": 0, ":now": "2026-01-31T09:00:00.000+00:00"}
    stack.table("ReturnsTable").update_item(
        Key={"order_id": "order-1"},
        UpdateExpression=updates[what],
        ExpressionAttributeValues={name: value for name, value in values.items() if name in updates[what]},
        **({"ExpressionAttributeNames": {"#left": "left"}} if "#left" in updates[what] else {}),
    )


@pytest.mark.parametrize("what", ["another return takes the units", "the order is archived"])
def test_it_may_become_impossible_at_the_last_moment(what, *, senders, expired, returned, stack, called):
    expired(left={"TEA": 1, "POT": 1})
    with just_after(open_orders, "enlist", lambda: meanwhile(stack, what)):
        assert senders.carrier("delivered", BACK).body == {"status": "APPLIED"}

    status, under_way, _ = returned()
    assert (status, under_way, len(called)) == ("EXPIRED", 0, 1)


def test_a_call_that_fails_is_made_by_the_repetition(senders, expired, called):
    expired(closed="2026-01-31T09:00:00.000+00:00")
    with fails(clients.alerts(), "publish", UNREACHABLE):
        assert senders.carrier("delivered", BACK).status == 500
    senders.carrier("delivered", BACK)
    senders.carrier("delivered", BACK)
    assert len(called) == 1
