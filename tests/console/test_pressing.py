"""Whoever presses a button hears what came of it, whatever has become of the button."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable

import pytest
from botocore.exceptions import ClientError
from nicegui import Client, ui
from nicegui.testing import User

from console import pressing
from console.pressing import on_press
from local.stack import Problem
from tests.console.a_place import until, visitor

REFUSED = ClientError({"Error": {"Code": "Throttled", "Message": "not now"}}, "PutItem")


class Page:
    """A button in a part of a page that may be drawn anew."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self.part: ui.column | None = None
        self.button: ui.button | None = None
        self._work = work

    def visit(self, check: Callable[[User], Awaitable[None]]) -> None:
        """Open it, and check it in there."""

        def page() -> None:
            with ui.column() as self.part:
                self.button = ui.button("Do it")
                on_press(self.button, self._work)

        async def run() -> None:
            async with visitor() as user:
                ui.page("/page")(page)
                await user.open("/page")
                await check(user)

        asyncio.run(run())

    async def is_drawn_anew(self) -> None:
        """The part is gone, with all that was in it."""
        assert self.part
        self.part.delete()
        part = weakref.ref(self.part)
        self.part = self.button = None
        await until(lambda: [gc.collect()] and part() is None)


@pytest.mark.parametrize("refusal", [None, Problem("it is too late"), REFUSED], ids=["done", "problem", "refused"])
def test_what_came_of_a_press_is_told_although_the_button_is_gone(
    refusal: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, gone = asyncio.Event(), asyncio.Event()
    told: list[tuple[str, Client]] = []

    def tell(said: object) -> None:  # a simulated visitor hears what is said to nobody as well
        told.append((str(said), ui.context.client))

    monkeypatch.setattr(pressing, "refused", tell)

    async def work() -> None:
        begun.set()
        await gone.wait()
        if refusal:
            raise refusal
        tell("it is done")

    page = Page(work)

    async def check(user: User) -> None:
        user.find("Do it").click()
        await begun.wait()
        await page.is_drawn_anew()
        gone.set()
        await until(lambda: told)
        [(said, client)] = told
        assert client is user.client
        assert any(words in said for words in ("it is done", "it is too late", "not now"))

    page.visit(check)


def test_a_button_that_is_at_work_takes_no_other_press_and_one_that_is_done_does() -> None:
    begun: list[asyncio.Event] = []

    async def work() -> None:
        begun.append(asyncio.Event())
        await begun[-1].wait()

    page = Page(work)

    async def check(user: User) -> None:
        user.find("Do it").click()
        user.find("Do it").click()
        await until(lambda: begun)
        assert page.button
        assert page.button.props.get("loading")
        begun[0].set()
        await until(lambda: page.button and not page.button.props.get("loading"))
        user.find("Do it").click()
        await until(lambda: len(begun) > 1)
        assert len(begun) == 2
        begun[1].set()

    page.visit(check)
