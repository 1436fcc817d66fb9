"""What a person sees: whole in every window, and only what is meant."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from crash.__main__ import show_kills
from demo import shop, show
from invariants.books import Books, Email
from invariants.invariant import Invariant
from local import console
from orders import Charge, Payment, PaymentStatus, Reservation, ReservationStatus
from orders.order_id import printable
from payment.gateway import Intent
from tests.printing import printed_to

HOSTILE = "[/] [red]x :bomb: \x1b[31m\nY\u202e"


def books(**known: Any) -> Books:
    tables: dict[str, Any] = {
        name: {} for name in ("orders", "states", "counters", "reservations", "payments", "intents")
    }
    return Books(**(tables | {"emails": [], "waiting": 0} | known))


@pytest.fixture
def printed() -> Iterator[io.StringIO]:
    out = io.StringIO()
    with printed_to(out):
        yield out


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
def test_no_window_is_too_narrow_for_an_outcome(width: int, printed: io.StringIO) -> None:
    console.console.width = width
    placements = shop.showcase()
    outcome = {"status": "CONFIRMED", "decision": {"outcome": "CONFIRMED", "reason": "ACCEPTED"}}
    now = books(states={placement.order_id: outcome for placement in placements})
    console.console.print(show.orders_of(placements, now, {}))
    lines = printed.getvalue().splitlines()
    assert sum("CONFIRMED" in line for line in lines) == len(placements)
    assert all(len(line) <= width for line in lines)
    assert "…" not in printed.getvalue().replace("… CONFIRMED", "")


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_table_leaves_anything_out(width: int, printed: io.StringIO) -> None:
    console.console.width = width
    now = books(
        counters={"TEA-100": [4997]},
        emails=[Email("ada@example.com", "Your order o-1 is confirmed")],
        payments={"o-1": Payment(PaymentStatus.CAPTURED, Charge("o-1", 1780, "EUR", "pm_card_visa"))},
        intents={"o-1": [Intent("pi_1", "succeeded", 1780, "EUR")]},
    )
    show.show_emails(now, ["o-1"])
    show.show_stock(now, {"TEA-100": 5000})
    show.show_payments(now, ["o-1"])
    show_kills([("payment", "busy")])
    assert "…" not in printed.getvalue()
    assert all(len(line) <= width for line in printed.getvalue().splitlines())


def test_what_an_order_says_is_printed_and_nothing_else(printed: io.StringIO) -> None:
    item = shop.order(HOSTILE, {})
    state = {"decision": {"reason": HOSTILE}, "status": HOSTILE}
    subject = f"Your order {printable(HOSTILE)} is confirmed"
    now = books(orders={HOSTILE: item}, states={HOSTILE: state}, emails=[Email(HOSTILE, subject)])
    show.show_order(item, now)
    show.show_emails(now, [HOSTILE])
    show.show_verdict({Invariant("A promise", lambda _: iter(())): [HOSTILE]})
    console.complain(f"{HOSTILE} is bad")
    said = printed.getvalue()
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert said.count("[/] [red]x") >= 4
    assert said.count(r"\x1b[31m\nY\u202e") >= 2


def test_an_order_with_an_address_that_nobody_can_write_to_is_settled_without_an_email() -> None:
    def settled(email: Any, emails: list[Email]) -> bool:
        return books(
            orders={"o-1": {"order_id": "o-1", "customer": {"customer_id": "c", "email": email}}},
            states={"o-1": {"status": "REJECTED", "decision": {"outcome": "REJECTED"}}},
            reservations={"o-1": Reservation("o-1", ReservationStatus.RELEASED)},
            payments={"o-1": Payment(PaymentStatus.VOIDED, Charge("o-1", 0, "", ""))},
            emails=emails,
        ).settled("o-1")

    for nobody in ("", "ada@home", 5, None, ["ada@example.com"]):
        assert settled(nobody, [])
    assert not settled("ada@example.com", [])
    assert settled("ada@example.com", [Email("ada@example.com", "Your order o-1 is rejected")])
