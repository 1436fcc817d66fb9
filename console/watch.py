"""The one watcher: reads what the stack has, sees what changes, and tells the open pages. No page looks by itself.

The tables' streams say which orders have changed, and the tables say what they are now: so it does not matter in which
order, or how often, a change is told. On AWS a shard serves two readers, and whatever a third one takes is taken from
them: the stream of states has two, which the shop lives by. So there what may still change is read again in turn.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import batched
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from aws.item import plain_item
from console import model
from console.bus import Bus, SeenEvent
from console.listeners import Listeners, unforeseen
from console.mailbox import Mail, Mailbox
from console.model import Row
from console.place import Place
from console.streams import Stream
from local.stack import Problem
from orders import NEXT, Status
from orders.tables import order_key

__all__ = ["Mail", "SeenEvent", "Watch"]

Listener = Callable[[set[str]], None]

SOON, SELDOM = 0.25, 2.0  # seconds between two looks, while somebody has a page open and while nobody has
SOON_ON_AWS, SELDOM_ON_AWS = 1.0, 30.0  # there each look is paid for, and a shard may be read five times a second
CALM, CALM_AFTER_SECONDS = 1.0, 10.0  # between two looks once nothing has changed for a while, though a page is open
AGAIN_SECONDS = 3.0  # after something went wrong
FOLLOWED_SECONDS = 1.0
LINGERS_SECONDS = 30.0  # for as long an order that has ended is followed: its last workflow may still be at work
MOST_EVENTS = 20_000  # that are remembered
MOST_ORDERS = 10_000  # that are read of a table at the beginning
BATCH = 100  # items in one BatchGetItem

TROUBLE = (ClientError, BotoCoreError, OSError, Problem)


class Watch:
    """What is known of the stack by now. Listeners are told in the event loop which orders changed."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.rows: dict[str, Row] = {}
        self.mails: list[Mail] = []
        self.trouble = ""  # why nothing can be seen at the moment
        self.ready = asyncio.Event()  # once the tables were read
        self.cut_off = False  # whether there are more orders than were read
        self._listeners: Listeners[[set[str]]] = Listeners()
        self._events: list[SeenEvent] = []
        self._followed: Counter[str] = Counter()
        self._ended: dict[str, float] = {}  # when a followed order was first seen to have ended
        self._told_followed = 0.0
        self._turn = 0
        self._moved_at = 0.0
        self._wanted = asyncio.Event()
        self._bus: Bus | None = None
        self._mailbox: Mailbox | None = None

    async def run(self) -> None:
        """Watch until cancelled. What goes wrong is kept as `trouble` and tried again."""
        try:
            while True:
                try:
                    await self._watch()
                except TROUBLE as error:
                    self._say(self._why(error))
                except Exception as error:  # noqa: BLE001 - or nothing would move any more, and nobody would know
                    self._say(unforeseen(error))
                self._bus = None  # it is made anew, or found: its queue has kept what came meanwhile
                await asyncio.sleep(AGAIN_SECONDS)
        finally:
            if self._bus:
                await asyncio.shield(asyncio.to_thread(self._bus.close))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have it told which orders changed, all that changed in one look at once; answers how to stop."""
        self._moved_at = time.monotonic()
        self._wanted.set()
        return self._listeners.add(listener)

    def follow(self, order_id: str) -> Callable[[], None]:
        """Say that somebody looks at this order: it is told as changed each second until it has ended, since its
        executions and further tables announce nothing. Answers how to stop.
        """
        self._followed[order_id] += 1
        still = [order_id]

        def stop() -> None:
            while still:
                self._followed[still.pop()] -= 1
                if self._followed[order_id] <= 0:
                    del self._followed[order_id]
                    self._ended.pop(order_id, None)

        return stop

    def seen_events(self) -> Sequence[SeenEvent]:
        """The events on the bus since the console started, oldest first. None of a stack on AWS."""
        return self._events

    async def _watch(self) -> None:
        """From the beginning: the streams are opened before the tables are read, so nothing is missed."""
        heard = ("OrdersTableName", "OrderStatesTableName") if self.place.embedded else ("OrdersTableName",)
        tables = [name for output in heard if (name := self.place.table(output))]
        streams = [await asyncio.to_thread(Stream, self.place, table) for table in tables]
        if self.place.embedded:
            self._bus = self._bus or await asyncio.to_thread(Bus, self.place)
            self._mailbox = self._mailbox or await asyncio.to_thread(Mailbox, self.place)
        found = await asyncio.to_thread(self._scan)
        self._take({order_id: found.get(order_id) for order_id in {*self.rows, *found}})
        self._say("")
        self.ready.set()
        while True:
            self._wanted.clear()
            told = await self._heard()
            changed = await asyncio.to_thread(_changed, streams)
            rows = await asyncio.to_thread(self._read, changed.union(told, self._in_turn()))
            self._take(rows, also=(told & rows.keys()) | self._still_followed())
            await self._pause()

    async def _heard(self) -> set[str]:
        """Take in new events and emails; answers whose they are."""
        orders: set[str] = set()
        if self._bus:
            events = await asyncio.to_thread(self._bus.seen)
            self._events += events
            del self._events[:-MOST_EVENTS]
            orders |= {event.order_id for event in events}
        if self._mailbox and (mails := await asyncio.to_thread(self._mailbox.fetch)) is not None:
            new = mails[len(self.mails) :] if len(mails) >= len(self.mails) else mails
            self.mails = mails
            orders |= {word for mail in new for word in mail.subject.split() if word in self.rows}
        return orders

    def _in_turn(self) -> list[str]:
        """On AWS, orders that may have changed without a word: those that somebody looks at, of those that nobody has
        decided some, and of the others as many as there is room for, others each time.
        """
        if self.place.embedded:
            return []
        self._turn += 1
        moving = [order_id for order_id, row in self.rows.items() if not _has_ended(row.status)]
        followed = [order_id for order_id in moving if order_id in self._followed][:BATCH]
        undecided = [order_id for order_id in moving if self.rows[order_id].status == model.PLACED]
        chosen = dict.fromkeys([*followed, *self._some(undecided, BATCH // 2)])
        return [*chosen, *self._some([one for one in moving if one not in chosen], BATCH)][:BATCH]

    def _some(self, order_ids: list[str], most: int) -> list[str]:
        """So many of them, and the next ones the next time."""
        start = self._turn * most % max(1, len(order_ids))
        return (order_ids[start:] + order_ids[:start])[:most]

    def _still_followed(self) -> set[str]:
        now = time.monotonic()
        if not self._followed or now - self._told_followed < FOLLOWED_SECONDS:
            return set()
        self._told_followed = now
        return {order_id for order_id in self._followed if not self._is_over(order_id, now)}

    def _is_over(self, order_id: str, now: float) -> bool:
        row = self.rows.get(order_id)
        if row is None or not _has_ended(row.status):
            return False
        return now - self._ended.setdefault(order_id, now) > LINGERS_SECONDS

    async def _pause(self) -> None:
        """Until the next look; at once when the first page is opened meanwhile."""
        soon, seldom = (SOON, SELDOM) if self.place.embedded else (SOON_ON_AWS, SELDOM_ON_AWS)
        await asyncio.sleep(soon)
        calm = time.monotonic() - self._moved_at > CALM_AFTER_SECONDS
        with contextlib.suppress(TimeoutError):
            rest = (CALM if calm else soon) if self._listeners else seldom
            await asyncio.wait_for(self._wanted.wait(), max(0.0, rest - soon))

    def _take(self, rows: dict[str, Row | None], also: Collection[str] = ()) -> None:
        """Keep what was read and tell what of it is new, and whatever `also` is to be told."""
        changed = {order_id for order_id, row in rows.items() if row != self.rows.get(order_id)}
        if changed:
            self._moved_at = time.monotonic()
        for order_id in changed:
            row = rows[order_id]
            if row is None:
                del self.rows[order_id]
            else:
                self.rows[order_id] = row
        self._tell(changed.union(also))

    def _tell(self, changed: set[str]) -> None:
        if changed:
            self._listeners.tell(changed)

    def _why(self, error: Exception) -> str:
        if self.place.embedded and isinstance(error, EndpointConnectionError):
            return f"The stack does not answer ({self.place.endpoint_url}). Is it still running? make up starts one."
        return f"The stack can't be read: {error}"

    def _say(self, trouble: str) -> None:
        self.trouble = trouble

    def _scan(self) -> dict[str, Row]:
        """The rows of all orders, or of the first that are found."""
        orders, more = self._all("OrdersTableName")
        states, more_states = self._all("OrderStatesTableName")
        self.cut_off = more or more_states
        ids = set(orders) if self.cut_off else {*orders, *states}
        missing = orders.keys() - states.keys() if more_states else set()
        states |= self._items("OrderStatesTableName", missing)
        to_do = self._items("OpenOrdersTableName", ids - states.keys())
        return {
            order_id: model.row(order_id, orders.get(order_id), states.get(order_id), to_do.get(order_id))
            for order_id in ids
        }

    def _all(self, output: str) -> tuple[dict[str, Any], bool]:
        """A table's items by order, up to MOST_ORDERS of them, and whether there are more."""
        found: dict[str, Any] = {}
        pages = self.place.client("dynamodb").get_paginator("scan").paginate(TableName=self.place.outputs[output])
        for page in pages:
            found |= _by_order(page["Items"])
            if len(found) >= MOST_ORDERS:
                return found, "LastEvaluatedKey" in page
        return found, False

    def _read(self, order_ids: Collection[str]) -> dict[str, Row | None]:
        """These orders' rows as they are now; None for one of which nothing is there."""
        if not order_ids:
            return {}
        orders, states = self._items("OrdersTableName", order_ids), self._items("OrderStatesTableName", order_ids)
        to_do = self._items("OpenOrdersTableName", set(order_ids) - states.keys())
        return {
            order_id: model.row(order_id, orders.get(order_id), states.get(order_id), to_do.get(order_id))
            if order_id in orders or order_id in states
            else None
            for order_id in order_ids
        }

    def _items(self, output: str, order_ids: Iterable[str]) -> dict[str, Any]:
        table, client = self.place.outputs[output], self.place.client("dynamodb")
        found: dict[str, Any] = {}
        for some in batched(order_ids, BATCH):
            wanted: dict[str, Any] = {table: {"Keys": [order_key(one) for one in some], "ConsistentRead": True}}
            while wanted:
                answer = client.batch_get_item(RequestItems=wanted)
                found |= _by_order(answer["Responses"].get(table, ()))
                wanted = answer.get("UnprocessedKeys", {})
        return found


def _changed(streams: Iterable[Stream]) -> set[str]:
    return {order_id for stream in streams for order_id in stream.changed()}


def _by_order(items: Iterable[Any]) -> dict[str, Any]:
    def read() -> Iterator[tuple[str, Any]]:
        for item in items:
            yield item["order_id"]["S"], plain_item(item)

    return dict(read())


def _has_ended(status: str) -> bool:
    """Whether nothing follows this status by the shop's own rules."""
    return status in set(Status) and not NEXT[Status(status)]
