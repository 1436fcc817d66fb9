"""The shop's tables, for who damages them: what there is, who may be a victim, and what was there before."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.sources import SOURCES
from orders import Outcome, PaymentStatus, Reservation, iso_8601
from orders.tables import Item, is_reservation, payment_from, reservation_from

# Of the tables whose key is not the order.
KEYS = {"InventoryTable": ("pk", "sk"), "SimulatedGatewayTable": ("id",), "SimulatedCarrierTable": ("id",)}
KEYS |= {"InboxTable": ("id",), "IdempotencyTable": ("id",)}


class NoVictim(LookupError):
    """There is no order that this can be done to."""


class Shop:
    """The shop's tables: a DynamoDB client, and their names by what the templates call them. Those of stacks that are
    not there are missing. `now` is in seconds since 1970.
    """

    def __init__(self, client: Any, names: Mapping[str, str], now: float | None = None) -> None:
        self._client, self._names, self._now = client, names, time.time() if now is None else now
        self._before: dict[tuple[str, str], tuple[str, Item, Item | None]] = {}
        self._victims: set[str] = set()

    def has(self, table: str) -> bool:
        """Whether a table is there."""
        return bool(self._names.get(table))

    def items(self, table: str) -> Iterator[Item]:
        """All items of a table, in the order of their keys."""
        found: list[Item] = []
        request: dict[str, Any] = {"TableName": self._names[table], "ConsistentRead": True}
        while self.has(table):
            page = self._client.scan(**request)
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        yield from sorted(found, key=lambda item: [item[name]["S"] for name in self._key(table)])

    def days_ago(self, days: int) -> str:
        """A time in ISO 8601."""
        return iso_8601(self._now - days * 24 * 60 * 60)

    def change(self, table: str, item: Item, **attributes: Any) -> None:
        """Write an item anew with these attributes; one that is None is taken away."""
        new = {**item, **attributes}
        self.put(table, {name: value for name, value in new.items() if value is not None})

    def put(self, table: str, item: Item) -> None:
        """Write an item."""
        self._keep(table, item)
        self._client.put_item(TableName=self._names[table], Item=item)

    def delete(self, table: str, item: Item) -> None:
        """Delete an item."""
        self._keep(table, item)
        self._client.delete_item(TableName=self._names[table], Key=self._key_of(table, item))

    def _keep(self, table: str, item: Item) -> None:
        key = self._key_of(table, item)
        if (table, str(key)) not in self._before:
            answer = self._client.get_item(TableName=self._names[table], Key=key, ConsistentRead=True)
            self._before[table, str(key)] = (table, key, answer.get("Item"))

    def restore(self) -> None:
        """Put back what was there before."""
        for table, key, item in self._before.values():
            if item:
                self._client.put_item(TableName=self._names[table], Item=item)
            else:
                self._client.delete_item(TableName=self._names[table], Key=key)
        self._before.clear()
        self._victims.clear()

    @staticmethod
    def _key(table: str) -> tuple[str, ...]:
        return KEYS.get(table, ("order_id",))

    def _key_of(self, table: str, item: Item) -> Item:
        return {name: item[name] for name in self._key(table)}

    def orders(self) -> dict[str, Order]:
        """Every order that has come to its end, and that nobody has damaged yet, by its id."""
        by_order: dict[str, dict[str, list[Item]]] = defaultdict(lambda: defaultdict(list))
        for source in SOURCES:
            for item in self.items(source.table) if self.has(source.table) else ():
                if order_id := source.key(item):
                    by_order[order_id][source.name].append(item)
        found = {order_id: Order(order_id, items) for order_id, items in sorted(by_order.items())}
        return {
            order_id: order
            for order_id, order in found.items()
            if {"orders", "states"} <= order.items.keys() and not order.items["open"] and order_id not in self._victims
        }

    def victim(self, fits: Callable[[Order], object]) -> Order:
        """The first order that fits. Raises NoVictim."""
        for order_id, order in self.orders().items():
            if fits(order):
                self._victims.add(order_id)
                return order
        raise NoVictim


@dataclass(frozen=True)
class Order:
    """All that there is of an order, by source."""

    order_id: str
    items: Mapping[str, list[Item]]

    def one(self, source: str) -> Item:
        """The item of a source that has one."""
        return self.items[source][0]

    @property
    def outcome(self) -> str:
        return str(self.one("states")["decision"]["M"]["outcome"]["S"])

    @property
    def reason(self) -> str:
        return str(self.one("states")["decision"]["M"]["reason"]["S"])

    @property
    def intent(self) -> str:
        """How its only payment intent stands."""
        intents = self.items["provider"]
        return str(intents[0]["status"]["S"]) if len(intents) == 1 else ""

    @property
    def is_paid(self) -> bool:
        """Whether it was captured, and nothing of it came back or is about to."""
        payments = self.items["payments"]
        captured = bool(payments) and payments[0]["status"]["S"] == PaymentStatus.CAPTURED
        refunds = bool(payments) and bool(payment_from(payments[0]).refunds)
        standing = self.one("states")["status"]["S"]
        return captured and not refunds and standing != Outcome.CANCELLED and self.intent == "succeeded"

    @property
    def was_held(self) -> bool:
        """Whether it was cancelled after its money was held, and the hold was given back."""
        voided = [item for item in self.items["payments"] if item["status"]["S"] == PaymentStatus.VOIDED]
        known = bool(voided) and bool(payment_from(voided[0]).provider_reference)
        return self.outcome == Outcome.CANCELLED and known and self.intent == "canceled"

    @property
    def reservation(self) -> Reservation | None:
        """Its stock."""
        return next((reservation_from(item) for item in self.items["inventory"] if is_reservation(item)), None)
