"""The page of all orders: it places, it shows what there is, and it changes row by row."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any

import pytest
from nicegui import ui
from nicegui.testing import User

from console import kinds, layout, orders_grid, orders_page
from console.model import Row
from console.watch import Watch
from demo.shop import showcase
from local.api import Reply
from orders import Status
from tests.console.a_place import FakePlace, a_place, until, visitor


@pytest.fixture
def place() -> Iterator[FakePlace]:
    with a_place(embedded=True) as place:
        yield place


def a_row(order_id: str, status: str = "PLACED", lines: str = "1 × TEA-100") -> Row:
    at = "2026-11-25T10:00:00Z"
    return Row(order_id, status, "", "8.90 EUR", "EUR", lines, at, at)


def visit(place: FakePlace, see: Callable[[User, Watch], Coroutine[Any, Any, None]], *rows: Row) -> None:
    """Open the page of a shop with these orders, and look."""

    async def look() -> None:
        async with visitor() as user:
            watch = Watch(place)
            watch.rows = {row.order_id: row for row in rows}
            orders_page.add(place, watch)
            await user.open("/")
            await until(lambda: _drawn(user, ui.aggrid))
            await see(user, watch)

    asyncio.run(look())


@pytest.fixture(autouse=True)
def _only_this_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "SUFFIX", "orders_page")


def chip(user: User, status: str) -> str:
    """What a status' button says."""
    [button] = user.find(marker=f"status-{status}").elements
    return " ".join(getattr(child, "text", "") for child in button)


def test_it_shows_what_there_is_and_how_many_of_each_status(place: FakePlace) -> None:
    async def see(user: User, _: Watch) -> None:
        [grid] = _drawn(user, ui.aggrid)
        assert [cells["order_id"] for cells in grid.options["rowData"]] == ["a", "b"]
        await user.should_see("2 orders, 1 to be decided.")
        assert chip(user, "ALL").endswith("All 2")
        assert chip(user, "CONFIRMED").endswith("Confirmed 1")

    visit(place, see, a_row("a"), a_row("b", "CONFIRMED"))


def test_it_changes_as_the_watcher_tells(place: FakePlace) -> None:
    async def see(user: User, watch: Watch) -> None:
        await until(lambda: watch._listeners)
        watch._take({"a": a_row("a", "CONFIRMED"), "b": a_row("b")})
        await until(lambda: "2 orders, 1 to be decided." in _texts(user))
        watch._take({"b": None})
        await until(lambda: "1 order, all decided." in _texts(user))

    visit(place, see, a_row("a"))


