"""The page of an order shows what became of it, follows what happens, and takes nothing of an order as markup."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from nicegui import ui
from nicegui.testing import User
from nicegui.testing.user_interaction import UserInteraction
from nicegui.testing.user_simulation import user_simulation

from console import following, order_page
from console.actions import Action
from console.executions import Executions
from console.following import Sources, View
from console.place import Place
from console.watch import Watch
from orders import Status
from tests.console import seen
from tests.console.a_place import until
from tests.console.executed import ORDER

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


class Stack:
    """A place whose order looks as it is told, and how often it was looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, view: View, *, may_write: bool = True) -> None:
        self.view = view
        self.place = Place("orders-local", {}, True, may_write, "http://127.0.0.1:1", ("orders-local",))
        self.watch = Watch(self.place)
        monkeypatch.setattr(Sources, "seen", lambda *_: self.view)
        monkeypatch.setattr(Executions, "of", lambda *_: list(self.view.executions))
        monkeypatch.setattr(following, "RUNNING_SECONDS", 0.01)

    def show(self, check: Callable[[User], Awaitable[None]], order_id: str = ORDER) -> None:
        """Open the page of an order, and check it in there."""

        async def run() -> None:
            async with user_simulation(lambda: None) as user:
                order_page.add(self.place, self.watch)
                await user.open(f"/order?id={quote(order_id, safe='')}")
                await check(user)

        asyncio.run(run())

    def tell(self, view: View) -> None:
        """Something has happened."""
        self.view = view
        self.watch.rows.clear()
        for listener in list(self.watch._listeners):
            listener({ORDER})


def test_it_says_what_became_of_an_order_whose_event_was_delivered_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(user: User) -> None:
        for sentence in seen.view().headline:
            await user.should_see(sentence)
        await user.should_see("CONFIRMED")
        await user.should_see("Execution 1 of 2")
        await user.should_see("Execution 2 of 2: changed nothing")
        await user.should_see("Says again: reserved.")
        await user.should_see("1 charge")

    Stack(monkeypatch, seen.view()).show(check)


def test_it_draws_each_workflow_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(user: User) -> None:
        await user.should_see("order (2)")
        for name in seen.MACHINES:
            await user.should_see(kind=ui.tab, content=name)
        drawn = [one.content for one in user.find(ui.mermaid).elements]
        assert any("class s_Confirm done" in text and "found it done" not in text for text in drawn)
        assert any("class s_Confirm found" in text for text in drawn)

    Stack(monkeypatch, seen.view()).show(check)


def test_an_order_that_is_not_there_is_shown_as_soon_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(monkeypatch, View(ORDER))

    async def check(user: User) -> None:
        await user.should_see("There is no such order.")
        stack.tell(seen.view())
        await user.should_see("CONFIRMED")
        await user.should_not_see("There is no such order.")

    stack.show(check)


def test_an_action_is_offered_where_it_makes_sense_and_says_what_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def cancel(units: Any) -> str:
        given.append(units)
        return "It is cancelled."

    async def check(user: User) -> None:
        await user.should_see("Deliver its event again")
        user.find("Cancel").click()
        await user.should_see("It is cancelled.")
        assert given == [{}]

    Stack(monkeypatch, seen.view(offered=("cancel",), actions=(Action("cancel", "Cancel", cancel),))).show(check)


def sending_back(given: list[Any]) -> Action:
    """What a customer does with up to three mugs; what they gave is written down."""

    def send_back(units: Any) -> str:
        given.append(units)
        return "It is on its way back."

    return Action("send_back", "Send back", send_back, {"MUG-BLUE": 3})


async def asked_what_comes_back(user: User) -> None:
    """Press the button, and wait for the dialog, which has one of the same name."""
    await until(lambda: buttons(user, "Send back"))
    user.find(kind=ui.button, content="Send back").click()
    await until(lambda: len(buttons(user, "Send back")) > 1)


