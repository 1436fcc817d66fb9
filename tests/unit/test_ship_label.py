"""A return gets one label, from the carrier."""

from __future__ import annotations

from typing import Any

import pytest

from aws import returns
from orders.errors import NothingToReturn, Unrecoverable
from ship import app
from ship.carrier import Booking, CarrierRefused
from tests.exhaustive import sampled
from tests.unit.faults import fails, just_before
from tests.unit.shipping import (
    RETURN,
    a_return,
    at_request,
    bookings,
    dies_at,
    everything,
    label,
    put_returns,
    read,
    requests_of,
    sell,
    sweep_at,
)
from tests.unit.stack import MotoStack

REFERENCE = f"order-1/back/{RETURN}"
# The return, whether there is a label, the label, and that there is one.
REQUESTS = 4


@pytest.fixture(autouse=True)
def asked_for(stack: MotoStack, clock: Any) -> None:
    """Somebody wants to send one TEA of order-1 back."""
    stack.run_as("ShipFunction")
    sell(stack)
    put_returns(stack, left={"TEA": 1, "POT": 1}, returns={RETURN: a_return()})
    stack.table("OpenShipmentsTable").put_item(
        Item={
            "order_id": f"order-1/{RETURN}",
            "what": "ReturnRequested",
            "return_id": RETURN,
            "occurred_at": "2026-01-03T12:00:00.000+00:00",
            "sweeps": 0,
            "sweep_at": 1,
        }
    )


def tracking(stack: MotoStack) -> str | None:
    value: str | None = read(stack, "ReturnsTable")["returns"][RETURN].get("tracking")
    return value


def test_a_return_gets_a_label(stack, log):
    assert label() == {}

    assert bookings(stack) == {REFERENCE: tracking(stack)}
    assert (log()[-1]["message"], log()[-1]["return_id"]) == ("label made", RETURN)


def test_it_says_what_comes_back_and_nothing_of_where_it_comes_from(monkeypatch):
    asked: list[Booking] = []

    def book(key: str, wanted: Booking) -> str:
        asked.append(wanted)
        return "T"

    monkeypatch.setattr(app.carrier(), "book", book)
    label()

    assert asked == [Booking(REFERENCE, {"TEA": 1}, "")]


def test_a_label_is_made_once(stack):
    assert len(requests_of(label)) == REQUESTS
    before = everything(stack)

    assert requests_of(label) == ["BatchGetItem"]
    assert everything(stack) == before


@pytest.mark.parametrize("status", ["ARRIVED", "REFUNDED", "EXPIRED"])
def test_what_needs_no_label_any_more_gets_none(status, stack):
    put_returns(stack, returns={RETURN: a_return(status=status)})
    before = everything(stack)

    assert label() == {}
    assert everything(stack) == before


@pytest.mark.parametrize("delivered", [True, False])
def test_a_return_that_was_announced_and_never_written_down_is_taken_off_the_list(delivered, stack):
    stack.table("ReturnsTable").delete_item(Key={"order_id": "order-1"})
    if delivered:
        put_returns(stack)
    order = sweep_at(stack)

    with pytest.raises(NothingToReturn):
        label()

    assert (sweep_at(stack, f"order-1/{RETURN}"), sweep_at(stack)) == (None, order)
    with pytest.raises(NothingToReturn):
        label()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", sampled(range(1, REQUESTS + 1)))
def test_whoever_dies_on_the_way_is_followed_by_one_who_finishes(number, after, *, stack):
    with dies_at(number, after=after):
        label()
    label()

    assert bookings(stack) == {REFERENCE: tracking(stack)}


@pytest.mark.parametrize("number", sampled(range(1, REQUESTS + 1)))
def test_of_two_at_once_a_label_is_made_once(number, stack, log):
    with at_request(number, label):
        label()

    assert bookings(stack) == {REFERENCE: tracking(stack)}
    assert [line["message"] for line in log()].count("label made") == 1


def test_a_label_is_made_once_also_by_a_carrier_that_has_forgotten_the_key(stack, monkeypatch):
    monkeypatch.setattr(app.carrier(), "book", lambda *_: pytest.fail("asked again"))
    monkeypatch.setattr(app.carrier(), "find", lambda reference: f"T-{reference}")
    label()

    assert tracking(stack) == f"T-{REFERENCE}"


def test_a_parcel_that_is_back_before_its_label_is_written_down_stays_back(stack):
    def arrived() -> None:
        stack.table("ReturnsTable").update_item(
            Key={"order_id": "order-1"},
            UpdateExpression="SET #returns.#return.#status = :arrived",
            ExpressionAttributeNames={"#returns": "returns", "#return": RETURN, "#status": "status"},
            ExpressionAttributeValues={":arrived": "ARRIVED"},
        )

    with just_before(returns, "write", arrived):
        label()

    assert read(stack, "ReturnsTable")["returns"][RETURN]["status"] == "ARRIVED"
    assert bookings(stack) == {REFERENCE: tracking(stack)}


def test_what_the_carrier_refuses_is_a_persons_to_look_at():
    with (
        fails(app.carrier(), "book", CarrierRefused("too_heavy")),
        pytest.raises(Unrecoverable, match=r"^the carrier refused: too_heavy$"),
    ):
        label()
