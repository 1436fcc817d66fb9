"""What is broken now, on every page: each fault with since when, what heals it, and the click that does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from console import faults, layout
from console.faults import Broken
from console.place import Place
from console.pressing import on_press

STYLE = """
.broken { border-left: 4px solid var(--edge) }
.broken[aria-label] { border-left-color: var(--bad) }
.broken .line { min-height: 3.25rem }
.broken li { border-color: var(--edge) }
"""


def draw(place: Place, *, always: bool = False) -> None:
    """Draw it. It is invisible while nothing is broken, unless it is to keep its place, and updates itself."""
    if not faults.can_break(place):
        return
    kept, banner = faults.of(place), Banner(place, always=always)
    banner.show(kept.broken)
    loop = asyncio.get_running_loop()

    def from_any_thread() -> None:
        loop.call_soon_threadsafe(lambda: banner.show(kept.broken))

    ui.context.client.on_delete(kept.subscribe(from_any_thread))


class Banner:
    """One line, however much is broken; what heals it is folded away, and nothing below moves when it comes."""

    def __init__(self, place: Place, *, always: bool) -> None:
        ui.add_css(STYLE)
        self._place, self._always = place, always
        self._shown: list[str] | None = None
        self._panel = ui.element("section").classes("panel broken w-full px-4")
        with self._panel:
            with ui.row(wrap=False).classes("line w-full items-center gap-x-3"):
                self._icon = ui.icon("bolt", size="1.5rem").props("aria-hidden=true")
                self._title = TextElement(tag="strong", text="").classes("grow min-w-0 line-clamp-2 wraps")
                self._buttons = ui.row(wrap=False).classes("items-center gap-2 shrink-0")
            self._details = ui.element("ul").classes("list-none p-0 m-0 pb-2").props("id=what-heals")
        self._fold(open_it=False)

    def show(self, broken: Sequence[Broken]) -> None:
        """Bring it up to what is broken now."""
        keys = [one.key for one in broken]
        if keys == self._shown or self._panel.is_deleted:
            return
        self._shown = keys
        self._panel.set_visibility(bool(broken) or self._always)
        self._panel.props('aria-label="Broken now"' if broken else None, remove=None if broken else "aria-label")
        self._icon.name = "bolt" if broken else "check_circle"
        for one in (self._icon, self._title):
            one.classes(add="bad" if broken else "good", remove="good" if broken else "bad")
        self._title.text = _title(broken)
        self._draw_buttons(broken)
        self._draw_details(broken)

    def _draw_buttons(self, broken: Sequence[Broken]) -> None:
        self._buttons.clear()
        if not broken:
            self._fold(open_it=False)
            return
        with self._buttons:
            self._folded = ui.button(icon="expand_more", on_click=lambda: self._fold(open_it=not self._open))
            self._folded.props('flat round dense aria-label="What heals it" aria-controls=what-heals')
            if len(broken) == 1:
                mend_button(self._place, broken[0], self._keep_focus)
            else:
                _mends(ui.button("Mend all", icon="healing"), faults.of(self._place).mend_all, self._keep_focus)
        self._fold(open_it=self._open)

    def _draw_details(self, broken: Sequence[Broken]) -> None:
        self._details.clear()
        with self._details:
            for one in broken:
                with ui.element("li").classes("py-2 border-t flex flex-wrap sm:flex-nowrap items-start gap-3"):
                    with ui.column().classes("gap-0 grow basis-60 min-w-0"):
                        ui.label(f"{one.title}, since {since(one.since)}.").classes("text-sm wraps")
                        ui.label(one.heals).classes("soft text-sm wraps")
                    if len(broken) > 1:
                        mend_button(self._place, one, self._keep_focus)

    def _fold(self, *, open_it: bool) -> None:
        self._open = open_it
        self._details.set_visibility(open_it)
        if self._shown:
            self._folded.props(f"aria-expanded={str(open_it).lower()} icon=expand_{'less' if open_it else 'more'}")

    def _keep_focus(self) -> None:
        """On the next button that mends, or at the beginning of the page."""
        if self._shown:
            layout.focus(list(self._buttons)[-1])
        else:
            layout.focus_title()


def mend_button(place: Place, broken: Broken, gone: Callable[[], None]) -> ui.button:
    """A click that gives back what was taken. `gone` is called when the button has gone with it."""
    button = ui.button("Mend it", icon="healing")
    _mends(button, lambda: faults.of(place).mend(broken.key), gone)
    return button.props(f'aria-label="{_plain(f"Mend it: {broken.title}")}"')


def _mends(button: ui.button, work: Callable[[], None], gone: Callable[[], None]) -> None:
    async def mend() -> None:
        await asyncio.to_thread(work)
        if button.is_deleted:
            gone()

    button.props("no-caps outline dense color=primary").classes("shrink-0 px-3")
    on_press(button, mend)


def _title(broken: Sequence[Broken]) -> str:
    if not broken:
        return "Nothing is broken now"
    if len(broken) > 1:
        return f"{len(broken)} things are broken"
    return f"{broken[0].title}, since {since(broken[0].since)}"


def since(at: float) -> str:
    """A time of day on this machine."""
    return f"{datetime.fromtimestamp(at).astimezone():%H:%M:%S}"


def _plain(text: str) -> str:
    return text.replace('"', "")
