"""One order: what became of it and why, its workflows lit as it happens, its way in plain words, and all its data."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from nicegui import ui

from console import layout, order_data, order_workflows
from console.actions import Action, send_event_again
from console.facts import came_again
from console.following import Followed, Sources, View
from console.order_look import STYLE, look_of
from console.place import Place
from console.pressing import on_press, sure
from console.watch import Watch
from orders import Status

TITLE, PATH, ORDER, PARENT = "Order", "/order", None, "/"

AT_LEAST_ONCE = (
    "That is how a bus works: it promises to deliver an event at least once, so it may come again at any time."
)
SWEPT = "The sweep does so with whatever is still to do, in case something was lost on its way."
NO_HARM = (
    "It does no harm: each step takes effect under a key of the order, on the condition that it has not done so "
    "before, and whoever comes second gets the first one’s answer."
)


def add(place: Place, watch: Watch) -> None:
    """Register the page. All who look at an order share what is read of it."""
    sources, followed = Sources(place, watch), dict[str, Followed]()

    @ui.page(PATH)
    async def order(id: str = "") -> None:  # noqa: A002 - as it is named in the address
        ui.add_css(STYLE)
        with layout.page(f"Order {id}" if id else "No order", place):
            if id:
                watched = followed.setdefault(id, Followed(sources, id))
                OrderPage(place, watched).draw()
                ui.context.client.on_delete(lambda: None if watched.looked_at else followed.pop(id, None))
            else:
                ui.link("Choose one from the list", "/")


class OrderPage:
    """What one browser shows of one order."""

    def __init__(self, place: Place, followed: Followed) -> None:
        self._place, self._followed = place, followed
        self._shown: View | None = None

    def draw(self) -> None:
        """Draw what is known, and whatever comes."""
        with ui.element("section").classes("panel p-4 w-full").props('aria-label="What became of it"'):
            self._head = ui.element("div").classes("w-full")
            self._actions = ui.row().classes("gap-2 w-full mt-2 empty:hidden")
        self._workflows = order_workflows.Workflows()
        with ui.element("div").classes("below w-full"):
            self._timeline = order_data.Timeline()
            self._tables = order_data.Tables(self._place)
        stop = self._followed.listen(self._update)
        ui.context.client.on_delete(stop)
        self._update()

    def _update(self) -> None:
        view = self._followed.view
        before, self._shown = self._shown, view
        if view is None:
            with self._head:
                ui.label("Reading what there is of it …").classes("soft")
            return
        if before is None or _headed(before) != _headed(view):
            self._head.clear()
            with self._head:
                self._draw_head(view)
        if self._place.may_write and (before is None or _offered(before) != _offered(view)):
            self._actions.clear()  # not together with the head, or a button lost the keyboard whenever the order moves
            with self._actions:
                self._draw_actions(view)
        self._workflows.show(view)
        self._timeline.show(view)
        self._tables.show(view)

    def _draw_head(self, view: View) -> None:
        if view.trouble:
            ui.label(view.trouble).classes("bad").props("role=alert")
        if not view.known:
            ui.label("There is no such order. It may not be written yet: this page shows it as soon as it is.")
            return
        look = look_of(view.status)
        with ui.row().classes("items-center gap-x-6 gap-y-2 w-full"):
            with ui.row().classes(f"items-center gap-2 {look.tone}").props('role="status"'):
                ui.icon(look.icon).classes("text-2xl").props("aria-hidden=true")
                ui.label(view.status).classes("text-xl font-semibold wraps")
            if view.why:
                ui.label(view.why).classes("soft wraps")
            ui.label(view.lines).classes("wraps")
            ui.label(view.total).classes("wraps")
        for sentence in view.headline:
            ui.label(sentence).classes("text-lg wraps mt-2")
        if came_again(view.executions):
            ui.label(f"{SWEPT if view.swept else AT_LEAST_ONCE} {NO_HARM}").classes("soft wraps")
        self._draw_facts(view)

    def _draw_facts(self, view: View) -> None:
        with ui.element("ul").classes("facts").props('aria-label="Counted in the ledgers"'):
            for fact in view.facts:
                with ui.element("li").classes("fact"):
                    tone = "bad" if fact.twice else ""
                    ui.label(f"{fact.count} {fact.what}").classes(f"font-semibold {tone}")
                    ui.label(fact.detail).classes("soft text-sm wraps")

    def _draw_actions(self, view: View) -> None:
        if not view.known:
            return
        if view.status == Status.SHIPPING:
            ui.label("Too late to cancel: its parcels are booked.").classes("soft w-full")
        for action in view.actions:
            on_press(ui.button(action.label).props("no-caps unelevated"), partial(self._act, action))
        again = ui.button("Deliver its event again", icon="replay").props("no-caps outline")
        again.tooltip("As the bus may do at any time")
        on_press(again, self._again)

    async def _again(self) -> None:
        placed_at = str((self._shown or View("")).dossier.one("OrdersTableName").get("placed_at", ""))
        if await sure(self._place, f"Deliver the event of {self._followed.order_id} again"):
            await self._do(partial(send_event_again, self._place, self._followed.order_id, placed_at))

    async def _act(self, action: Action) -> None:
        units = await order_data.units(action.label, action.asks) if action.asks else {}
        if units is not None and await sure(self._place, f"{action.label}: {self._followed.order_id}"):
            await self._do(partial(action.run, units))

    async def _do(self, work: Callable[[], str]) -> None:
        try:
            ui.notify(await asyncio.to_thread(work), type="positive")
        finally:
            self._followed.look()


def _headed(view: View) -> tuple[object, ...]:
    """What of a view its head shows."""
    return view.known, view.trouble, view.status, view.why, view.headline, view.facts


def _offered(view: View) -> tuple[object, ...]:
    """What of a view the buttons depend on."""
    return view.known, view.offered, view.status == Status.SHIPPING
