"""What a button does: in the name of the page, and not of the button, which may be drawn anew while it is at work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

from botocore.exceptions import BotoCoreError, ClientError
from nicegui import ui

from console.layout import heading
from console.place import Place
from local.stack import Problem

TOLD_MS = 10_000  # for so long a refusal is to be read


def in_page[**P](handler: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
    """The same handler, with the page that is being drawn as the place where all that it says and opens belongs."""
    client = ui.context.client

    @wraps(handler)
    async def handled(*args: P.args, **kwargs: P.kwargs) -> None:
        with client:
            await handler(*args, **kwargs)

    return handled


def on_press(button: ui.button, work: Callable[[], Awaitable[None]]) -> None:
    """Do this when the button is pressed. It takes no other press until that is done, and what is refused is told."""
    at_work: list[bool] = []

    async def pressed() -> None:
        if at_work:
            return
        at_work.append(True)
        button.props("loading")  # and not disabled, which would take the keyboard's focus away
        try:
            await work()
        except (Problem, ClientError, BotoCoreError) as problem:
            refused(problem)
        finally:
            at_work.clear()
            if not button.is_deleted:
                button.props(remove="loading")

    button.on_click(in_page(pressed))


async def sure(place: Place, what: str) -> bool:
    """Ask whether this is meant, where it is not done to a stack of one's own but on AWS."""
    if place.embedded:
        return True
    with ui.dialog() as dialog, ui.card().props('role="alertdialog" aria-labelledby="sure"'):
        heading(f"{what}?").classes("wraps").props("id=sure")
        ui.label(f"This is done to {place.name}, which is a stack on AWS.").classes("wraps")
        with ui.row().classes("justify-end w-full"):
            ui.button("Not now", on_click=lambda: dialog.submit(False)).props("flat no-caps")
            ui.button("Do it", on_click=lambda: dialog.submit(True)).props("no-caps unelevated")
    meant = bool(await dialog)
    dialog.delete()
    return meant


def refused(problem: Exception) -> None:
    """Tell why something was not done."""
    said = str(problem) if isinstance(problem, Problem) else f"The stack refuses: {problem}"
    ui.notify(said, type="negative", multi_line=True, timeout=TOLD_MS, close_button="Close")
