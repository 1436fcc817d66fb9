"""After the sale on the embedded stack: an order's whole life as `make order UNTIL=…` plays it, and what goes another
way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import demo.__main__ as demo_commands
from demo import after_sale
from invariants.books import Books
from invariants.checks import violations
from local import left_running, templates
from local import stack as local_stack
from local.books import about
from local.books import look as books_of
from local.emulator import Emulator
from local.relax import resources
from local.stack import ROOT, RunningStack
from orders import PaymentStatus, Status
from orders.shipping import CANCELLATION, ParcelStatus, parcel_reference
from tests.e2e.conftest import told, until
from tests.e2e.door import Door
from tests.exhaustive import exhaustive

TWO_PARCELS = ROOT / "demo" / "two-parcels.json"
SHIPPING_STACK = templates.stack_name("shipping")


@pytest.fixture
def _left_running(
    shipping: RunningStack, doors_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands find this stack, and not one that the developer may have left running."""
    monkeypatch.setattr(local_stack, "STATE", tmp_path)
    left_running.describe(doors_emulator, shipping, {})


def an_order(folder: Path, order_id: str) -> str:
    """A file with the order that goes in two parcels, under an id of its own."""
    file = folder / "order.json"
    file.write_text(json.dumps(json.loads(TWO_PARCELS.read_text()) | {"order_id": order_id}))
    return str(file)


def books_about(stack: RunningStack, order_id: str) -> Books:
    return about(books_of(stack), [order_id])


def parcels(stack: RunningStack, order_id: str) -> dict[str, ParcelStatus]:
    """The order's parcels, by warehouse."""
    return {one.warehouse: one.status for one in books_of(stack).shipments[order_id].parcels}


def contradicted(books: Books) -> dict[str, list[str]]:
    return {invariant.name: found for invariant, found in violations(books).items() if found}


@exhaustive  # a minute goes by in which things may be sent back; a shorter life is in test_console.py
@pytest.mark.usefixtures("_left_running")
def test_an_order_is_shipped_in_two_parcels_partly_returned_refunded_and_archived(
    shipping: RunningStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = demo_commands.main(["order", "--until", "archived", an_order(tmp_path, "whole-life")])
    said = capsys.readouterr().out
    assert status == 0, said
    for step in ("booked in 2 parcels", "12.50 EUR refunded", "archived: its customer keeps the rest"):
        assert f"✔ {step}" in said
    assert "✘" not in said

    now = books_about(shipping, "whole-life")
    assert list(now.states["whole-life"]["history"]) == [
        *(Status.CONFIRMED, Status.SHIPPING, Status.DELIVERED, Status.ARCHIVED)
    ]
    assert now.told("whole-life") == [Status.CONFIRMED, Status.SHIPPING, Status.DELIVERED, Status.RETURNED]
    [intent] = now.intents["whole-life"]
    assert (intent.status, intent.amount, intent.refunded) == ("succeeded", 7400, 1250)
    assert now.held_by("whole-life") == {"MUG-BLUE": 1, "POT-1L": 1}
    assert len(now.bookings) == 3
    assert contradicted(now) == {}


def carrier_says(stack: RunningStack, order_id: str, event_id: str, kind: str, **how: Any) -> int:
    """The status that the carrier's news of the order's parcel from the main warehouse is answered with."""
    reference = parcel_reference(order_id, "main")
    news = {"id": event_id, "kind": kind, "reference": reference, "tracking": "", "occurred_at": "2026-11-26T12:00:00Z"}
    return after_sale.webhook(stack, json.dumps(news), **how).status


@pytest.mark.usefixtures("_left_running")
def test_what_the_carrier_did_not_say_is_refused_and_what_it_says_late_or_twice_changes_nothing(
    shipping: RunningStack, tmp_path: Path
) -> None:
    assert demo_commands.main(["order", "--until", "shipping", an_order(tmp_path, "told-late")]) == 0
    planned = parcels(shipping, "told-late")
    assert set(planned) == {"main", "north"}

    assert carrier_says(shipping, "told-late", "forged", "parcel.delivered", key="not-the-key") == 400
    assert parcels(shipping, "told-late") == planned

    assert carrier_says(shipping, "told-late", "first", "parcel.delivered") == 200
    delivered = parcels(shipping, "told-late")
    assert delivered == {**planned, "main": ParcelStatus.DELIVERED}
    inbox = books_of(shipping).inbox

    assert carrier_says(shipping, "told-late", "first", "parcel.delivered") == 200
    assert carrier_says(shipping, "told-late", "second", "parcel.shipped") == 200
    assert parcels(shipping, "told-late") == delivered
    assert books_of(shipping).inbox.keys() - inbox.keys() == {"carrier:second"}
    assert books_of(shipping).status("told-late") == Status.SHIPPING


@contextmanager
def nothing_ships(stack: RunningStack) -> Iterator[None]:
    """Meanwhile no confirmed order is taken up, by whatever event."""
    events = stack.client("events")
    rule = resources(stack, SHIPPING_STACK, "AWS::Events::Rule")["OrderConfirmedRule"].rpartition("|")[2]
    bus = stack.outputs["EventBusName"]
    events.disable_rule(Name=rule, EventBusName=bus)
    try:
        yield
    finally:
        events.enable_rule(Name=rule, EventBusName=bus)


def test_an_order_that_is_cancelled_before_it_ships_is_paid_back_put_back_and_never_booked(
    shipping: RunningStack, door: Door
) -> None:
    before = books_of(shipping).available("TEA-250")
    with nothing_ships(shipping), told(shipping, "frontdoor", "ApiFunction", AFTER_SALE="yes"):
        order_id = door.place("regretted", "TEA-250", 3).json["order_id"]
        until(
            lambda: books_of(shipping).payments.get(order_id),
            lambda paid: paid is not None and paid.status == PaymentStatus.CAPTURED,
        )
        assert [door.ask("POST", f"/orders/{order_id}/cancel").status for _ in range(2)] == [200, 200]

    now = until(
        lambda: books_about(shipping, order_id), lambda now: Status.CANCELLED in now.told(order_id) and not now.open
    )
    assert list(now.states[order_id]["history"]) == [Status.CONFIRMED, Status.CANCELLED]
    assert now.restocked[order_id] == {CANCELLATION: {"TEA-250": 3}}
    assert now.available("TEA-250") == before
    [intent] = now.intents[order_id]
    assert intent.refunded == intent.amount == 3 * 1990
    assert (now.bookings, now.shipments) == ({}, {})
    assert contradicted(now) == {}
