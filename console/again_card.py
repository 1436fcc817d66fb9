"""The card that answers the question of the whole project: what happens to an order whose event comes twenty times?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import islice

from nicegui import ui

from console import again, faults, healing, layout
from console.again import COPIES, Figures
from console.broken import since
from console.bus import SeenEvent
from console.executions import Executions
from console.place import Place
from console.pressing import on_press
from console.watch import Watch
from orders.events import PLACED

# Copies wait for a free function, some of them for their retries.
_PATIENCE_SECONDS, _LOOK_SECONDS = 180.0, 0.7
# What starts is found a moment later, on a busy machine many moments; an event that starts nothing never is.
_SETTLED_SECONDS, _QUIET_SECONDS = 2.0, 15.0
_OFFERED, _PLACED = 8, 4  # of the latest events, and of those that have started an order


class AgainCard:
    """A button, and the figures before and after. It updates itself while the copies are under way."""

    def __init__(self, place: Place, watch: Watch, executions: Executions) -> None:
        self._place, self._watch, self._executions = place, watch, executions
        self._events: dict[str, SeenEvent] = {}
        self._by_hand = self._setting = False
        with ui.element("section").classes("panel p-4 w-full flex flex-col gap-3"):
            layout.heading("Deliver one event twenty times")
            ui.label(
                "A bus may deliver an event more than once. Send one of the last again, exactly as it was, and see "
                "what that changes."
            )
            self._choice = ui.select({}, label="The event", on_change=self._chosen).classes("w-full")
            self._none = ui.label("No event has come by since this page was started. Place an order first.")
            self._button = ui.button(f"Send it {COPIES} times more", icon="repeat").props("no-caps")
            on_press(self._button.classes("self-start"), self._send)
            self._outcome = ui.column().classes("w-full gap-2").props("role=status aria-live=polite")
        self.update()

    def update(self) -> None:
        """Offer the latest events. Until somebody chooses, it is the one that started the last order."""
        events = _latest(self._watch.seen_events())
        self._button.set_enabled(bool(events))
        self._choice.set_visibility(bool(events))
        self._none.set_visibility(not events)
        offered = {f"{one.event_id} {one.detail}": one for one in events}
        if offered.keys() == self._events.keys():
            return
        kept = self._choice.value if self._by_hand and self._choice.value in offered else None
        self._events = offered
        placed = next((key for key, one in self._events.items() if one.what == PLACED), None)
        self._setting = True
        self._choice.set_options(
            {key: f"{one.what} of {one.order_id}, at {since(one.seen_at)}" for key, one in self._events.items()},
            value=kept or placed or next(iter(self._events), None),
        )
        self._setting = False

    def _chosen(self) -> None:
        self._by_hand = self._by_hand or not self._setting

    def _event(self) -> SeenEvent | None:
        return self._events.get(self._choice.value)

    async def _send(self) -> None:
        event = self._event()
        if event is None:
            return
        before = await self._look(event)
        await asyncio.to_thread(again.send, self._place, event)
        faults.of(self._place).tell(
            f"{event.what} of {event.order_id} was sent {COPIES} times more. {healing.AGAIN}", event.order_id
        )
        await self._follow(event, before)

    async def _follow(self, event: SeenEvent, before: Figures) -> None:
        began = changed = time.monotonic()
        latest: Figures | None = None
        while True:
            after = await self._look(event)
            now = time.monotonic()
            if after != latest:
                latest, changed = after, now
            all_there = after.executions - before.executions >= COPIES
            quiet = now - changed > (_SETTLED_SECONDS if all_there else _QUIET_SECONDS)
            over = (not after.running and quiet) or now - began > _PATIENCE_SECONDS
            self._draw(event, before, after, over=over)
            if over:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self, event: SeenEvent) -> Figures:
        emails = sum(again.is_about(mail.subject, event.order_id) for mail in self._watch.mails)
        return await asyncio.to_thread(again.look, self._place, self._executions, event, emails)

    def _draw(self, event: SeenEvent, before: Figures, after: Figures, *, over: bool) -> None:
        self._outcome.clear()
        with self._outcome:
            ui.label(self._verdict(event, before, after, over=over)).classes("font-medium")
            with ui.element("div").classes("overflow-x-auto"), ui.element("table").classes("text-left border-collapse"):
                with ui.element("thead"), ui.element("tr"):
                    for heading in (f"{event.order_id}", "Before", "After"):
                        with ui.element("th").props("scope=col").classes("pr-6 py-1 font-medium wraps"):
                            ui.label(heading)
                with ui.element("tbody"):
                    for (what, was), (_, now) in zip(before.rows(), after.rows(), strict=True):
                        with ui.element("tr").classes("border-t").style("border-color: var(--edge)"):
                            for index, cell in enumerate((what, was, now)):
                                with ui.element("td").classes("pr-6 py-1 align-top"):
                                    ui.label(cell).classes("font-medium" if index == 2 and was != now else "")
            ui.link("See its workflows and its timeline", layout.order_url(event.order_id))

    def _verdict(self, event: SeenEvent, before: Figures, after: Figures, *, over: bool) -> str:
        if not over:
            started = after.executions - before.executions
            return f"{started} of the copies have started an execution, {after.running} are under way."
        started = after.executions - before.executions
        kept = (before.reserved, before.taken, before.emails) == (after.reserved, after.taken, after.emails)
        if not started:
            return f"{event.what} starts nothing, so the copies did nothing at all."
        more = f"{started} more execution{'' if started == 1 else 's'} ran to the end"
        if kept:
            return f"{more}, and nothing was reserved, charged or told again."
        return f"{more}. The order went on meanwhile: look at what has changed."


def _latest(seen: Sequence[SeenEvent]) -> list[SeenEvent]:
    """The latest events, and among them some that have started an order, the latest first. Copies are one."""
    different = {(one.event_id, one.detail): one for one in seen}
    latest = sorted(different.values(), key=lambda one: one.seen_at, reverse=True)
    placed = list(islice((one for one in latest if one.what == PLACED), _PLACED))
    return [one for one in latest if one in latest[:_OFFERED] or one in placed]
