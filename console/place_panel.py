"""What places orders: a button for each kind, a burst, and the way to the form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nicegui import run, ui
from nicegui.elements.mixins.text_element import TextElement

from console import kinds, layout
from console.actions import ONLY_LOOKS
from console.kinds import Kind
from console.place import Place
from console.place_form import form
from console.pressing import on_press, sure

STYLE = """
.kinds { display: grid; grid-template-columns: repeat(auto-fill, minmax(13.5rem, 1fr)); gap: .5rem; width: 100% }
.kinds .q-btn { background: var(--ground); border: 1px solid var(--edge); border-radius: 8px; color: var(--ink) }
.kinds .q-btn:hover, .kinds .q-btn.begin { border-color: var(--accent) }
.kinds .q-btn__content { justify-content: flex-start; text-align: left; flex-direction: column;
  align-items: flex-start; line-height: 1.35 }
@media (max-width: 599px) {
  .kinds { display: flex; flex-wrap: wrap; gap: .375rem }
  .kinds .q-btn { padding: 4px 10px } .kinds .q-btn .ends { display: none }
}
"""


LINKS = 6  # to orders that were placed just now
Tell = Callable[[list[str]], None]


def panel(place: Place) -> None:
    """Draw it; where nobody may write, say so."""
    ui.add_css(STYLE)
    with ui.element("section").classes("panel w-full p-4 flex flex-col gap-3").props('aria-labelledby="placing"'):
        with ui.row().classes("w-full items-center gap-2"):
            layout.heading("Place an order" if place.may_write else "Read-only").props("id=placing")
            ui.space()
            if place.may_write:
                _buttons(place, lambda order_ids: _just_placed(news, order_ids))
        if not place.may_write:
            ui.label(ONLY_LOOKS).classes("soft")
        else:
            _what_to_try()
            with ui.element("div").classes("kinds").props('role="group" aria-label="One of a kind, with a click"'):
                for kind in sorted(kinds.kinds(), key=lambda kind: kind.deliveries <= 1):  # where to begin comes first
                    _kind(place, kind, lambda order_ids: _just_placed(news, order_ids))
        news = ui.row().classes("w-full items-center gap-x-3 gap-y-1 empty:hidden").props("aria-live=polite")


def _what_to_try() -> None:
    """Where somebody begins who has never been here."""
    said = "One click places an order, and the link that follows leads to its way through the workflows."
    if twice := next((kind.title for kind in kinds.kinds() if kind.deliveries > 1), ""):
        said += f" Begin with “{twice}”: a bus may do that to every order."
    ui.label(said).classes("soft")


def _buttons(place: Place, tell: Tell) -> None:
    dialog = form(place, tell)
    ui.button("Fill a form", icon="edit_note", on_click=dialog.open).props("unelevated no-caps")
    if place.embedded:
        for label, icon, work in (("One of each", "apps", _one_of_each), (f"Burst of {kinds.BURST}", "bolt", _burst)):
            _places(ui.button(label, icon=icon).props("outline no-caps"), place, label, partial(work, place), tell)


def _kind(place: Place, kind: Kind, tell: Tell) -> None:
    button = ui.button(color=None).classes("begin" if kind.deliveries > 1 else "")
    button.props("flat no-caps dense").classes("px-3 py-1.5").mark(f"kind-{kind.name}")
    _places(button, place, kind.title, partial(kinds.place_kind, place, kind), tell)
    with button:
        TextElement(tag="span", text=kind.title)
        TextElement(tag="span", text=f"→ {kind.ends}").classes("ends soft text-xs font-normal")


def _places(button: ui.button, place: Place, label: str, work: Callable[[], list[str]], tell: Tell) -> None:
    """Work in a thread while the button waits, and say what came of it."""

    async def place_and_tell() -> None:
        if await sure(place, f"Place an order: {label}"):
            tell(await run.io_bound(work) or [])

    on_press(button, place_and_tell)


def _just_placed(news: ui.row, order_ids: list[str]) -> None:
    """Say what was placed just now, and lead there."""
    news.clear()
    with news:
        ui.label("Just placed:" if len(order_ids) <= LINKS else f"{len(order_ids)} just placed, such as").classes(
            "soft"
        )
        for order_id in order_ids[:LINKS]:
            ui.link(order_id, layout.order_url(order_id)).classes("wraps")


def _one_of_each(place: Place) -> list[str]:
    return [order_id for kind in kinds.kinds() for order_id in kinds.place_kind(place, kind)]


def _burst(place: Place) -> list[str]:
    return kinds.place_burst(place)
