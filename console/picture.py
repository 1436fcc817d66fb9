"""A drawing that changes without flicker: it is drawn anew behind the one that is shown, and then takes its place.

Mermaid takes a drawing off the page before it begins to draw it anew, which takes as long as the browser is slow.
"""

from __future__ import annotations

import asyncio
import contextlib

from nicegui import background_tasks, ui

MERMAID = {"theme": "base", "securityLevel": "strict", "flowchart": {"htmlLabels": True, "nodeSpacing": 30}}
EMPTY = "flowchart TB"
DRAWN_SECONDS = 10.0  # in which a browser has drawn it, or is not there any more
SETTLED_SECONDS = 0.1  # mermaid draws one after the other, and may still be at another's


class Picture:
    """Two drawings, one of which is seen."""

    def __init__(self, label: str) -> None:
        self._text = self._wanted = ""
        self._drawing = False
        self._frame = ui.element("div").classes("drawing").props("tabindex=0 role=group")
        self._frame.props["aria-label"] = label
        with self._frame:
            self._front = ui.mermaid(EMPTY, MERMAID).classes("picture")
            self._back = ui.mermaid(EMPTY, MERMAID).classes("picture hidden-picture")

    def show(self, text: str, *, whole: bool = False) -> None:
        """Show what mermaid makes of this text; a `whole` one is larger than there is room for."""
        self._frame.classes(add="whole" if whole else "", remove="" if whole else "whole")
        self._wanted = text
        if not self._text:
            self._text = text
            self._front.set_content(text)
        elif text != self._text and not self._drawing:
            self._drawing = True
            background_tasks.create(self._draw())

    async def _draw(self) -> None:
        try:
            while self._text != self._wanted and not self._back.is_deleted:
                text = self._wanted
                await self._drawn(text)
                self._text = text
                if not self._back.is_deleted:
                    self._front.classes(add="hidden-picture")
                    self._back.classes(remove="hidden-picture")
                    self._front, self._back = self._back, self._front
        finally:
            self._drawing = False

    async def _drawn(self, text: str) -> None:
        """Wait until it is drawn behind the other."""
        with contextlib.suppress(TimeoutError):  # it may not be on the page now: then its content is drawn when it is
            await self._back.run_method("update", text, timeout=DRAWN_SECONDS)
        self._back.set_content(text)
        await asyncio.sleep(SETTLED_SECONDS)
