"""What a person sees: whole in every window, and only what is meant."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import pytest

from crash.show import show_kills
from demo import follow, shop, show
from local import ledger
from local.console import complain, console
from local.ledger import Ledger, Mail
from local.stack import ROOT
from orders.order_id import printable

HOSTILE = "[/] [red]x :bomb: \x1b[31m\nY\u202e"


def books(**known: Any) -> Ledger:
    tables: dict[str, Any] = {name: {} for name in ("orders", "states", "stock", "reservations", "payments")}
    return Ledger(**(tables | {"intents": [], "mails": [], "dead_letters": 0} | known))


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    out = io.StringIO()
    monkeypatch.setattr(console, "file", out)
    return out


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
def test_no_window_is_too_narrow_for_an_outcome(
    width: int, monkeypatch: pytest.MonkeyPatch, printed: io.StringIO
) -> None:
    monkeypatch.setattr(console, "width", width)
    placements = shop.showcase()
    outcome = {"status": "CONFIRMED", "decision": {"outcome": "CONFIRMED", "reason": "ACCEPTED"}}
    now = books(states={placement.order_id: outcome for placement in placements})
    console.print(follow._orders(placements, now, {}))
    lines = printed.getvalue().splitlines()
    assert sum("CONFIRMED" in line for line in lines) == len(placements)
    assert all(len(line) <= width for line in lines)
    assert "…" not in printed.getvalue().replace("… CONFIRMED", "")


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_table_leaves_anything_out(width: int, monkeypatch: pytest.MonkeyPatch, printed: io.StringIO) -> None:
    monkeypatch.setattr(console, "width", width)
    now = books(
        stock={"TEA-100": [4997]},
        mails=[Mail("ada@example.com", "Your order o-1 is confirmed", "")],
        payments={"o-1": {"status": "CAPTURED", "amount": 1780}},
        intents=[{"order_id": "o-1", "status": "succeeded"}],
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
    subject = f"Your order {printable(HOSTILE)} is {HOSTILE}"
    now = books(orders={HOSTILE: item}, states={HOSTILE: state}, mails=[Mail(HOSTILE, subject, "")])
    show.show_order(item, now)
    show.show_emails(now, [HOSTILE])
    show.show_verdict({"A promise": [HOSTILE]})
    complain(f"{HOSTILE} is bad")
    said = printed.getvalue()
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert said.count("[/] [red]x") >= 4
    assert said.count(r"\x1b[31m\nY\u202e") >= 2


def test_an_order_with_an_address_that_nobody_can_write_to_is_settled_without_an_email() -> None:
    def settled(email: Any, mails: list[Mail]) -> bool:
        return books(
            orders={"o-1": {"order_id": "o-1", "customer": {"customer_id": "c", "email": email}}},
            states={"o-1": {"status": "REJECTED"}},
            reservations={"o-1": {"status": "RELEASED"}},
            payments={"o-1": {"status": "VOIDED"}},
            mails=mails,
        ).settled("o-1")

    for nobody in ("", "ada@home", 5, None, ["ada@example.com"]):
        assert settled(nobody, [])
    assert not settled("ada@example.com", [])
    assert settled("ada@example.com", [Mail("ada@example.com", "Your order o-1 is rejected", "")])


def test_every_invariant_has_its_name_and_finds_what_breaks_it_however_python_is_set() -> None:
    script = (
        "from local.ledger import Ledger, violations;"
        "found = violations(Ledger({}, {}, {'TEA': [-5]}, {}, {}, [], [], 0), {'TEA': 0});"
        "print(len(found), *found['Stock is conserved and never negative'], sep='|')"
    )
    said = [
        subprocess.run(
            [sys.executable, *flags, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for flags in ([], ["-OO"])
    ]
    assert said[0] == said[1]
    assert said[0].startswith(f"{len(ledger.violations(books(), {}))}|TEA: -5 available|")
