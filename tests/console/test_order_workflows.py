"""An order's page leads from one workflow to the next, until its reader has chosen one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from nicegui import ui
from nicegui.events import GenericEventArguments, handle_event
from nicegui.testing import User

from console import order_workflows
from console.executions import Execution
from console.following import View
from console.order_workflows import Workflows
from console.telling import told
from tests.console import seen
from tests.console.a_place import until, visitor
from tests.console.executed import Written, execution, stepped

FOR_EVER = 3600.0
FIRST, SECOND = "order", "shipping"


def after(*executions: Execution) -> View:
    """What is known of an order that came so far."""
    ran = list(executions)
    return replace(seen.view(), executions=tuple(ran), accounts=told(ran, seen.MACHINES))


ENDED = execution("one", stepped(1, seen.STEPS), workflow=FIRST)
AT_WORK = execution("one", Written(1).enter("Validate"), workflow=FIRST, status="RUNNING")
NEXT = execution("two", Written(3).enter("Book"), workflow=SECOND, status="RUNNING")


def follow(check: Callable[[User, Workflows], Awaitable[None]]) -> None:
    """Open a page with nothing but the workflows."""

    async def run() -> None:
        async with visitor() as user:
            drawn: list[Workflows] = []

            @ui.page("/workflows")
            def page() -> None:
                drawn.append(Workflows())

            await user.open("/workflows")
            await check(user, drawn[0])

    asyncio.run(run())


def shown(workflows: Workflows) -> str:
    """The workflow whose tab is selected."""
    return next(group.name for group in workflows._groups.values() if group.key == workflows._tabs.value)


def tab(workflows: Workflows, name: str) -> ui.tab:
    return next(group.tab for group in workflows._groups.values() if group.name == name)


def happens(workflows: Workflows, name: str, event: str, args: Any = None) -> None:
    """What a browser tells of a tab."""
    it = tab(workflows, name)
    [listener] = [one for one in it._event_listeners.values() if one.type == event]
    handle_event(listener.handler, GenericEventArguments(sender=it, client=it.client, args=args))


@pytest.fixture
def _lingers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_workflows, "LINGERS_SECONDS", FOR_EVER)


@pytest.fixture
def _hurries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_workflows, "LINGERS_SECONDS", 0.05)


@pytest.mark.usefixtures("_lingers")
def test_a_page_that_opens_shows_what_began_last() -> None:
    async def check(_: User, workflows: Workflows) -> None:
        workflows.show(after(ENDED, NEXT))
        assert shown(workflows) == SECOND

    follow(check)


@pytest.mark.usefixtures("_hurries")
def test_a_reader_is_led_on_a_moment_after_the_workflow_before_has_ended() -> None:
    async def check(_: User, workflows: Workflows) -> None:
        workflows.show(after(AT_WORK))
        workflows.show(after(ENDED, NEXT))
        assert shown(workflows) == FIRST
        await until(lambda: shown(workflows) == SECOND)

    follow(check)


@pytest.mark.usefixtures("_lingers")
def test_nobody_is_led_away_from_what_has_only_just_ended() -> None:
    async def check(_: User, workflows: Workflows) -> None:
        workflows.show(after(AT_WORK))
        for _again in range(3):
            workflows.show(after(ENDED, NEXT))
        assert shown(workflows) == FIRST

    follow(check)


def test_nobody_is_led_away_from_what_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_workflows, "LINGERS_SECONDS", -FOR_EVER)

    async def check(_: User, workflows: Workflows) -> None:
        workflows.show(after(AT_WORK))
        workflows.show(after(AT_WORK, NEXT))
        assert shown(workflows) == FIRST
        workflows.show(after(ENDED, NEXT))
        assert shown(workflows) == SECOND

    follow(check)


@pytest.mark.parametrize(
    ("event", "args", "led"),
    [("click", None, False), ("keydown", {"key": "ArrowRight"}, False), ("keydown", {"key": "Tab"}, True)],
    ids=["a click on what is shown already", "a key", "the key that leads past it"],
)
def test_who_has_chosen_a_tab_is_led_no_more(
    monkeypatch: pytest.MonkeyPatch, event: str, args: dict[str, str] | None, led: bool
) -> None:
    monkeypatch.setattr(order_workflows, "LINGERS_SECONDS", -FOR_EVER)

    async def check(_: User, workflows: Workflows) -> None:
        workflows.show(after(AT_WORK))
        happens(workflows, FIRST, event, args)
        workflows.show(after(ENDED, NEXT))
        assert shown(workflows) == (SECOND if led else FIRST)

    follow(check)
