"""What can go wrong with one request, and where.

A *site* is a place in the code at which a request leaves: `authorize/dynamodb.PutItem#1` is the first PutItem that one
attempt of `authorize` makes. Sites are found by running, never listed: a new request in a handler is a new site.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# What each kind of fault means. `faults_at` says where it can happen.
KINDS = {
    "crash_before": "the sandbox dies before the request leaves",
    "crash_after": "the sandbox dies after the request took effect and before its answer arrives",
    "lost": "the request takes effect, its answer never arrives, and the SDK's own retry fares the same",
    "lost_once": "the request takes effect, its answer never arrives, and the SDK's own retry gets through",
    "throttled": "the service refuses: too many requests",
    "away 1": "the service refuses for a minute",
    "away 10": "the service refuses for ten minutes: every retry is used up",
    "away 55": "the service refuses for 55 minutes, which is less than the patience",
    "away 90": "the service refuses for 90 minutes, which is more than the patience",
    "conflict": "another transaction is in the way",
    "partial": "the request succeeds and its first entry does not",
    "stale": "the answer is as things were 20 seconds ago",
    "dies": "the execution is gone, and nobody hears of it",
    "slow": "nothing happens until the function's timeout",
    "slow_with_effect": "the request takes effect and the answer does not come before the function's timeout",
    "zombie": "the caller gives up waiting and retries; the invocation goes on when the retry is through",
    "zombie_late": "the caller gives up waiting; the invocation goes on when its execution is over",
}

AWAY = ("away 1", "away 10", "away 55", "away 90")
_SANDBOX = ("crash_before", "crash_after", "zombie", "zombie_late")


@dataclass(frozen=True)
class Fault:
    """`kind` happens the `occurrence`-th time (from 0) that the schedule reaches `site`."""

    site: str
    kind: str
    occurrence: int = 0

    def __str__(self) -> str:
        return f"{self.kind} at {self.site}" + (f" ({self.occurrence + 1}.)" if self.occurrence else "")


# What every request to a site meets from the first one on. Refusals do not stop: they are no accident, but the
# provider's answer in a scenario.
LASTING = dict.fromkeys(AWAY, "throttled") | {"refusals": "refused"}


def minutes_away(kind: str) -> int:
    """For how many minutes a kind of fault takes a service away."""
    return int(kind.removeprefix("away ")) if kind in AWAY else 0


@functools.cache
def faults_at(site: str) -> tuple[str, ...]:
    """The kinds of fault that differ from each other at a site."""
    _, request = site.split("/")
    service, operation = request.split("#")[0].split(".")
    match service, operation:
        case "gateway" | "carrier", "find" | "find_refund":  # a read has no effect to speak of
            return ("crash_before", "zombie", "zombie_late", "throttled", *AWAY, "slow")
        case "gateway" | "carrier", _:
            return (*_SANDBOX, "lost", "throttled", *AWAY, "slow", "slow_with_effect")
        case "states", "Task" | "Wait":  # a step begins, or waits for a token: the execution may end here
            return ("dies",)
        case "states", _:  # the workflow's own requests: there is no sandbox to die, and no SDK to retry
            return ("lost", "throttled", *AWAY, "zombie")
        case "sesv2" | "sns", _:  # their clients never retry
            return (*_SANDBOX, "lost", "throttled", *AWAY)
        case _, "GetItem" | "BatchGetItem" | "Query":
            return ("crash_before", "zombie", "zombie_late", "lost", "throttled", *AWAY)
        case _, "Scan":
            return ("crash_before", "zombie", "zombie_late", "lost", "throttled", *AWAY, "stale")
        case _, "TransactWriteItems":
            return (*_SANDBOX, "lost", "lost_once", "throttled", *AWAY, "conflict")
        case _, "PutEvents" | "BatchWriteItem":
            return (*_SANDBOX, "lost", "lost_once", "throttled", *AWAY, "partial")
        case _:
            return (*_SANDBOX, "lost", "lost_once", "throttled", *AWAY)


class Injector:
    """Hands out a schedule's faults as their sites are reached, and remembers what was reached and what was done."""

    def __init__(self, faults: Iterable[Fault], now: Callable[[], float] = lambda: 0.0) -> None:
        self._now = now  # in seconds
        self._ends: dict[Fault, float] = {}
        self.waiting = list(faults)  # that have not found their site, and those that last
        self.armed: str | None = None  # a kind that is due at the next site where it makes sense
        self.reached: dict[str, int] = {}
        self.fired: list[Fault] = []
        self._stopped = False

    def at(self, site: str) -> str | None:
        """The kind of fault that is due at this site now."""
        occurrence = self.reached.get(site, 0)
        if not self._stopped:  # what is only reached from then on can't fail
            self.reached[site] = occurrence + 1
        self._let_end()
        for fault in self.waiting:
            if fault.kind in LASTING and fault.site == site and fault.occurrence <= occurrence:
                if fault not in self.fired:
                    self.fired.append(fault)
                    self._ends[fault] = self._now() + 60 * minutes_away(fault.kind)
                return LASTING[fault.kind]
            if (fault.site, fault.occurrence) == (site, occurrence):
                self.waiting.remove(fault)
                self.fired.append(fault)
                return fault.kind
        if self.armed and self.armed in faults_at(site):
            kind, self.armed = self.armed, None
            return LASTING.get(kind, kind)
        return None

    def anything_left(self) -> bool:
        """Whether a fault is still to come, or has not ended."""
        self._let_end()
        return bool(self.waiting)

    def _let_end(self) -> None:
        over = [one for one, end in self._ends.items() if one.kind in AWAY and end <= self._now()]
        self.waiting = [fault for fault in self.waiting if fault not in over]

    def stop(self) -> None:
        """No more faults: from here on everything works."""
        self.armed = None
        self._stopped = True
        self.waiting = [fault for fault in self.waiting if fault.kind == "refusals"]
