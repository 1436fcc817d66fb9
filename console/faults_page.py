"""Break the stack, one part at a time, and watch what heals, when, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from botocore.exceptions import BotoCoreError, ClientError
from nicegui import app, ui

from console import broken, faults, healing, kinds, layout, ledger_rows, parts
from console.again_card import AgainCard
from console.executions import Executions
from console.faults import Broken, Faults
from console.healed import Healed
from console.ledgers import Ledgers, reader
from console.parts import Kind, Part
from console.place import Place
from console.pressing import on_press, refused
from console.timeline import times
from console.watch import Watch
from local.console import complain
from local.stack import Problem

TITLE = "Faults"
PATH = "/faults"
ORDER = 40
ICON = "bolt"

_KINDS = {
    Kind.FUNCTION: ("Functions", "What does the work. Switched off, it refuses every call; throttled, all but one."),
    Kind.RULE: ("Rules", "What starts a workflow when an event comes by on the bus. The next event is lost."),
    Kind.STREAM: ("Streams", "What tells of each change of a table. Held back, nobody hears of any."),
    Kind.SCHEDULE: ("Schedules", "Who looks again and again whether something was left undone."),
}
_SHOWN = 8  # of the latest notes, and of the open orders


def add(place: Place, watch: Watch) -> None:
    """Register the page, and what every page shows of what is broken."""
    layout.add_banner(lambda: broken.draw(place, always=ui.context.client.page.path == PATH))
    app.on_shutdown(_give_back)
    executions = Executions(place)
    healed = Healed(faults.of(place)) if faults.can_break(place) else None
    found: list[Part] = []  # a stack's parts stay what they are

    async def parts_of_it() -> list[Part]:
        if not found:
            found.extend(await asyncio.to_thread(parts.find, place))
        return found

    @ui.page(PATH)
    def show() -> None:
        with layout.page(TITLE, place):
            if healed is None:
                ui.label("Only the embedded stack can be broken from here: make up.")
                return
            page = FaultsPage(place, watch, executions, healed)
        page.keep_up(ui.context.client.on_delete)
        ui.timer(0, lambda: page.draw(parts_of_it), once=True)


def _give_back() -> None:
    try:
        faults.close_all()
    except Problem as problem:
        complain(str(problem))


class FaultsPage:
    """All that can be broken, and beside it what comes of it."""

    def __init__(self, place: Place, watch: Watch, executions: Executions, healed: Healed) -> None:
        self._place, self._watch, self._healed = place, watch, healed
        self._faults = faults.of(place)
        self._lines: list[PartLine] = []
        ui.label(
            "Break something, place orders, and watch them come to their end all the same. Everything is broken from "
            "outside, by requests that an operator could send; the code that ships knows nothing of it. All of it is "
            "given back when the console ends."
        ).classes("max-w-3xl")
        with ui.element("div").classes("w-full grid grid-cols-1 lg:grid-cols-[3fr_2fr] gap-4 items-start"):
            with ui.column().classes("w-full gap-4 min-w-0"):
                self._parts = ui.element("section").classes("panel p-4 w-full")
                with self._parts:
                    layout.heading("What can be broken")
                    ui.spinner(size="2rem")
            with ui.column().classes("w-full gap-4 min-w-0"):
                self._heals = Healing(place)
                self._again = AgainCard(place, watch, executions)
                self._notes = Notes()
        self._notes.show(self._faults)

    def keep_up(self, at_the_end: Callable[[Callable[[], None]], object]) -> None:
        """Follow what happens until the page is closed."""
        read, loop = reader(self._place, self._watch), asyncio.get_running_loop()

        def changed() -> None:
            self._notes.show(self._faults)
            self._show_broken()
            read.again()

        def seen() -> None:
            self._heals.show(read.latest)
            self._healed.see(read.latest)

        def from_any_thread() -> None:
            loop.call_soon_threadsafe(changed)

        at_the_end(self._faults.subscribe(from_any_thread))
        at_the_end(self._watch.subscribe(lambda _: self._again.update()))
        at_the_end(read.subscribe(seen))
        self._healed.keep_up(read)

    def _show_broken(self) -> None:
        by_part = {one.part: one for one in self._faults.broken}
        for line in self._lines:
            line.show(by_part.get(line.part.key))

    async def draw(self, find: Callable[[], Awaitable[Sequence[Part]]]) -> None:
        """Draw the parts, one kind at a time."""
        try:
            found = await find()
        except (ClientError, BotoCoreError) as error:
            found = []
            refused(error)
        self._parts.clear()
        with self._parts:
            layout.heading("What can be broken")
            there = [kind for kind in _KINDS if any(part.kind == kind for part in found)]
            with ui.tabs().props("dense no-caps align=left outside-arrows mobile-arrows").classes("w-full") as tabs:
                for kind in there:
                    ui.tab(kind, label=_KINDS[kind][0])
            with ui.tab_panels(tabs, value=there[0] if there else None, animated=False).classes(
                "w-full bg-transparent"
            ):
                for kind in there:
                    with ui.tab_panel(kind).classes("px-0"):
                        ui.label(_KINDS[kind][1]).classes("soft text-sm")
                        self._draw_kind([part for part in found if part.kind == kind])
        self._show_broken()

    def _draw_kind(self, ours: Sequence[Part]) -> None:
        for stack in dict.fromkeys(part.stack for part in ours):
            layout.heading(stack, 3).classes("mt-3")
            for part in ours:
                if part.stack == stack:
                    self._lines.append(PartLine(self._place, part))


class PartLine:
    """One part: its name, how it does, what can be done to it, and what would heal that."""

    def __init__(self, place: Place, part: Part) -> None:
        self._place, self.part = place, part
        with (
            ui.element("div").classes("py-1 border-t w-full").style("border-color: var(--edge)"),
            ui.element("div").classes("w-full flex flex-wrap items-center gap-x-3 gap-y-1"),
        ):
            with (
                ui.expansion(part.title, caption=part.says)
                .props("dense switch-toggle-side")
                .classes("grow basis-64 min-w-0"),
                ui.column().classes("gap-1 pb-2"),
            ):
                ui.label("What heals it").classes("text-sm font-medium")
                ui.label(healing.of(part)).classes("soft text-sm wraps")
            self._buttons = ui.element("div").classes("flex flex-wrap items-center gap-2")
        self._shown: str | None = None

    def show(self, is_broken: Broken | None) -> None:
        """Say how it does."""
        key = is_broken.key if is_broken else ""
        if key == self._shown:
            return
        self._shown = key
        self._buttons.clear()
        with self._buttons:
            if is_broken:
                ui.label("broken").classes("sr-only")
                ui.label(f"since {broken.since(is_broken.since)}").classes("bad text-xs font-medium")
                broken.mend_button(self._place, is_broken, self._keep_focus).props(remove="icon")
            for method, label in faults.can(self.part):
                if not is_broken or method == "kill":
                    self._button(method, label)

    def _keep_focus(self) -> None:
        """On what has come in the place of the button that was pressed."""
        layout.focus(next(one for one in self._buttons if isinstance(one, ui.button)))

    def _button(self, method: str, label: str) -> None:
        async def act() -> None:
            if said := await asyncio.to_thread(getattr(faults.of(self._place), method), self.part):
                ui.notify(said)
            if button.is_deleted:
                self._keep_focus()

        button = ui.button(label).props("no-caps outline dense").classes("px-3")
        on_press(button, act)
        button.props(f'aria-label="{label}: {self.part.title}"')


class Healing:
    """The list of open orders: what waits, how often it was sent again, and when the next time is."""

    def __init__(self, place: Place) -> None:
        async def order() -> None:
            ui.notify("Placed: " + ", ".join(await asyncio.to_thread(kinds.place_kind, place, kinds.kinds()[0])))

        with ui.element("section").classes("panel p-4 w-full"):
            layout.heading("What is still to do")
            button = ui.button("Place an order", icon="add_shopping_cart").props("no-caps").classes("my-2")
            on_press(button, order)
            self._count = (
                ui.label("Reading what there is …").classes("text-lg font-medium").props("role=status aria-live=polite")
            )
            ui.label(
                "An order is on this list until its customer has been told. If that takes more than a minute, the "
                "sweep sends its event again."
            ).classes("soft text-sm")
            self._list = ui.element("ul").classes("list-none p-0 m-0 mt-2 w-full")
        self._drawn: list[ledger_rows.Cells] | None = None

    def show(self, seen: Ledgers | None) -> None:
        """Bring it up to what was seen."""
        if seen is None:
            return
        rows = list(ledger_rows.open_orders(seen))
        if rows == self._drawn:
            return
        self._drawn = rows
        at_work = sum(row["at_work"] for row in rows)
        waiting = len(rows) - at_work
        self._count.set_text(
            f"{at_work} under way" + (f", {waiting} with the carrier or its customer" if waiting else "")
            if rows
            else "Nothing: every order has come to its end."
        )
        self._list.clear()
        with self._list:
            moving = [row for row in rows if row["at_work"]]
            for row in moving[:_SHOWN]:
                with ui.element("li").classes("py-1 border-t").style("border-color: var(--edge)"):
                    ui.link(row["order_id"], layout.order_url(row["order_id"])).classes("wraps")
                    ui.label(_waits(row)).classes("soft text-sm wraps")
            if len(moving) > _SHOWN:
                with ui.element("li").classes("py-1 soft"):
                    ui.label(f"and {len(moving) - _SHOWN} more")


def _waits(row: ledger_rows.Cells) -> str:
    if row["stuck"]:
        return f"Stuck at {row['stuck']}: a person has to look."
    what = "Waits for a person’s approval" if row["review"] else row["what"]
    if not row["sweeps"]:
        return f"{what}: open since {row['since']}. If it still is, it is sent again {row['next']}."
    return f"{what}: open since {row['since']}, sent again {times(row['sweeps'])}. The next time {row['next']}."


class Notes:
    """What was done and what happened, the latest first."""

    def __init__(self) -> None:
        with ui.element("section").classes("panel p-4 w-full"):
            layout.heading("What has happened")
            self._list = ui.element("ol").classes("list-none p-0 m-0 w-full").props("aria-live=polite")
        self._drawn = -1.0

    def show(self, kept: Faults) -> None:
        """Bring it up to what is noted."""
        notes = kept.notes
        latest = notes[0].at if notes else 0.0
        if latest == self._drawn:
            return
        self._drawn = latest
        self._list.clear()
        with self._list:
            for note in notes[:_SHOWN]:
                with ui.element("li").classes("py-2 border-t").style("border-color: var(--edge)"):
                    ui.label(broken.since(note.at)).classes("soft text-sm")
                    ui.label(note.text).classes("wraps")
                    if note.order_id:
                        ui.link(note.order_id, layout.order_url(note.order_id)).classes("wraps text-sm")
            if not notes:
                with ui.element("li"):
                    ui.label("Nothing yet. Switch something off, and place an order.").classes("soft")
