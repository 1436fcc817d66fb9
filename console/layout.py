"""What every page has: landmarks, the way to the others, light and dark, and what is broken now."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from urllib.parse import quote

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

import console
from console.place import Place

Draw = Callable[[], object]
_banners: list[Draw] = []

SUFFIX = "_page"  # of the modules that are pages
COOKIE = "console-shade"  # what somebody has chosen of these; a cookie is one for all ports of a host
_SHADES = {"auto": None, "light": False, "dark": True}
# Of notifications, whose words are white: https://quasar.dev/style/color-palette#brand-colors
NOTIFIED = {"positive": "#146c2e", "negative": "#b3261e", "warning": "#8a4b00", "info": "#1d4ed8"}
SHOWN_SECONDS = 1.0  # after which a browser has taken over a shade
LAST = 1000  # the place in the navigation of a page that says none

# Enough contrast for small text on both grounds: 4.5 to 1. What is important wins from the first layer, not the last.
# https://www.w3.org/TR/WCAG22/#contrast-minimum
STYLE = """
:root { --ground: #f6f7f9; --surface: #ffffff; --edge: #d9dee5; --ink: #17202c; --soft: #536071; --accent: #1d4ed8;
  --accent-ink: #ffffff; --good: #146c2e; --bad: #b3261e; --busy: #8a4b00; --calm: #4b5565; --moving: #6d28d9 }
body.body--dark { --ground: #0f141b; --surface: #18202a; --edge: #2f3a48; --ink: #e8edf3; --soft: #a7b3c2;
  --accent: #8ab4ff; --accent-ink: #0b1a33; --good: #6fdc8c; --bad: #ff9a92; --busy: #ffc56b; --calm: #b6c1ce;
  --moving: #c9b3ff }
:root { --q-primary: var(--accent) !important }
body { --q-primary: var(--accent) !important }
@layer theme { .q-btn.bg-primary { color: var(--accent-ink) !important } }
.q-btn .on-left { margin-right: 6px; font-size: 1.3em }
.q-dialog__inner { z-index: 1 }
.state { gap: 0; margin-bottom: -1rem }
.state > * { margin-bottom: 1rem }
.q-body--dialog .nicegui-skip-link { display: none }
body, .q-layout { background: var(--ground); color: var(--ink) }
body.body--dark { background: var(--ground) }
.bar { background: var(--surface); color: var(--ink); border-bottom: 1px solid var(--edge) }
.bar a { color: var(--soft); text-decoration: none; border-radius: 8px; padding: 6px 12px; display: inline-flex;
  align-items: center; gap: 6px; font-weight: 500; line-height: 1.5 }
.bar a:hover { background: var(--ground); color: var(--ink) }
.bar a[aria-current] { background: var(--accent); color: var(--accent-ink) }
.panel { background: var(--surface); border: 1px solid var(--edge); border-radius: 12px }
.nicegui-link { color: var(--accent) }
.nicegui-aggrid { --ag-background-color: var(--surface); --ag-foreground-color: var(--ink);
  --ag-border-color: var(--edge); --ag-header-background-color: var(--ground) }
.soft { color: var(--soft) }
.good { color: var(--good) } .bad { color: var(--bad) } .busy { color: var(--busy) } .calm { color: var(--calm) }
.moving { color: var(--moving) }
h1 { font-size: 1.6rem; font-weight: 650; line-height: 1.25; letter-spacing: -.01em }
h2 { font-size: 1.15rem; font-weight: 600; line-height: 1.35 }
h3 { font-size: 1rem; font-weight: 600; line-height: 1.4 }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.q-btn:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.wraps { overflow-wrap: anywhere; min-width: 0 }
.nicegui-markdown { overflow-wrap: anywhere; min-width: 0; max-width: 100% }
.nicegui-content { padding: 1.25rem; max-width: 1440px; margin: 0 auto; width: 100% }
@media (max-width: 599px) {
  .nicegui-content { padding: .75rem; gap: .75rem }
  .bar { padding: .5rem .5rem .25rem; gap: .25rem }
  .bar nav { width: 100%; order: 3; justify-content: space-between; flex-wrap: wrap }
  .bar a { padding: 4px 8px; font-size: .85rem }
  .bar a .q-icon { display: none }
}
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important } }
"""


def pages() -> list[ModuleType]:
    """The modules that are pages, in the order of the navigation: found, not listed."""
    names = [one.name for one in pkgutil.iter_modules(console.__path__) if one.name.endswith(SUFFIX)]
    found = [importlib.import_module(f"console.{name}") for name in names]
    return sorted(found, key=lambda module: (_order(module), module.__name__))


def _order(module: ModuleType) -> int:
    """Where it stands in the navigation; what is not in there says None."""
    order: int | None = getattr(module, "ORDER", LAST)
    return LAST if order is None else order


def add_banner(draw: Draw) -> None:
    """Have something drawn on every page above its content, such as what is broken now. It updates itself."""
    if draw not in _banners:
        _banners.append(draw)


# Arrows move in a grid, and Tab leaves it: https://www.ag-grid.com/javascript-data-grid/keyboard-navigation/#tabbing
# Few rows above and below those that are seen: each is drawn, and moved whenever another comes before it.
GRID: dict[str, object] = {
    ":tabToNextCell": "() => false",
    ":tabToNextHeader": "() => false",
    # Or Tab would go from row to row. But in what scrolls something has to be in its way:
    # https://dequeuniversity.com/rules/axe/4.10/scrollable-region-focusable
    ":processRowPostCreate": "p => { p.eRow.tabIndex = -1 }",
    ":onGridReady": "() => document.querySelectorAll('.ag-center-cols-viewport').forEach(e => { e.tabIndex = 0 })",
    "rowBuffer": 4,
}


def order_url(order_id: str) -> str:
    """Where an order's own page is. Ids may be anything, so it is not a part of the path: the page is `/order`."""
    return f"/order?id={quote(order_id, safe='')}"


