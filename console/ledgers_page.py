"""The books of the shop: what must always hold, each with its evidence, and every ledger."""

from __future__ import annotations

from datetime import datetime

from nicegui import ui

from console import layout, ledger_rows
from console.ledger_grid import Grid
from console.ledger_rows import Ledger
from console.ledgers import Ledgers, Standing, Verdict, reader
from console.place import Place
from console.watch import Watch

TITLE = "Ledgers"
PATH = "/ledgers"
ORDER = 20
ICON = "account_balance"

# A sign and a word for each, never a colour alone.
SIGNS = {
    Standing.HOLDS: ("check_circle", "good", "holds"),
    Standing.BROKEN: ("error", "bad", "broken"),
}


def add(place: Place, watch: Watch) -> None:
    """Register the page."""

    @ui.page(PATH)
    async def show() -> None:
        read = reader(place, watch)
        with layout.page(TITLE, place):
            promises, books = Promises(), LedgerTabs()

        def say() -> None:
            promises.trouble(read.trouble)
            if read.latest:
                promises.show(read.latest)

        def update() -> None:
            say()
            if read.latest:
                books.show(read.latest)

        say()
        client = ui.context.client
        await client.connected()  # the rows follow when the rest is there to be seen
        if client.has_socket_connection:
            update()
            client.on_delete(read.subscribe(update))


class Promises:
    """The invariants: one line for all, and one for each."""

    def __init__(self) -> None:
        layout.heading("What must always hold")
        with ui.row(wrap=False).classes("items-center gap-3").props("role=status aria-live=polite"):
            self._sign = ui.icon("hourglass_empty", size="2rem").props("aria-hidden=true")
            self._headline = ui.label("Reading the books").classes("text-lg font-medium")
        self._about = ui.label().classes("soft text-sm")
        self._trouble = ui.label().classes("bad").props("role=alert")
        self._trouble.set_visibility(False)
        with ui.expansion("What they are").classes("w-full") as self._all:  # folded while there is nothing to see
            self._list = ui.element("ul").classes("w-full list-none p-0 m-0 grid grid-cols-1 lg:grid-cols-2 gap-x-8")
        self._all.set_visibility(False)
        self._standing: Standing | None = None
        self._unseen = ui.expansion("").classes("w-full")
        self._lines: dict[str, _Line] = {}
        self._counted = -1
        self._unseen.set_visibility(False)

    def trouble(self, text: str) -> None:
        """Say why the books can't be read."""
        self._trouble.set_text(text)
        self._trouble.set_visibility(bool(text))

    def show(self, seen: Ledgers) -> None:
        """Bring it up to what was seen."""
        judged = [one for one in seen.verdicts if one.standing != Standing.UNSEEN]
        broken = seen.broken
        standing = Standing.BROKEN if broken else Standing.HOLDS
        if standing != self._standing:
            self._standing = standing
            self._all.set_visibility(True)
            self._all.value = bool(broken)
        icon, colour, _ = SIGNS[standing]
        self._sign.name = icon
        self._sign.classes(replace=colour)
        self._headline.set_text(
            f"{len(broken)} of {len(judged)} promises are broken" if broken else f"All {len(judged)} promises hold"
        )
        under_way = len(seen.under_way)
        self._about.set_text(
            (f"Judged by {_orders(seen.judged)} at rest. " if seen.judged else "No order is at rest yet. ")
            + (f"{_orders(under_way)} under way, judged as soon as {_it(under_way)} at rest. " if under_way else "")
            + f"Looked at {datetime.fromtimestamp(seen.at).astimezone():%H:%M:%S}."
        )
        for verdict in judged:
            if verdict.sentence not in self._lines:
                with self._list:
                    self._lines[verdict.sentence] = _Line(verdict)
            self._lines[verdict.sentence].show(verdict)
        self._show_unseen([one for one in seen.verdicts if one.standing == Standing.UNSEEN])

    def _show_unseen(self, unseen: list[Verdict]) -> None:
        if len(unseen) == self._counted:
            return
        self._counted = len(unseen)
        self._unseen.set_visibility(bool(unseen))
        self._unseen.set_text(f"{len(unseen)} more that nobody can judge from the tables")
        self._unseen.clear()
        with self._unseen:
            ui.label(
                "They are about what was asked, answered or sent on the way, which only somebody knows who has watched "
                "all of it: the simulation (make simulate), the crash test and the tests do, and judge these as well."
            )
            with ui.element("ul").classes("pl-5 list-disc"):
                for one in unseen:
                    with ui.element("li"):
                        ui.label(one.sentence)


