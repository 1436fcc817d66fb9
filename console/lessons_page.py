"""The lessons: a mistake, its damage and its repair, side by side, with the workshop's text and its answers folded."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui

from console import layout
from console.lessons import Runs
from console.place import Place
from console.pressing import on_press
from console.watch import Watch
from console.workshop import workshop
from lessons import harness
from local.stack import Problem

TITLE = "Lessons"
PATH = "/lessons"
ORDER = 50
ICON = "school"

# What a piece of a timeline means, in colours that are read in light and in dark.
_MEANINGS = {
    "bad": "bad font-semibold",
    "odd": "busy",
    "good": "good",
    "quiet": "soft",
}
_HEADINGS = {"broken": "As it is often written", "fixed": "Repaired"}
_LANGUAGES = {".py": "python", ".json": "json"}


def add(place: Place, watch: Watch) -> None:
    """Register the pages: the list, and one for each lesson that there is."""
    runs = Runs()

    @ui.page(PATH)
    def listing() -> None:
        with layout.page(TITLE, place):
            _listing()

    @ui.page(f"{PATH}/{{number}}")
    def one(number: str) -> None:
        known = next((one for one in harness.folders() if str(one) == number), None)
        if known is not None:
            with layout.page(f"Lesson {known}: {harness.load(known).title}", place):
                _lesson(known, runs)
        else:
            with layout.page("No such lesson", place):
                ui.link("All lessons", PATH)


def _listing() -> None:
    text = workshop()
    ui.label(
        "Mistakes that competent people make when everything is delivered at least once. Each is a small handler that "
        "reads well, passes its tests, and loses money or stock on a schedule that AWS is allowed to produce."
    ).classes("max-w-3xl")
    with ui.element("ul").classes("list-none p-0 m-0 w-full grid grid-cols-1 sm:grid-cols-2 lg:grid-cols-3 gap-3"):
        for number in harness.folders():
            with ui.element("li"), ui.link(target=f"{PATH}/{number}").classes("panel p-4 block h-full no-underline"):
                ui.label(f"{number} {harness.load(number).title}").classes("font-medium").style("color: var(--accent)")
                if cost := text.costs.get(number):
                    ui.label(f"Costs {cost}").classes("soft text-sm")
    layout.heading("What to take home")
    ui.markdown(text.home).classes("max-w-3xl")


def _lesson(number: int, runs: Runs) -> None:
    shown, (story, *rest) = harness.load(number), workshop().lessons.get(number, ()) or (None,)
    _neighbours(number)
    if story:
        ui.markdown(story.markdown).classes("max-w-3xl")
    with ui.row(wrap=False).classes("items-start gap-2 max-w-3xl"):
        ui.icon("schedule", size="1.4rem").props("aria-hidden=true")
        ui.label(shown.schedule)
    with ui.row().classes("items-center gap-4").props("role=status aria-live=polite"):
        again = ui.button("Run it again", icon="replay").props("outline no-caps")
        busy = ui.spinner(size="1.5rem")
        said = ui.label("Both versions run in the simulation. That takes a few seconds.")
    with ui.expansion("How to read a timeline", icon="help_outline").classes("w-full max-w-3xl"):
        ui.markdown(workshop().reading)
    both = ui.element("div").classes("w-full grid grid-cols-1 lg:grid-cols-2 gap-6 items-start")
    with ui.expansion("Why it breaks").classes("w-full max-w-3xl panel"):
        ui.label(shown.why)
    for part in rest:
        if part.summary:
            with ui.expansion(part.summary).classes("w-full max-w-3xl panel"):
                ui.markdown(part.markdown)
        else:
            ui.markdown(part.markdown).classes("max-w-3xl")

    async def run(*, anew: bool = False) -> None:
        busy.set_visibility(True)
        try:
            what = runs.known(number) if not anew else None
            what = what or await runs.run(number, anew=anew)
        except Problem as problem:
            said.set_text(str(problem))
            return
        finally:
            busy.set_visibility(False)
        said.set_text(_verdict(what["runs"]))
        both.clear()
        with both:
            for variant, result in what["runs"].items():
                _variant(variant, result, what["shared"])

    on_press(again, partial(run, anew=True))
    ui.timer(0, run, once=True)


def _neighbours(number: int) -> None:
    numbers = list(harness.folders())
    at = numbers.index(number)
    with ui.element("nav").props('aria-label="Lessons"').classes("flex flex-wrap gap-4"):
        ui.link("All lessons", PATH)
        if at:
            ui.link(f"← {numbers[at - 1]} {harness.load(numbers[at - 1]).title}", f"{PATH}/{numbers[at - 1]}")
        if at + 1 < len(numbers):
            ui.link(f"{numbers[at + 1]} {harness.load(numbers[at + 1]).title} →", f"{PATH}/{numbers[at + 1]}")


def _verdict(runs: dict[str, Any]) -> str:
    seconds = sum(run["seconds"] for run in runs.values())
    if not runs["fixed"]["survived"]:
        return "The repaired version does not survive."
    if runs["broken"]["survived"]:
        return "The broken version survives too: somebody has repaired it."
    return f"The first version breaks, the repaired one survives the same schedule. It took {seconds:.1f} s."


def _variant(variant: str, run: dict[str, Any], shared: dict[str, str]) -> None:
    with ui.column().classes("w-full min-w-0 gap-3"):
        with ui.row().classes("items-center gap-2"):
            icon, colour = ("check_circle", "good") if run["survived"] else ("error", "bad")
            ui.icon(icon, size="1.6rem").classes(colour).props("aria-hidden=true")
            layout.heading(f"{_HEADINGS[variant]}: {'it survives' if run['survived'] else 'it breaks'}")
        _damage(run["findings"])
        _timeline(f"What happens: {_HEADINGS[variant].lower()}", run["rows"])
        for name, code in {**run["files"], **shared}.items():
            with ui.expansion(name, icon="code", value=True).classes("w-full panel"):
                language = _LANGUAGES.get(f".{name.rsplit('.', 1)[-1]}", "text")
                ui.markdown(f"````{language}\n{code}\n````").classes("w-full overflow-x-auto text-sm").props(
                    f'tabindex=0 role=region aria-label="The code of {name}"'
                )


def _damage(findings: list[dict[str, Any]]) -> None:
    with ui.element("ul").classes("list-none p-0 m-0"):
        for found in findings:
            with ui.element("li").classes("flex flex-nowrap items-start gap-2"):
                icon, colour = ("check", "good") if found["right"] else ("close", "bad")
                ui.icon(icon, size="1.3rem").classes(colour).props("aria-hidden=true")
                said = f"{found['what']}: {found['was']}"
                if not found["right"]:
                    said += f", should be {found['should_be']}: {found['off']} off"
                ui.label(said).classes("" if found["right"] else "font-medium")


def _timeline(label: str, rows: list[dict[str, Any]]) -> None:
    """A table of three columns. Whoever can't see the lanes hears the time and what happens."""
    with (
        ui.element("div")
        .classes("w-full overflow-x-auto panel py-2")
        .props(f'tabindex=0 role=region aria-label="{label}"'),
        ui.element("table").classes("font-mono text-xs sm:text-sm border-collapse leading-snug"),
    ):
        with ui.element("caption").classes("sr-only"):
            ui.label(label)
        head, *lines = rows
        with ui.element("thead"), ui.element("tr"):
            for heading in ("Time", "", "What happens"):
                with ui.element("th" if heading else "td").classes("sr-only"):
                    ui.label(heading)
        with ui.element("tbody"):
            for line in (head, *lines):
                with ui.element("tr").classes("align-top"):
                    with ui.element("td").classes("pl-3 text-right whitespace-nowrap opacity-70"):
                        ui.label(line["time"])
                    with ui.element("td").props("aria-hidden=true").classes("whitespace-pre"):
                        _pieces(line["lanes"], "whitespace-pre")
                    with ui.element("td").classes("pr-3 min-w-56"):
                        _pieces(line["text"], "whitespace-pre-wrap")


def _pieces(pieces: list[tuple[str, str]], spaces: str) -> None:
    for text, meaning in pieces:
        if text:
            ui.label(text).classes(f"inline {spaces} {_MEANINGS.get(meaning, '')}")