def test_a_dialog_that_is_open_survives_the_order_s_moving(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    stack = Stack(monkeypatch, offering(sending_back(given)))

    async def check(user: User) -> None:
        await asked_what_comes_back(user)
        stack.tell(seen.view(headline=("It has moved.",)))
        await until(lambda: len(buttons(user, "Send back")) == 1)  # that of the dialog
        gc.collect()  # a dialog ends together with what it was opened from
        user.find(kind=ui.button, content="Send back").click()
        await until(lambda: "It is on its way back." in user.notify.messages)
        assert given == [{"MUG-BLUE": 3}]

    stack.show(check)


def test_who_sends_back_more_than_there_is_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    stack = Stack(monkeypatch, offering(sending_back(given)))

    async def check(user: User) -> None:
        await asked_what_comes_back(user)
        [units] = [one for one in _drawn(user) if isinstance(one, ui.number)]
        submit = max(buttons(user, "Send back"), key=lambda one: one.id)
        for wrong in (4, 0):
            units.value = wrong
            with user:
                UserInteraction(user=user, elements={submit}, target=None).click()
            await asyncio.sleep(0)
            assert not given
            assert not submit.is_deleted
        units.value = 2
        with user:
            UserInteraction(user=user, elements={submit}, target=None).click()
        await until(lambda: given)
        assert given == [{"MUG-BLUE": 2}]

    stack.show(check)


def test_what_is_done_on_aws_is_done_when_it_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def cancel(units: Any) -> str:
        given.append(units)
        return "It is cancelled."

    stack = Stack(monkeypatch, offering(Action("cancel", "Cancel", cancel)))
    stack.place = replace(stack.place, embedded=False, endpoint_url=None)

    async def check(user: User) -> None:
        await until(lambda: buttons(user, "Cancel"))
        for answer in ("Not now", "Do it"):
            assert not given
            user.find(kind=ui.button, content="Cancel").click()
            await until(lambda: buttons(user, "Do it"))
            user.find(kind=ui.button, content=answer).click()
            await until(lambda: not buttons(user, "Do it"))
        await until(lambda: given)

    stack.show(check)


def test_who_can_not_cancel_any_more_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(user: User) -> None:
        await user.should_see("Too late to cancel")

    Stack(monkeypatch, seen.view(status=Status.SHIPPING)).show(check)


def test_a_button_keeps_the_keyboard_while_the_order_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    action = Action("cancel", "Cancel", lambda _: "")
    stack = Stack(monkeypatch, offering(action))

    async def check(user: User) -> None:
        await until(lambda: buttons(user, "Cancel"))
        before = buttons(user, "Cancel")
        stack.tell(offering(action, status="MOVED"))
        await until(lambda: any(getattr(one, "text", "") == "MOVED" for one in _drawn(user)))
        assert buttons(user, "Cancel") == before

    stack.show(check)


def buttons(user: User, label: str) -> list[ui.button]:
    """Those that are there by now."""
    return [one for one in _drawn(user) if isinstance(one, ui.button) and one.text == label]


def _drawn(user: User) -> list[ui.element]:
    assert user.client
    return list(user.client.elements.values())


def offering(*actions: Action, **changes: Any) -> View:
    """An order to which this may be done."""
    return seen.view(offered=tuple(action.name for action in actions), actions=actions, **changes)


def test_a_place_that_is_only_looked_at_offers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(user: User) -> None:
        await user.should_see("CONFIRMED")
        await user.should_not_see("Deliver its event again")

    Stack(monkeypatch, seen.view(), may_write=False).show(check)


def test_nothing_of_an_order_is_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [{"order_id": HOSTILE, "lines": HOSTILE, "total": HOSTILE, "currency": HOSTILE, HOSTILE: HOSTILE}]
    states = [{"status": HOSTILE, "decision": {"reason": HOSTILE, "violations": [HOSTILE]}}]
    view = seen.view(seen.dossier(OrdersTableName=items, OrderStatesTableName=states))

    async def check(user: User) -> None:
        await user.should_see(HOSTILE)
        assert not user.find(ui.label).elements & set(_markup(user))
        assert all(HOSTILE not in one.content for one in user.find(ui.mermaid).elements)

    Stack(monkeypatch, view).show(check, HOSTILE)


def _markup(user: User) -> list[Any]:
    """The elements that would take a text for markup."""
    return [one for one in _drawn(user) if isinstance(one, ui.html | ui.markdown)]


@pytest.mark.parametrize("error", [OSError("nobody there"), ZeroDivisionError("nobody there")], ids=type)
def test_a_stack_that_can_not_be_read_is_told_and_asked_again(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    stack = Stack(monkeypatch, seen.view())

    def broken(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(Executions, "of", broken)

    async def check(user: User) -> None:
        await user.should_see("nobody there")
        monkeypatch.setattr(Executions, "of", lambda *_: list(stack.view.executions))
        await user.should_see("Execution 2 of 2: changed nothing")
        await user.should_not_see("nobody there")

    stack.show(check)