class _Line:
    """One invariant."""

    def __init__(self, verdict: Verdict) -> None:
        with ui.element("li").classes("py-1"), ui.row(wrap=False).classes("items-start gap-2"):
            self._icon = ui.icon("check_circle", size="1.4rem").props("aria-hidden=true")
            with ui.column().classes("gap-0"):
                ui.label(verdict.sentence)
                self._evidence = ui.element("ul").classes("pl-4 list-disc text-sm bad wraps")
            self._word = ui.label().classes("sr-only")
        self._shown: Verdict | None = None

    def show(self, verdict: Verdict) -> None:
        """Say how it stands."""
        if verdict == self._shown:
            return
        self._shown = verdict
        icon, colour, word = SIGNS[verdict.standing]
        self._icon.name = icon
        self._icon.classes(replace=f"{colour} mt-px")
        self._word.set_text(word)
        self._evidence.clear()
        self._evidence.set_visibility(bool(verdict.evidence))
        with self._evidence:
            for said in verdict.evidence:
                with ui.element("li"):
                    ui.label(said)


class LedgerTabs:
    """The ledgers, one at a time."""

    def __init__(self) -> None:
        layout.heading("The ledgers")
        self._place = ui.column().classes("w-full gap-2")
        self._tabs: ui.tabs | None = None
        self._labels: dict[str, ui.tab] = {}
        self._seen: Ledgers | None = None
        self._grid: Grid | None = None
        self._ledger: Ledger | None = None
        self._body: ui.column | None = None

    def show(self, seen: Ledgers) -> None:
        """Bring it up to what was seen."""
        self._seen = seen
        ledgers = ledger_rows.shown(seen)
        if self._tabs is None:
            self._build(ledgers)
        for ledger in ledgers:
            label = f"{ledger.name} ({ledger.count(seen)})"
            if self._labels[ledger.name].props.get("label") != label:
                self._labels[ledger.name].props(f'label="{label}"')
        if self._ledger:
            rows = list(self._ledger.rows(seen))
            if self._grid and rows:
                self._grid.show(rows)
            elif rows or self._grid:
                self._draw()

    def _build(self, ledgers: list[Ledger]) -> None:
        with self._place:
            with ui.tabs().classes("w-full").props("dense no-caps outside-arrows mobile-arrows align=left") as tabs:
                for ledger in ledgers:
                    tab = ui.tab(ledger.name)
                    self._labels[ledger.name] = tab
            self._tabs = tabs
            self._body = ui.column().classes("w-full gap-2")
        by_name = {ledger.name: ledger for ledger in ledgers}

        def choose(name: str) -> None:
            self._ledger = by_name[name]
            self._draw()

        tabs.on_value_change(lambda event: choose(event.value))
        tabs.value = ledgers[0].name

    def _draw(self) -> None:
        if not (self._body and self._ledger and self._seen):
            return
        self._body.clear()
        rows = list(self._ledger.rows(self._seen))
        with self._body:
            ui.label(self._ledger.says).classes("soft text-sm")
            self._grid = Grid(self._ledger.name, self._ledger.columns, rows) if rows else None
            if not rows:
                ui.label(self._ledger.empty).classes("py-6 text-lg")


def _orders(count: int) -> str:
    return f"{count} order{'' if count == 1 else 's'}"


def _it(count: int) -> str:
    return "it is" if count == 1 else "they are"