def test_what_changes_within_a_moment_is_sent_at_once(place: FakePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message makes the browser go through all of the page."""
    sent: list[set[str]] = []
    monkeypatch.setattr(orders_grid, "change", lambda _grid, _known, _rows, changed: sent.append(set(changed)))

    async def see(_: User, watch: Watch) -> None:
        await until(lambda: watch._listeners)
        for number in range(20):
            watch._take({f"o-{number}": a_row(f"o-{number}")})
        await until(lambda: sent)
        watch._take({"later": a_row("later")})
        await until(lambda: len(sent) > 1)
        assert sent == [{f"o-{number}" for number in range(20)}, {"later"}]

    visit(place, see)


def test_tab_leaves_the_list_and_enter_opens_an_order_from_any_cell(place: FakePlace) -> None:
    async def see(user: User, _: Watch) -> None:
        [grid] = _drawn(user, ui.aggrid)
        assert grid.options[":tabToNextCell"] == grid.options[":tabToNextHeader"] == "() => false"
        assert "tabIndex = -1" in grid.options[":processRowPostCreate"]
        assert "e.data.url" in grid.options[":onCellKeyDown"]

    visit(place, see, a_row("a"))


def test_a_page_that_is_closed_is_told_nothing_more(place: FakePlace) -> None:
    async def see(user: User, watch: Watch) -> None:
        await until(lambda: watch._listeners)
        assert user.client
        user.client.delete()
        await until(lambda: not watch._listeners)

    visit(place, see)


def test_a_click_places_one_of_a_kind_and_leads_to_it(place: FakePlace) -> None:
    async def see(user: User, _: Watch) -> None:
        user.find(marker="kind-one-line").click()
        await until(lambda: "Just placed:" in _texts(user))
        [link] = [one for one in _drawn(user, ui.link) if one.text.startswith("one-line-")]
        assert link.props["href"] == layout.order_url(link.text)
        assert place.get("Orders", link.text)

    visit(place, see)


def test_the_form_sends_what_it_says_to_the_api_and_shows_what_the_api_says(place: FakePlace) -> None:
    place.replies[:] = [Reply(422, {}, '{"violations": ["customer.email: must be an email address"]}')]

    async def see(user: User, _: Watch) -> None:
        user.find(kind=ui.button, content="Fill a form").click()
        await until(lambda: "Article 1" in _labels(user))
        user.find("Email").clear().type("nonsense")
        user.find("Place the order").click()
        await until(lambda: place.asked)
        await until(lambda: any("must be an email address" in text for text in _texts(user)))
        body = json.loads(place.asked[0].body or "")
        assert body["customer"] == {"customer_id": "customer-1", "email": "nonsense"}
        assert body["lines"] == [{"sku": "KETTLE", "quantity": 1}]
        assert body["payment_method"] == "pm_card_visa"
        place.replies[:] = [Reply(201, {}, '{"order_id": "o-7"}')]
        user.find("Place the order").click()
        await until(lambda: "o-7" in _texts(user))

    visit(place, see)


def test_who_only_looks_has_nothing_to_press() -> None:
    async def see(user: User, _: Watch) -> None:
        await user.should_see("Read-only")
        await user.should_not_see("Fill a form")
        await user.should_not_see(marker="kind-one-line")

    with a_place(may_write=False) as place:
        visit(place, see)


def test_markup_in_an_order_stays_text(place: FakePlace) -> None:
    async def see(user: User, _: Watch) -> None:
        [grid] = _drawn(user, ui.aggrid)
        assert grid.options["rowData"][0]["lines_text"] == kinds.MARKUP
        assert not grid.html_columns
        assert user.client
        drawn = user.client.elements.values()
        assert not [element for element in drawn if isinstance(element, ui.html | ui.markdown)]

    visit(place, see, a_row(kinds.MARKUP, kinds.MARKUP, kinds.MARKUP))


def test_every_input_and_every_sign_has_words(place: FakePlace) -> None:
    async def see(user: User, _: Watch) -> None:
        assert user.client
        for element in user.client.elements.values():
            if isinstance(element, ui.button):
                inside = [getattr(child, "text", "") for child in element]
                assert element.text or any(inside) or element.props.get("aria-label"), element
            if isinstance(element, ui.input | ui.select | ui.number):
                assert element.props.get("label") or element.props.get("aria-label"), element

    visit(place, see, a_row("a"))


def _drawn[E: ui.element](user: User, kind: type[E]) -> list[E]:
    assert user.client
    return [element for element in user.client.elements.values() if isinstance(element, kind)]


def _texts(user: User) -> list[str]:
    assert user.client
    return [getattr(element, "text", "") for element in user.client.elements.values()]


def _labels(user: User) -> list[str]:
    assert user.client
    return [str(element.props.get("label", "")) for element in user.client.elements.values()]


# ── The grid ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Grid:
    """What is asked of a grid in the browser."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def run_grid_method(self, *asked: Any) -> None:
        """Write it down."""
        self.asked.append(asked)


def test_only_the_rows_that_changed_are_sent() -> None:
    grid: Any = Grid()
    known = {"a", "b", "gone"}
    rows = {name: a_row(name) for name in ("a", "b", "new")}
    orders_grid.change(grid, known, rows, {"a", "new", "gone", "never-seen"})
    [(method, transaction)] = grid.asked
    assert method == "applyTransaction"
    assert {what: [cells["order_id"] for cells in some] for what, some in transaction.items()} == {
        "add": ["new"],
        "update": ["a"],
        "remove": ["gone"],
    }
    assert known == {"a", "b", "new"}


def test_nothing_is_sent_where_nothing_changed() -> None:
    grid: Any = Grid()
    orders_grid.change(grid, set(), {}, {"never-seen"})
    assert not grid.asked


def test_every_status_has_a_sign_a_word_and_a_colour() -> None:
    assert orders_grid.SIGNS.keys() == set(Status)
    assert len({sign for sign, _ in orders_grid.SIGNS.values()}) == len(Status)


def test_a_cell_is_a_text_and_never_code() -> None:
    for name, value in orders_grid.cells(a_row(kinds.MARKUP, kinds.MARKUP, kinds.MARKUP)).items():
        assert isinstance(value, str)
        assert not name.startswith(":")  # NiceGUI would run it


@pytest.mark.parametrize(
    "moment", ["", "yesterday", "99999", "<b>", "nan", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_what_is_no_time_is_shown_as_it_is(moment: str) -> None:
    assert orders_grid.clock(moment) == moment


def test_what_is_no_time_is_sorted_after_all_that_are() -> None:
    moments = ["2026-11-25T12:00:00+02:00", "2026-11-25T10:30:00Z", "nan", "<img>", "zzz", "0001-01-01T00:00:00+14:00"]
    keys = [orders_grid.cells(replace(a_row("o-1"), placed_at=one))["placed_at"] for one in moments]
    assert keys[1] > keys[0] > ""
    assert set(keys[2:]) == {""}


# ── The kinds ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_everything_in_the_showcase_can_be_placed_by_a_click() -> None:
    made = {item["order_id"] for kind in kinds.kinds() for item in kind.make()}
    for placement in showcase():
        assert any(order_id.startswith(f"{placement.order_id}-") for order_id in made)
    assert all(count == 1 for count in Counter(kind.name for kind in kinds.kinds()).values())


def test_each_click_places_new_orders() -> None:
    made = [item["order_id"] for kind in kinds.kinds() for _ in range(3) for item in kind.make()]
    assert len(set(made)) == len(made)


def test_one_of_each_and_a_burst_can_be_stored() -> None:
    with a_place(embedded=True) as place:
        quiet = [kind for kind in kinds.kinds() if kind.deliveries == 1]
        placed = [order_id for kind in quiet for order_id in kinds.place_kind(place, kind)]
        placed += kinds.place_burst(place, 20)
        assert all(place.get("Orders", order_id) for order_id in placed)
        assert len(set(placed)) == len(placed) >= len(quiet) + 20
