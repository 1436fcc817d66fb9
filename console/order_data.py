"""An order's way in plain words, and its data in every table, as its page shows them: all of it as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from console.dossier import TABLE, flat
from console.following import View
from console.layout import heading
from console.order_look import KINDS
from console.parts import words
from console.place import Place
from console.timeline import Entry, after

MOST = 150  # entries that are shown at first
AGAIN = "A step that runs again logs its line again. How often something took effect is counted above."

_TONES = {"good": "green-9", "bad": "red-9", "moving": "deep-purple-7", "calm": "blue-grey-7", "accent": "blue-9"}


class Timeline:
    """What happened, in the order of time."""

    def __init__(self) -> None:
        self._entries: tuple[Entry, ...] = ()
        self._all = False
        with ui.element("section").classes("panel p-4").props('aria-labelledby="timeline"'):
            heading("What happened, in the order of time").props("id=timeline")
            ui.label(AGAIN).classes("soft text-sm wraps")
            self._latest = ui.label().classes("sr-only").props('aria-live="polite"')
            self._body = ui.column().classes("w-full gap-0 happened")

    def show(self, view: View) -> None:
        """Show these entries, if they are others than before."""
        if view.entries == self._entries:
            return
        self._entries = view.entries
        self._latest.set_text(view.entries[-1].text if view.entries else "")
        self._draw()

    def _draw(self) -> None:
        entries = self._entries if self._all else self._entries[-MOST:]
        start = self._entries[0].at if self._entries else 0.0
        self._body.clear()
        with self._body:
            if len(entries) < len(self._entries):
                ui.button(f"Show all {len(self._entries)}", on_click=self._show_all).props("flat no-caps")
            with ui.timeline(layout="dense", side="right").classes("w-full"):
                for entry in entries:
                    _entry(entry, start)

    def _show_all(self) -> None:
        self._all = True
        self._draw()


def _entry(entry: Entry, start: float) -> None:
    look = KINDS[entry.kind]
    with ui.timeline_entry(icon=look.icon, color=_TONES[look.tone]).classes("timeline-entry"):
        moment = datetime.fromtimestamp(entry.at, UTC).astimezone().isoformat(" ", "milliseconds")
        TextElement(tag="div", text=f"{after(entry.at, start)} · {entry.kind} · {entry.who}").classes(
            "soft text-sm wraps"
        ).props["title"] = moment
        ui.label(entry.text).classes("wraps")
        if entry.detail:
            ui.label(entry.detail).classes("soft text-sm wraps")


class Tables:
    """The order's items, table by table."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._shown: dict[str, list[tuple[str, str]]] | None = None
        with ui.element("section").classes("panel p-4").props('aria-labelledby="data"'):
            heading("What the tables say of it").props("id=data")
            self._body = ui.column().classes("w-full gap-1 mt-2")
            self._open: dict[str, bool] = {}

    def show(self, view: View) -> None:
        """Show these items, if they are others than before."""
        tables = {
            output: [pair for item in items for pair in (*flat(item), ("", ""))][:-1]
            for output, items in view.dossier.items.items()
            if items
        }
        if tables == self._shown:
            return
        self._shown = tables
        self._body.clear()
        with self._body:
            for output, pairs in tables.items():
                self._table(output, pairs, len(view.dossier.items[output]))
            empty = [_title(output) for output, items in view.dossier.items.items() if not items]
            if empty:
                ui.label(f"Nothing of it in: {', '.join(empty)}.").classes("soft text-sm wraps")
            if view.dossier.unread:
                unread = ", ".join(map(_title, view.dossier.unread))
                ui.label(f"Not searched, for they have no key by order: {unread}.").classes("soft text-sm wraps")

    def _table(self, output: str, pairs: Sequence[tuple[str, str]], items: int) -> None:
        title = _title(output) + (f" ({items} items)" if items > 1 else "")
        opened = ui.expansion(title, value=self._open.get(output, False)).classes("w-full").props("dense")
        opened.on_value_change(lambda change: self._open.__setitem__(output, change.value))
        with opened, ui.element("dl").classes("attributes"):
            for name, value in pairs:
                if name:
                    TextElement(tag="dt", text=name).classes("soft wraps")
                    TextElement(tag="dd", text=value or "(empty)").classes("wraps")
                else:
                    ui.element("div").classes("col-span-2 border-b my-1")


def _title(output: str) -> str:
    title = words(output.removesuffix(TABLE))
    return title[:1].upper() + title[1:]


async def units(label: str, most: Mapping[str, int]) -> dict[str, int] | None:
    """Ask how many units of each SKU; None when the reader thinks better of it."""
    with ui.dialog() as dialog, ui.card().classes("w-full").props('role="dialog" aria-labelledby="units"'):
        heading(label).props("id=units")
        inputs = {
            sku: ui.number(f"Units of {sku}, of {count}", value=count, min=0, max=count, precision=0).classes("w-full")
            for sku, count in most.items()
        }
        wrong = ui.label().classes("bad wraps").props("role=alert")

        def submit() -> None:
            chosen = {sku: int(one.value or 0) for sku, one in inputs.items()}
            wrong.set_text(_wrong(chosen, most))
            if not wrong.text:
                dialog.submit(chosen)

        with ui.row().classes("justify-end w-full"):
            ui.button("Not now", on_click=lambda: dialog.submit(None)).props("flat no-caps")
            ui.button(label, on_click=submit).props("no-caps unelevated")
    chosen: dict[str, int] | None = await dialog
    dialog.delete()
    return chosen


def _wrong(chosen: Mapping[str, int], most: Mapping[str, int]) -> str:
    """Why these units can't be meant; empty where they can."""
    too_many = [f"{most[sku]} of {sku}" for sku, count in chosen.items() if not 0 <= count <= most[sku]]
    if too_many:
        return f"There are only {', '.join(too_many)}."
    return "" if any(chosen.values()) else "One unit at least."
