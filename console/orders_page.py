"""All orders, moving; and how to place them."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from console import layout, orders_grid
from console.model import PLACED
from console.place import Place
from console.place_panel import panel
from console.watch import Watch
from orders import Status

TITLE, PATH, ORDER, ICON = "Orders", "/", 0, "receipt_long"

ALL = ""
SPEAK_SECONDS = 5.0  # between two sentences that are read out
GATHER_SECONDS = 0.4  # in which what changes is shown at once: a browser's work is by the time, not by the order

STYLE = """
.chips .q-btn { border: 1px solid var(--edge); border-radius: 999px; color: var(--ink); background: var(--surface) }
.chips .q-btn[aria-pressed=true] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent) }
"""


def add(place: Place, watch: Watch) -> None:
    """Register the page."""

    @ui.page(PATH)
    async def orders() -> None:
        with layout.page(TITLE, place):
            panel(place)
            view = _List(watch)
        client = ui.context.client
        await client.connected()
        if client.has_socket_connection:  # it may have gone without ever being there
            view.go_on()


class _List:
    """One page's list, its filters, and which orders it shows by now."""

    def __init__(self, watch: Watch) -> None:
        ui.add_css(STYLE + orders_grid.STYLE)
        self.watch = watch
        self.status, self.words = ALL, ""
        self.grid: ui.aggrid | None = None
        self.known: set[str] = set()  # which orders the grid has
        self.changed: set[str] = set()  # which it doesn't show yet
        self.chips: dict[str, ui.button] = {}
        self.counts: dict[str, TextElement] = {}
        with ui.element("section").classes("w-full flex flex-col gap-3").props('aria-labelledby="all-orders"'):
            with ui.row().classes("w-full items-center gap-x-4 gap-y-1"):
                layout.heading("All orders").props("id=all-orders")
                self.summary = ui.label().classes("soft")
                self.spoken = ui.label().classes("sr-only").props("aria-live=polite")
                ui.space()
                search = ui.input("Search", on_change=lambda change: self._search(change.value or ""))
                search.props("outlined dense clearable debounce=200 type=search").classes("w-64 max-sm:w-full")
            self._draw_filters()
            self.box = ui.element("div").classes("orders w-full")
        self._count()

    def _draw_filters(self) -> None:
        with (
            ui.element("div").classes("chips flex flex-wrap gap-1.5").props('role="group" aria-label="Of which status"')
        ):
            for status in (ALL, *Status):
                chip = (
                    ui.button(color=None, on_click=partial(self._choose, status))
                    .props("flat no-caps dense")
                    .classes("px-3")
                )
                sign, colour = orders_grid.SIGNS.get(status, ("", ""))
                with chip:
                    if sign:
                        TextElement(tag="span", text=sign).classes(f"{colour} mr-1").props("aria-hidden=true")
                    TextElement(tag="span", text=status.capitalize() or "All")
                    self.counts[status] = TextElement(tag="span", text="0").classes("soft ml-1.5 tabular-nums")
                self.chips[status] = chip.mark(f"status-{status or 'ALL'}")
        self._press()

    def go_on(self) -> None:
        """Draw the grid, whose code is large, once the rest is there, and keep it up to date until the page closes."""
        with self.box:
            self.grid = orders_grid.grid(self.watch.rows)
        self.known = set(self.watch.rows)
        self._count()
        ui.timer(SPEAK_SECONDS, self._speak)
        ui.context.client.on_delete(self.watch.subscribe(self._change))

    def _change(self, changed: set[str]) -> None:
        if not self.changed:
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._bring_up)
        self.changed |= changed

    def _bring_up(self) -> None:
        changed, self.changed = self.changed, set()
        if self.grid and not self.grid.is_deleted:
            orders_grid.change(self.grid, self.known, self.watch.rows, changed)
            self._count()

    def _count(self) -> None:
        counted = Counter(row.status for row in self.watch.rows.values())
        for status, shown in self.counts.items():
            number = str(counted.total() if status == ALL else counted[status])
            if shown.text != number:
                shown.text = number
        self.summary.text = _sentence(counted.total(), counted[PLACED], cut_off=self.watch.cut_off)

    def _speak(self) -> None:
        """Have the sentence read out, but not at every change."""
        self.spoken.text = self.summary.text

    def _choose(self, status: str) -> None:
        self.status = ALL if self.status == status else status
        self._press()
        self._filter()

    def _search(self, words: str) -> None:
        self.words = words
        self._filter()

    def _filter(self) -> None:
        if self.grid:
            orders_grid.filter_by(self.grid, self.status, self.words)

    def _press(self) -> None:
        for status, chip in self.chips.items():
            chip.props(f"aria-pressed={'true' if status == self.status else 'false'}")


def _sentence(total: int, undecided: int, *, cut_off: bool) -> str:
    """The list in words."""
    if not total:
        return "None yet."
    orders = f"{total} order{'s' if total != 1 else ''}"
    first = f"The first {orders} of more" if cut_off else orders
    return f"{first}, {undecided} to be decided." if undecided else f"{first}, all decided."
