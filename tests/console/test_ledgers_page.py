"""The ledgers say what the tables say, as text, and a promise is red when it is broken and at no other time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from nicegui import ui
from nicegui.testing import User

from console import ledger_rows, ledgers, ledgers_page, reading
from console.ledger_rows import Cells, Ledger
from console.ledgers import LOST_SECONDS, Ledgers, Looker, Standing
from console.watch import Watch
from demo.shop import order
from invariants.books import Books
from invariants.invariant import Invariant
from local import books as local_books
from orders.tables import stock_key
from tests.console.a_place import FakePlace, a_place, until, visitor

HOSTILE = "<img src=x onerror=\"document.title='owned'\">{{constructor}}"


@pytest.fixture
def place() -> Iterator[FakePlace]:
    with a_place() as place:
        yield place


@pytest.fixture
def looker(place: FakePlace) -> Looker:
    return Looker(place, Watch(place))


def confirmed(place: FakePlace, order_id: str, *, captured: bool = True) -> None:
    """An order that has come to rest, with all that belongs to it."""
    item = order(order_id, {"TEA-100": 2})
    at = "2026-11-25T10:00:01Z"
    place.put("Orders", item)
    decision = {"outcome": "CONFIRMED", "reason": "ACCEPTED", "decided_at": at, "execution": "one"}
    place.put(
        "OrderStates",
        {"order_id": order_id, "decision": decision, "status": "CONFIRMED", "history": {"CONFIRMED": at}},
    )
    lines = [{"sku": "TEA-100", "quantity": 2, "unit_price": 890}]
    place.put("Inventory", {"pk": f"ORDER#{order_id}", "sk": "RESERVATION", "status": "RESERVED", "lines": lines})
    intent = f"pi_{order_id}"
    place.put(
        "SimulatedGateway",
        {
            "id": intent,
            "order_id": order_id,
            "amount": item["total"],
            "currency": "EUR",
            "status": "succeeded" if captured else "requires_capture",
        },
    )
    place.put(
        "Payments",
        {
            "order_id": order_id,
            "status": "CAPTURED",
            "amount": item["total"],
            "currency": "EUR",
            "provider_reference": intent,
            "payment_method": "pm_card_visa",
        },
    )


def opened(place: FakePlace, order_id: str, table: str = "OpenOrders", due: float = 60) -> None:
    entry = {"order_id": order_id, "occurred_at": "2026-11-25T10:00:00Z", "sweeps": 1}
    place.put(table, entry | {"sweep_at": int(time.time() + due)})


def standing(seen: Ledgers, beginning: str) -> Standing:
    [found] = [one.standing for one in seen.verdicts if one.sentence.startswith(beginning)]
    return found


def rows(name: str, seen: Ledgers) -> list[Cells]:
    [ledger] = [one for one in ledger_rows.ALL if one.name == name]
    return list(ledger.rows(seen))


# ── The promises ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_well_keeps_every_promise(place: FakePlace, looker: Looker) -> None:
    confirmed(place, "o-1")
    looker.look()
    seen = looker.look()
    assert not seen.broken
    assert seen.judged == 1
    assert not seen.under_way


def test_what_is_broken_is_red_with_its_evidence_once_it_was_seen_twice(place: FakePlace, looker: Looker) -> None:
    confirmed(place, "o-1", captured=False)
    first = looker.look()
    assert not first.broken
    assert first.doubts
    second = looker.look()
    assert not second.doubts
    [verdict] = [one for one in second.broken if one.sentence.startswith("Each confirmed order is captured")]
    assert verdict.evidence[0].startswith("o-1: taken []")
    confirmed(place, "o-1")
    assert not looker.look().broken


def test_an_order_under_way_makes_nothing_red(place: FakePlace, looker: Looker) -> None:
    confirmed(place, "o-1", captured=False)
    opened(place, "o-1")
    looker.look()
    seen = looker.look()
    assert not seen.broken
    assert seen.under_way == {"o-1"}
    assert seen.judged == 0


def test_an_order_that_waits_for_its_carrier_for_days_is_judged_meanwhile(place: FakePlace, looker: Looker) -> None:
    confirmed(place, "o-1", captured=False)
    opened(place, "o-1", "OpenShipments", due=5 * 24 * 60 * 60)
    looker.look()
    seen = looker.look()
    assert seen.judged == 1
    assert standing(seen, "Each confirmed order is captured") == Standing.BROKEN


def test_an_order_that_nobody_decides_is_under_way_for_a_while_and_then_lost(
    place: FakePlace, looker: Looker, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("Orders", order("o-1", {"TEA-100": 1}))
    assert looker.look().under_way == {"o-1"}
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + LOST_SECONDS + 1)
    looker.look()
    seen = looker.look()
    assert standing(seen, "Nothing is undecided") == Standing.BROKEN
    assert not seen.under_way


def test_stock_adds_up_to_what_came_in(place: FakePlace, looker: Looker) -> None:
    counter = {key: value["S"] for key, value in stock_key("TEA-100").items()}
    confirmed(place, "o-1")
    place.put("Inventory", counter | {"available": 98, "received": 100})
    looker.look()
    assert standing(looker.look(), "Stock is conserved") == Standing.HOLDS
    place.put("Inventory", counter | {"available": 97, "received": 100})
    looker.look()
    assert standing(looker.look(), "Stock is conserved") == Standing.BROKEN


def test_what_nobody_has_watched_is_neither_green_nor_red(looker: Looker) -> None:
    seen = looker.look()
    unseen = [one for one in seen.verdicts if one.standing == Standing.UNSEEN]
    assert unseen
    assert all(one.needs for one in unseen)


def test_an_order_of_nonsense_breaks_nothing(place: FakePlace, looker: Looker) -> None:
    confirmed(place, "o-1")
    place.put("Orders", {"order_id": "o-1", "lines": HOSTILE, "total": "much", "placed_at": "7", "customer": [HOSTILE]})
    looker.look()
    seen = looker.look()
    assert seen.judged == 1
    assert [row["order_id"] for row in rows("Payments", seen)] == ["o-1"]


def test_a_promise_that_an_item_makes_no_sense_to_is_broken_and_says_so(
    looker: Looker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(_: Books) -> Iterator[str]:
        raise KeyError("total")

    monkeypatch.setattr(ledgers, "INVARIANTS", (Invariant("It makes sense", check),))
    looker.look()
    assert looker.look().broken[0].evidence == ("It can't be judged: an item makes no sense (KeyError)",)


# ── The rows ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_ledger_has_what_its_table_has(place: FakePlace, looker: Looker) -> None:
    confirmed(place, "o-1")
    opened(place, "o-2")
    seen = looker.look()
    assert [row["held"] for row in rows("Stock", seen) if row["sku"] == "TEA-100"] == [2]
    assert [row["amount"] for row in rows("Payments", seen)] == ["17.80 EUR"]
    assert [row["status"] for row in rows("Provider", seen)] == ["succeeded"]
    [entry] = rows("Open orders", seen)
    assert (entry["order_id"], entry["sweeps"], entry["at_work"]) == ("o-2", 1, True)
    assert rows("Dead letters", seen) == []


def test_each_ledger_is_counted_without_its_rows_being_made(place: FakePlace, looker: Looker) -> None:
    confirmed(place, "o-1")
    opened(place, "o-2")
    opened(place, "o-3", "OpenShipments")
    another = {key: value["S"] for key, value in stock_key("TEA-100", 1).items()}
    place.put("Inventory", another | {"available": 1})
    seen = looker.look()
    counted = {ledger.name: ledger.count(seen) for ledger in ledger_rows.ALL}
    assert counted == {ledger.name: len(list(ledger.rows(seen))) for ledger in ledger_rows.ALL}
    assert counted["Open orders"] == 2


def test_hostile_strings_stay_what_they_are(place: FakePlace, looker: Looker) -> None:
    confirmed(place, HOSTILE)
    opened(place, HOSTILE)
    seen = looker.look()
    for name in ("Payments", "Provider", "Open orders"):
        assert [row["order_id"] for row in rows(name, seen)] == [HOSTILE]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("yesterday", "yesterday"),
        (None, ""),
        ("2026-11-25T10:00:00", "2026-11-25"),
        (HOSTILE, HOSTILE),
        ("1795673843.9", "2026-11-26"),
        ("9" * 400, "999"),
    ],
)
def test_a_time_that_is_none_is_shown_as_it_is(said: Any, shown: str) -> None:
    assert ledger_rows.clock(said).startswith(shown) or ":" in ledger_rows.clock(said)


# ── The page ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "_readers", {})
    monkeypatch.setattr(ledgers, "approval_limit", lambda _: 0)
    monkeypatch.setattr(local_books, "QUEUES", ())


async def shown(user: User, text: str) -> None:
    """Wait until the page says so."""

    def there() -> bool:
        with user:
            return bool(user.find(text).elements) if _has(user, text) else False

    await until(there)


def _has(user: User, text: str) -> bool:
    try:
        user.find(text)
    except AssertionError:
        return False
    return True


@pytest.mark.usefixtures("_alone")
def test_the_page_says_how_things_stand_and_shows_hostile_ids_as_text(
    place: FakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_MOVING", (0.0, 0.0))  # what has just changed is judged at the second look
    confirmed(place, HOSTILE, captured=False)

    async def visit() -> None:
        async with visitor() as user:
            ledgers_page.add(place, Watch(place))
            await user.open(ledgers_page.PATH)
            await shown(user, "promises are broken")
            await shown(user, f"{HOSTILE}: taken []")
            with user:
                [folded] = [one for one in user.find(ui.expansion).elements if one.props["label"] == "What they are"]
            assert isinstance(folded, ui.expansion)
            assert folded.value  # what is broken is there to be seen
            with user:
                grids = [one for one in user.find(ui.aggrid).elements if isinstance(one, ui.aggrid)]
                assert grids
                assert all(one.props["html-columns"] == [] for one in grids)
                # Or a row without a number would have an "Invalid Number".
                assert all(one.options["defaultColDef"]["cellDataType"] is False for one in grids)
                assert not user_has(user, ui.html)

    asyncio.run(visit())


@pytest.mark.usefixtures("_alone")
def test_the_page_is_there_before_the_rows_and_only_those_that_are_shown_are_made(
    place: FakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed(place, "o-1")
    made: list[str] = []

    def watched(ledger: Ledger) -> Ledger:
        def rows_of(seen: Ledgers) -> Iterator[Cells]:
            made.append(ledger.name)
            return ledger.rows(seen)

        return replace(ledger, rows=rows_of)

    monkeypatch.setattr(ledger_rows, "ALL", tuple(map(watched, ledger_rows.ALL)))

    async def visit() -> None:
        async with visitor() as user:
            watch = Watch(place)
            ledgers.reader(place, watch).latest = Looker(place, watch).look()
            ledgers_page.add(place, watch)
            answer = await user.http_client.get(ledgers_page.PATH)
            assert "promises hold" in answer.text
            assert not made
            await user.open(ledgers_page.PATH)
            await shown(user, "What can be had")
            with user:
                [folded] = [one for one in user.find(ui.expansion).elements if one.props["label"] == "What they are"]
            assert isinstance(folded, ui.expansion)
            assert not folded.value
            assert set(made) == {"Stock"}

    asyncio.run(visit())


def user_has(user: User, kind: type[Any]) -> bool:
    """Whether the page has such an element."""
    try:
        return bool(user.find(kind).elements)
    except AssertionError:
        return False
