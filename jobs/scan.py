"""Reading a table from one end to the other, a segment at a time, no faster than it is allowed to.

A scan runs everywhere and takes what there is now. docs/cost.md says from which size an export would be cheaper.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from jobs.services import dynamodb
from orders.tables import Item


class Page(NamedTuple):
    """Some items, and where to begin to get the next; None after the last."""

    items: list[Item]
    next: dict[str, Any] | None


class Pace:
    """A token bucket. A request says only afterwards what it has cost, so the bucket may be overdrawn, and the next
    request waits until that is paid. It holds nothing in stock: time in which nothing was read is lost.
    """

    def __init__(
        self,
        units_per_second: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._units_per_second, self._now, self._sleep = units_per_second, now, sleep
        self._paid_at = now()

    def spend(self, units: float) -> None:
        """Take so many read units out of the bucket."""
        self._paid_at = max(self._paid_at, self._now()) + units / self._units_per_second

    def wait(self) -> None:
        """Until the bucket is not overdrawn."""
        if (seconds := self._paid_at - self._now()) > 0:
            self._sleep(seconds)


def pages(
    table: str, pace: Pace, start: dict[str, Any] | None = None, *, segment: int = 0, segments: int = 1, **further: Any
) -> Iterator[Page]:
    """One of a table's segments, page by page of at most 1 MB, from `start` on. `further` are arguments of Scan.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ParallelScan
    """
    for answer in _answers(table, pace, start, {"Segment": segment, "TotalSegments": segments} | further):
        yield Page(answer["Items"], answer.get("LastEvaluatedKey"))


def only(attributes: Sequence[str]) -> dict[str, Any]:
    """The arguments of Scan by which it answers these attributes and no others; all of them, if none is named. It
    costs the same: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html
    """
    if not attributes:
        return {}
    names = {f"#{name}": name for name in attributes}  # some of DynamoDB's own words are among them
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}


def count(table: str, pace: Pace, most_pages: int) -> tuple[int, bool]:
    """How many items are in the first pages of a table, and whether those are all."""
    counted = 0
    for number, answer in enumerate(_answers(table, pace, None, {"Select": "COUNT"}), 1):
        counted += answer["Count"]
        if number == most_pages:
            return counted, "LastEvaluatedKey" not in answer
    return counted, True


def _answers(table: str, pace: Pace, start: dict[str, Any] | None, arguments: dict[str, Any]) -> Iterator[Any]:
    request: Any = {"TableName": table, "ReturnConsumedCapacity": "TOTAL"} | arguments
    while True:
        pace.wait()
        answer = dynamodb().scan(**request | ({"ExclusiveStartKey": start} if start else {}))
        pace.spend(answer["ConsumedCapacity"]["CapacityUnits"])
        yield answer
        start = answer.get("LastEvaluatedKey")
        if not start:
            return
