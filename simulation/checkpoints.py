"""Where runs meet again, so that what follows is run once.

A schedule goes on to redeliver, hours later and after its end, into a pipeline in which nothing is under way any more.
What happens then depends on what is stored and on nothing else. So when a run comes to such a point with the same
things stored as a run before it, and that one went on to keep every promise, there is nothing left to learn: it ends.
Explicit-state model checkers visit each state once for the same reason.

Everything that a handler, a redelivery or a promise can read belongs to a state. Left out is only what differs without
being looked at: the names of executions, moments in the past, and the random numbers from which latencies to come are
made, so that what follows a state is seen with one set of them. Moments to come (leases, times to live) count in days;
one that is nearer is taken as it is, so that a state with a lease in it meets only itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from simulation import books
from simulation.faults import minutes_away
from simulation.world import World

DAY = 24 * 60 * 60
_MOMENT = re.compile(r"\b(1[78]\d{8})(\d{3})?(?:\.\d+)?\b")  # seconds or milliseconds since 1970
_ISO_8601 = re.compile(r"20\d\d-\d\d-\d\dT[0-9:.]+(?:Z|\+00:00)")
_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Known(Exception):
    """Another run was here, and went on to keep every promise."""


class Checkpoints:
    """The points that runs came to. Only points of the same scenario and the same code can be compared."""

    def __init__(self) -> None:
        self._good: set[str] = set()
        self._passed: list[str] = []

    def begin(self) -> None:
        """A run begins."""
        self._passed.clear()

    def reach(self, world: World, scenario: str, what_follows: str) -> None:
        """A run has come to where `what_follows` is next. Raises Known. Nothing if anything else is to come as well:
        something under way, a fault that has not found its site.
        """
        if world.loop.busy or world.zombies or world.injector.anything_left():
            return
        point = f"{scenario} | {what_follows} | {digest(world)}"
        if point in self._good:
            raise Known
        self._passed.append(point)

    def end(self) -> None:
        """The run has come to its end and kept every promise."""
        self._good.update(self._passed)


def digest(world: World) -> str:
    """What is stored, and what of the past the promises still ask for."""
    text = json.dumps(list(_state(world)), sort_keys=True)
    text = _ISO_8601.sub("then", text)
    text = _MOMENT.sub(lambda moment: _distance(moment, world.loop.now), text)
    names: dict[str, str] = {}
    text = _RANDOM.sub(lambda name: names.setdefault(name[0], f"name {len(names)}"), text)
    return hashlib.sha256(text.encode()).hexdigest()


def _state(world: World) -> Iterator[Any]:
    for table, items in world.stored().items():
        yield table, sorted(json.dumps(_what_counts(item), sort_keys=True) for item in items)
    for record in world.changes:
        yield (
            record["eventSourceARN"],
            record["eventName"],
            record["dynamodb"].get("Keys"),
            record["dynamodb"].get("OldImage"),
            record["dynamodb"].get("NewImage"),
        )
    yield "age", int((world.loop.now - world.born) // DAY)
    yield "bus", sorted({(event["DetailType"], event["Detail"]) for event in world.bus_events()})
    yield "delivered", sorted({event["order_id"] for event in world.on_bus})
    started = {order_id for order_id, _ in world.started}
    yield "started", sorted(started)
    yield (
        "ended early",
        sorted(
            (execution["input"], execution["status"])
            for execution in world.executions()
            if execution["status"] != "SUCCEEDED"
        ),
    )
    yield "called", sorted(books.called(world).items()), sorted(world.claims.values())
    yield "queues", [world.queue(name) for name in books.queues(world)]
    emails = books.emails(world)
    for order_id in sorted(started):
        about = [one for one in emails if order_id in one.subject.split()]
        unrecorded = books.unrecorded_emails(world, order_id)
        yield order_id, sorted({(one.to, one.subject) for one in about}), len(about) - unrecorded
    for (what, order_id), contents in sorted(books.held(world).items()):
        yield what, order_id, sorted({json.dumps(content, sort_keys=True, default=repr) for content in contents})
    yield "placed", sorted(world.placed.items())
    yield "answers", sorted({(one.asked, one.order_id, one.status, one.sent, one.body) for one in world.answers})
    yield (
        "asked",
        sorted(
            (order_id, number - books.explained_questions(world, order_id)) for order_id, number in world.asked.items()
        ),
    )
    yield "world", sorted(world.restocked.items()), len(world.watchers)
    yield "forgiven", sorted(world.unpaid), sorted(world.in_vain), sorted(books.mistaken(world).items())
    yield "away", sum(minutes_away(fault.kind) for fault in world.injector.fired)


def _what_counts(item: dict[str, Any]) -> dict[str, Any]:
    """An item without what nobody asks for any more: the lease of an idempotency record that is complete, for
    Powertools asks for it only while it is in progress; and who waited for an approval or a parcel, once nothing is
    under way, by which token and with which links in the mail.
    """
    left_out = {"waiter", "task_token", "links"}
    if item.get("status") == {"S": "COMPLETED"}:
        left_out.add("in_progress_expiration")
    return {
        name: {"M": _what_counts(value["M"])} if isinstance(value, dict) and "M" in value else value
        for name, value in item.items()
        if name not in left_out
    }


def _distance(moment: re.Match[str], now: float) -> str:
    seconds = int(moment[1]) - now
    if seconds <= 0:
        return "past"
    return f"{seconds // DAY:.0f} days" if seconds > DAY else moment[0]
