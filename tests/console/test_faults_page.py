"""A click breaks a part, every page says so, and a click on any of them mends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.testing import User
from nicegui.testing.user_interaction import UserInteraction

from console import again, faults, faults_page, layout, parts
from console.again import Figures
from console.again_card import AgainCard
from console.bus import SeenEvent
from console.executions import Executions
from console.place import Place
from console.watch import Watch
from tests.console.a_place import until, visitor
from tests.console.breakable import Breakable, Services, breakable
from tests.console.test_faults import FUNCTION, RULE, Kept

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


class Quiet:
    """Nobody reads the ledgers."""

    latest = None

    def subscribe(self, _: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def again(self) -> None:
        """Nobody does."""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Breakable:
    services = Services()
    monkeypatch.setattr(faults, "Keeper", lambda _: Kept(services))
    monkeypatch.setattr(faults, "_faults", {})
    monkeypatch.setattr(faults_page, "reader", lambda *_: Quiet())
    monkeypatch.setattr(layout, "_banners", [])
    monkeypatch.setattr(parts, "find", lambda _: [FUNCTION, RULE])
    return breakable(services)


def watch_of(place: Place, *events: SeenEvent) -> Watch:
    watch = Watch(place)
    watch.seen_events = lambda: events  # type: ignore[method-assign]
    return watch


def sees(user: User, text: str) -> bool:
    """Whether the page shows it by now."""
    with user:
        try:
            return bool(user.find(text).elements)
        except AssertionError:
            return False


def button(user: User, label: str) -> ui.button:
    """The button that a screen reader calls by this name."""
    with user:
        found = [one for one in user.find(ui.button).elements if one.props.get("aria-label") == label]
    [it] = found
    assert isinstance(it, ui.button)
    return it


def mends(user: User, *, in_banner: bool) -> ui.element:
    """What mends the payment function: on every page's banner, or in its own line."""
    with user:
        found = [one for one in user.find(ui.button).elements if "Mend it" in str(one.props.get("aria-label"))]
    [it] = [one for one in found if any("broken" in above.classes for above in one.ancestors()) == in_banner]
    return it


def click(user: User, label: str) -> None:
    """Press it."""
    press(user, button(user, label))


def press(user: User, it: ui.element) -> None:
    """Press this one."""
    with user:
        UserInteraction(user=user, elements={it}, target=None).click()


def test_a_click_breaks_it_and_a_click_on_another_page_mends_it(place: Breakable) -> None:
    async def visit() -> None:
        async with visitor() as user:
            faults_page.add(place, watch_of(place))

            @ui.page("/another")
            def another() -> None:
                with layout.page("Another", place):
                    pass

            await user.open(faults_page.PATH)
            await until(lambda: sees(user, "Charge") or sees(user, "payment"))
            click(user, "Switch off: payment")
            await until(lambda: sees(user, "payment is switched off"))
            assert "put_function_concurrency" in place.services.operations
            await user.open("/another")
            assert sees(user, "payment is switched off")
            click(user, "Mend it: The function payment is switched off")
            await until(lambda: "delete_function_concurrency" in place.services.operations)
            await until(lambda: not sees(user, "payment is switched off"))

    asyncio.run(visit())


