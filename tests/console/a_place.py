"""A place without a stack: the templates' tables in moto, and an API that says what a test lets it say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from nicegui import Client
from nicegui.testing import User
from nicegui.testing.user_simulation import user_simulation

from console.place import Place
from demo.shop import CATALOGUE, CURRENCY
from local.api import Reply
from tests.unit.account import account
from tests.unit.stack import MotoStack, aws

TABLES = (
    *("Orders", "OrderStates", "OpenOrders", "Inventory", "Payments", "SimulatedGateway"),
    *("Approvals", "Shipments", "Returns", "OpenShipments", "Inbox", "SimulatedCarrier"),
)
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Asked:
    """A request to the API."""

    method: str
    path: str
    body: str | None
    headers: Mapping[str, str]
    signed: bool


@dataclass(frozen=True)
class FakePlace(Place):
    """What is asked of the API is written down, and answered with the next of `replies`; the last one stays."""

    stack: MotoStack | None = None
    asked: list[Asked] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    def ask(
        self,
        method: str,
        path: str,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        signed: bool = True,
    ) -> Reply:
        """Write it down, and answer as the test says."""
        self.asked.append(Asked(method, path, body, dict(headers or {}), signed))
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def client(self, service: str) -> Any:
        """The tests' own: making one takes longer than most tests."""
        return aws(service)

    def put(self, table: str, item: Mapping[str, Any]) -> None:
        """Write an item, in plain Python values, into a table by its name without the `Table`."""
        self._table(table).put_item(Item=dict(item))

    def get(self, table: str, order_id: str) -> dict[str, Any] | None:
        """The item of an order."""
        found: dict[str, Any] | None = self._table(table).get_item(Key={"order_id": order_id}).get("Item")
        return found

    def delete(self, table: str, order_id: str) -> None:
        """Delete the item of an order."""
        self._table(table).delete_item(Key={"order_id": order_id})

    def _table(self, table: str) -> Any:
        assert self.stack
        return self.stack.table(f"{table}Table")


@contextmanager
def a_place(*, may_write: bool = True, embedded: bool = False) -> Iterator[FakePlace]:
    """It has every table that the templates have, empty but for the catalogue."""
    with account(), pytest.MonkeyPatch.context() as monkeypatch:
        stack = MotoStack(monkeypatch)
        outputs = {f"{name}TableName": stack[f"{name}Table"] for name in TABLES}
        outputs |= {"ApiUrl": "https://api.example.com", "CarrierSecretArn": stack["CarrierSecret"]}
        place = FakePlace(
            name="orders-test",
            outputs=outputs,
            embedded=embedded,
            may_write=may_write,
            endpoint_url="http://127.0.0.1:1" if embedded else None,
            stacks=("orders-test",),
            stack=stack,
            replies=[Reply(200, {}, "{}")],
        )
        for product in CATALOGUE:
            of_product = {"unit_price": product.unit_price, "available": product.available, "name": product.name}
            place.put("Inventory", {"pk": f"SKU#{product.sku}", "sk": "STOCK", "currency": CURRENCY} | of_product)
        yield place


async def until(true: Callable[[], object]) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not true():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


@asynccontextmanager
async def visitor() -> AsyncIterator[User]:
    """Somebody who opens pages, without a browser. Pages are registered in here."""
    async with user_simulation(root=lambda: None) as user:
        try:
            yield user
        finally:
            Client.page_routes.clear()  # or the modules that they are from would be forgotten
