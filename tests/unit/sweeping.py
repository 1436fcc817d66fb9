"""Open orders, and sweeps of them at chosen times."""

from __future__ import annotations

from typing import Any

from sweep import app
from tests.unit.builders import an_open_order

OPENED = 1767258001  # when `an_open_order` was placed; its first sweep is due a minute later
MINUTE = 60
DAY = 24 * 60 * MINUTE


class Clock:
    """The sweep's time, which passes only when somebody says so or sleeps."""

    def __init__(self) -> None:
        self.now = float(OPENED)
        self.slept: list[float] = []

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def sweep() -> dict[str, int]:
    return app.handler({}, None)


def opened(count: int, **changes: Any) -> list[dict[str, Any]]:
    """So many open orders, order-1 to order-`count`; their first sweeps are due one after another."""
    return [
        an_open_order(order_id=f"order-{number}", sweep_at=OPENED + number, **changes) for number in range(1, count + 1)
    ]


def put(table: Any, *items: dict[str, Any]) -> None:
    with table.batch_writer() as batch:
        for item in items:
            batch.put_item(Item=item)


def read(table: Any, order_id: str = "order-1") -> dict[str, Any] | None:
    item: dict[str, Any] | None = table.get_item(Key={"order_id": order_id}).get("Item")
    return item