@pytest.fixture
def focuses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is given the keyboard, by what a screen reader calls it."""
    names: list[str] = []
    monkeypatch.setattr(layout, "focus", lambda element: names.append(str(element.props.get("aria-label"))))
    monkeypatch.setattr(layout, "focus_title", lambda: names.append("h1"))
    return names


def test_who_breaks_and_mends_by_keyboard_stays_where_the_button_was(place: Breakable, focuses: list[str]) -> None:
    async def visit() -> None:
        async with visitor() as user:
            faults_page.add(place, watch_of(place))
            await user.open(faults_page.PATH)
            await until(lambda: sees(user, "payment"))
            click(user, "Switch off: payment")
            await until(lambda: focuses)
            assert focuses == ["Mend it: The function payment is switched off"]
            focuses.clear()
            press(user, mends(user, in_banner=False))
            await until(lambda: focuses)
            assert focuses.pop() == "Switch off: payment"
            click(user, "Switch off: payment")
            await until(lambda: focuses)
            focuses.clear()
            press(user, mends(user, in_banner=True))
            await until(lambda: focuses)
            assert focuses == ["h1"]

    asyncio.run(visit())


def test_a_fault_moves_nothing_under_the_mouse_and_many_take_no_more_room_than_one(place: Breakable) -> None:
    """What is broken has one line, which is there before, and the rest is folded."""

    async def visit() -> None:
        async with visitor() as user:
            faults_page.add(place, watch_of(place))
            client = await user.open(faults_page.PATH)
            await until(lambda: sees(user, "payment"))
            assert sees(user, "Nothing is broken now")
            [panel] = [one for one in client.elements.values() if "broken" in one.classes]
            assert panel.visible
            assert "aria-label" not in panel.props  # nothing is to be found there yet
            await asyncio.to_thread(faults.of(place).switch_off, FUNCTION)
            await until(lambda: sees(user, "The function payment is switched off"))
            assert panel.props["aria-label"] == "Broken now"
            await asyncio.to_thread(faults.of(place).switch_off, replace(FUNCTION, physical="other"))
            await until(lambda: sees(user, "2 things are broken"))
            assert not sees(user, "is switched off, since")
            click(user, "What heals it")
            await until(lambda: sees(user, "is switched off, since"))
            user.find("Mend all").click()
            await until(lambda: not faults.of(place).broken)
            await until(lambda: sees(user, "Nothing is broken now"))

    asyncio.run(visit())


def test_what_can_be_broken_comes_before_what_came_of_it(place: Breakable) -> None:
    """As on a phone, which has one column."""

    async def visit() -> None:
        async with visitor() as user:
            faults_page.add(place, watch_of(place))
            client = await user.open(faults_page.PATH)
            drawn = [one for one in client.elements.values() if isinstance(one, TextElement)]
            headings = [one.text for one in drawn if one.tag == "h2"]
            assert headings[0] == "What can be broken"

    asyncio.run(visit())


def test_on_aws_nothing_can_be_broken_from_here() -> None:
    on_aws = Place("orders", {}, embedded=False, may_write=True, endpoint_url=None, stacks=("orders",))

    async def visit() -> None:
        async with visitor() as user:
            faults_page.add(on_aws, watch_of(on_aws))
            await user.open(faults_page.PATH)
            await user.should_see("Only the embedded stack can be broken from here")

    asyncio.run(visit())


def test_a_hostile_order_is_text_in_what_has_happened(place: Breakable) -> None:
    faults.of(place).tell(f"OrderPlaced of {HOSTILE} was dropped.", HOSTILE)

    async def visit() -> None:
        async with visitor() as user:
            faults_page.add(place, watch_of(place))
            await user.open(faults_page.PATH)
            await until(lambda: sees(user, f"OrderPlaced of {HOSTILE} was dropped."))
            with user, pytest.raises(AssertionError):
                user.find(ui.html)

    asyncio.run(visit())


# ── One event twenty times ──────────────────────────────────────────────────────────────────────────────────────────

EVENT = SeenEvent(
    1.0, "OrderPlaced", "o-1", "o-1:placed", "2026-11-25T10:00:00Z", '{"order_id": "o-1", "review": false}'
)


def test_an_event_is_sent_as_it_was(place: Breakable) -> None:
    again.send(place, EVENT)
    entries = [entry for _, asked in place.services.asked for entry in asked["Entries"]]
    assert len(entries) == again.COPIES
    assert {entry["Detail"] for entry in entries} == {EVENT.detail}
    assert {entry["DetailType"] for entry in entries} == {"OrderPlaced"}
    assert all(len(asked["Entries"]) <= 10 for _, asked in place.services.asked)


def figures(executions: int, emails: int = 1, running: int = 0) -> Figures:
    return Figures(executions, running, "CONFIRMED", "2 × TEA-100", "17.80 EUR in 1 payment", emails)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (
            figures(1),
            figures(21),
            "20 more executions ran to the end, and nothing was reserved, charged or told again.",
        ),
        (figures(1), figures(1), "OrderPlaced starts nothing, so the copies did nothing at all."),
        (figures(1), figures(21, emails=2), "20 more executions ran to the end. The order went on meanwhile"),
    ],
    ids=["nothing changed", "nothing started", "it went on"],
)
def test_the_verdict_is_what_the_figures_say(place: Breakable, before: Figures, after: Figures, says: str) -> None:
    async def visit() -> str:
        async with visitor() as user:
            cards: list[AgainCard] = []

            @ui.page("/card")
            def card() -> None:
                cards.append(AgainCard(place, watch_of(place, EVENT), Executions(place)))

            await user.open("/card")
            return cards[0]._verdict(EVENT, before, after, over=True)

    assert asyncio.run(visit()).startswith(says)


def test_the_event_that_started_the_last_order_is_offered_first_and_copies_are_one(place: Breakable) -> None:
    later = [SeenEvent(float(n), "OrderShipped", f"o-{n}", f"o-{n}:shipped", "", f'{{"n": {n}}}') for n in range(2, 20)]
    copies = [SeenEvent(30.0 + n, EVENT.what, EVENT.order_id, EVENT.event_id, "", EVENT.detail) for n in range(20)]

    async def visit() -> dict[Any, str]:
        async with visitor() as user:
            watch = watch_of(place, EVENT, *later, *copies)

            @ui.page("/card")
            def card() -> None:
                AgainCard(place, watch, Executions(place))

            await user.open("/card")
            with user:
                [choice] = [one for one in user.find(ui.select).elements if isinstance(one, ui.select)]
            options: dict[Any, str] = dict(choice.options)
            assert options[choice.value].startswith("OrderPlaced of o-1, at ")
            return options

    offered = [label.partition(", at ")[0] for label in asyncio.run(visit()).values()]
    assert offered.count("OrderPlaced of o-1") == 1