def heading(text: str, level: int = 2) -> TextElement:
    """A heading, for the eye and for a screen reader."""
    return TextElement(tag=f"h{level}", text=text)


@contextmanager
def page(title: str, place: Place) -> Iterator[None]:
    """The frame of a page; what is drawn in here is its main content."""
    ui.page_title(f"{title} · {place.name}")
    ui.colors(primary="#1d4ed8", dark_page="#0f141b", dark="#18202a", **NOTIFIED)
    ui.add_css(STYLE)
    _show_in(_remembered())
    _bar(place)
    content = ui.column().classes("w-full gap-4")
    ui.skip_link("Skip to the content", target=content)
    with content:
        with ui.column().classes("state w-full"):
            for draw in _banners:
                draw()
        heading(title, 1).classes("wraps").props("tabindex=-1")
        yield


def nowhere(place: Place) -> None:
    """What is shown where there is no page."""
    with page("There is no page here", place):
        ui.link("To the orders", "/")


def _bar(place: Place) -> None:
    with ui.header(bordered=False, elevated=False).classes("bar items-center gap-4 px-5 py-2"):
        ui.label("The shop").classes("text-lg font-semibold")
        with ui.element("nav").props('aria-label="Pages"').classes("flex items-center gap-1"):
            for module in pages():
                if getattr(module, "ORDER", LAST) is not None:
                    _link(module, ui.context.client.request.url.path)
        ui.space()
        where = place.name if place.embedded else f"{place.name} on AWS"
        ui.label(where + ("" if place.may_write else ", read-only")).classes("soft text-sm max-sm:hidden")
        _shades(_remembered())


def _link(module: ModuleType, shown: str) -> None:
    """To a page. `shown` is the path of the one that is drawn, which may be one below it, or have it as its PARENT."""
    with ui.link(target=module.PATH) as link:
        if icon := getattr(module, "ICON", ""):
            ui.icon(icon).props("aria-hidden=true").classes("text-lg")
        TextElement(tag="span", text=module.TITLE)
    if shown == module.PATH:
        link.props("aria-current=page")
    elif shown.startswith(f"{module.PATH}/") or module.PATH in _parents(shown):
        link.props("aria-current=true")


def _parents(path: str) -> list[str]:
    return [module.PARENT for module in pages() if path == module.PATH and hasattr(module, "PARENT")]


def _remembered() -> str:
    """Which shade this browser's cookie says."""
    chosen = ui.context.client.request.cookies.get(COOKIE, "")
    return chosen if chosen in _SHADES else "auto"


def _show_in(shade: str) -> None:
    """Light or dark. What sets it would do so again with whatever changes on the page, and the browser would draw all
    of it anew each time: so it goes when it is done.
    """
    dark = ui.dark_mode(value=_SHADES[shade])
    ui.timer(SHOWN_SECONDS, dark.delete, once=True)


def _shades(chosen: str) -> None:
    """Light, dark, or as the system has it."""
    items: dict[str, ui.menu_item] = {}
    bar = ui.element("div").classes("contents")

    def choose(shade: str) -> None:
        """For this page and the next ones: the browser remembers it."""
        with bar:  # the menu is closed by now, and nothing in it is drawn
            _show_in(shade)
        ui.run_javascript(f"document.cookie = '{COOKIE}={shade}; path=/; max-age=31536000; samesite=strict'")
        check(shade)

    def check(shade: str) -> None:
        for name, item in items.items():
            item.props(f"aria-checked={str(name == shade).lower()}")
            item.classes(**{"add" if name == shade else "remove": "font-semibold"})

    with (
        bar,
        ui.button(icon="contrast").props('flat round dense color=inherit aria-label="Light or dark"'),
        ui.menu().props('role=menu aria-label="Light or dark"'),
    ):
        for shade, label in (("auto", "As the system has it"), ("light", "Light"), ("dark", "Dark")):
            items[shade] = ui.menu_item(label, on_click=partial(choose, shade)).props("role=menuitemradio")
    check(chosen)


def focus(element: ui.element) -> None:
    """Take the keyboard there: what it was at is gone."""
    element.client.run_javascript(f"getHtmlElement({element.id})?.focus({{preventScroll: true}})")


def focus_title() -> None:
    """Take the keyboard to the beginning of the page."""
    ui.run_javascript("document.querySelector('h1')?.focus({preventScroll: true})")
