"""Reads something of the stack again when the watcher says that it may have changed, and hands it to the open pages.

One reader serves all pages that show the same. It rests while nobody looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError
from nicegui import background_tasks

from console.listeners import Listeners, unforeseen
from console.place import Place
from console.watch import Watch
from local.stack import Problem

# What follows a change is announced by nobody: an email is sent, an entry is crossed out. So while something is under
# way, it is read again after so many seconds, and else only to be sure. On AWS reading costs money.
_MOVING, _RESTING = (1.0, 10.0), (15.0, 120.0)
# A read takes longer the more there is, and must not take all the time.
_SHARE = 3


class Reader[T]:
    """What `read` answered last, for whoever subscribes. `moves` says whether that may change without the watcher's
    noticing. `trouble` says why it can't be read at the moment.
    """

    def __init__(self, place: Place, watch: Watch, read: Callable[[], T], moves: Callable[[T], bool]) -> None:
        self._on_aws = int(not place.embedded)
        self._watch, self._read, self._moves = watch, read, moves
        self._listeners: Listeners[[]] = Listeners()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.latest: T | None = None
        self.trouble = ""

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have it called, in the event loop, whenever there is something newer; answers how to stop."""
        forget = self._listeners.add(listener)
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = background_tasks.create(self._keep_reading(), name="reader")

        def stop() -> None:
            forget()
            if not self._listeners:
                self._changed.set()

        return stop

    def again(self) -> None:
        """It has changed, as far as the caller knows."""
        self._changed.set()

    async def _keep_reading(self) -> None:
        forget = self._watch.subscribe(lambda _: self._changed.set())
        try:
            while self._listeners:
                began = time.monotonic()
                self._changed.clear()
                moves = await self._once()
                self._listeners.tell()
                await asyncio.sleep(max(0.3, _SHARE * (time.monotonic() - began)))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), (_MOVING if moves else _RESTING)[self._on_aws])
        finally:
            forget()

    async def _once(self) -> bool:
        try:
            self.latest = await asyncio.to_thread(self._read)
            self.trouble = ""
        except (BotoCoreError, ClientError, OSError, Problem) as error:
            self.trouble = f"The stack can't be read at the moment: {error}"
            return False
        except Exception as error:  # noqa: BLE001 - or it would never be read again, and nobody would know
            self.trouble = unforeseen(error)
            return False
        return self.latest is not None and self._moves(self.latest)
