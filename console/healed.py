"""What healed, when and why: orders that were still to do while something was broken, and have come off the list since.

The list says how often each was sent again, and the table of states what it has come to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from console.faults import Faults
from console.ledgers import Ledgers
from console.reading import Reader

# An order that nothing delays is told within so many seconds, and is no news; on a busy laptop it takes longer.
USUAL_SECONDS = 20
# Of a list that nobody has looked at for longer, it is not known when who came off it.
UNSEEN_SECONDS = 120


@dataclass
class Waits:
    """An order on the list: first seen there at this moment (seconds since 1970), and sent again so many times."""

    since: float
    sweeps: int
    through_a_fault: bool


@dataclass
class Healed:
    """Sees the list again and again, and notes what has come off it late, once each."""

    faults: Faults
    _waits: dict[str, Waits] = field(default_factory=dict)
    _seen_at: float = 0.0
    _stop: Callable[[], None] | None = None
    _kept_up: bool = False

    def keep_up(self, read: Reader[Ledgers]) -> None:
        """From now on have the ledgers read, whoever looks, as long as something is broken or an order waits that has
        waited through a fault. Call it in the event loop; once is enough.
        """
        if self._kept_up:
            return
        self._kept_up = True
        loop = asyncio.get_running_loop()

        def seen() -> None:
            self.see(read.latest)
            look_or_rest()

        def look_or_rest() -> None:
            if self._is_needed and not self._stop:
                self._stop = read.subscribe(seen)
            elif self._stop and not self._is_needed:
                self._stop()
                self._stop = None

        def from_any_thread() -> None:
            loop.call_soon_threadsafe(look_or_rest)

        self.faults.subscribe(from_any_thread)
        look_or_rest()

    @property
    def _is_needed(self) -> bool:
        return bool(self.faults.broken) or any(one.through_a_fault for one in self._waits.values())

    def see(self, seen: Ledgers | None) -> None:
        """Look at what the stack says now. Harmless for what was seen already."""
        if seen is None or seen.at <= self._seen_at:
            return
        if seen.at - self._seen_at > UNSEEN_SECONDS:
            self._waits.clear()
        self._seen_at = seen.at
        sweeps = {
            item["order_id"]["S"].partition("/")[0]: int(item.get("sweeps", {}).get("N", "0"))
            for table in ("OpenOrdersTable", "OpenShipmentsTable")
            for item in seen.tables.get(table, ())
        }
        broken = bool(self.faults.broken)
        for order_id in seen.under_way:
            before = self._waits.get(order_id, Waits(seen.at, 0, broken))
            before.sweeps = max(before.sweeps, sweeps.get(order_id, 0))
            before.through_a_fault |= broken
            self._waits[order_id] = before
        for order_id in self._waits.keys() - seen.under_way:
            self._note(order_id, self._waits.pop(order_id), seen)

    def _note(self, order_id: str, waited: Waits, seen: Ledgers) -> None:
        seconds = time.time() - waited.since
        if not waited.sweeps and (seconds < USUAL_SECONDS or not waited.through_a_fault):
            return
        by = {0: "by its own retries", 1: "because the sweep sent its event again"}.get(
            waited.sweeps, f"because the sweep sent its event again, {waited.sweeps} times"
        )
        self.faults.tell(f"{order_id} has healed: {seen.books.status(order_id)} after {seconds:.0f} s, {by}.", order_id)
