"""Begin a run: claim the day, read what the stock's counters say, count, and write down the plan.

The counters are read before anything else is extracted and after `as_of`. So what a counter lacks that an order holds
was either taken before, and is in the extract, or it is an order's that has changed since `as_of` and is not judged.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from aws import logger
from jobs import runs, scan, settings
from jobs.extract import Segment, write
from jobs.runs import OURS, TAKEN, Plan
from jobs.services import dynamodb
from jobs.sources import STOCK, is_counter
from orders.tables import Item, sku_of, stock_key

# https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html
SMALLEST_ARRAY, LARGEST_ARRAY = 2, 10_000
# Each segment writes a file for each partition, so there are fewer segments than partitions.
PARTITIONS_PER_SEGMENT, MOST_SEGMENTS = 4, 50
# To read a page of orders takes a processor a quarter of a second, and a page is 128 units; on Fargate somewhat longer.
# With more segments than that keeps busy, containers share what a branch may read, and are paid for waiting.
UNITS_PER_SEGMENT = 250
# A table's ItemCount is up to six hours old, which tells nothing of one that was filled today. So many pages of 1 MB
# are counted; that is thousands of orders.
COUNTED_PAGES = 20


def begin(run: str, day: str | None, scheduled_at: datetime | None, *, repair: bool) -> Plan:
    """Plan a run, unless it has a plan. Without a `day` it is for yesterday, seen from `scheduled_at` or from now.

    Raises Problem for a day that has not begun.
    """
    try:
        return runs.plan(run)
    except LookupError:
        pass
    day = _day(day, scheduled_at or datetime.now(UTC))
    as_of = runs.claim(day, run)
    if as_of is None:
        as_of = runs.now()
        plan = Plan(run, day, as_of, TAKEN, SMALLEST_ARRAY, SMALLEST_ARRAY, repair)
    else:
        pace = scan.Pace(settings.number("READ_UNITS"))
        read_counters(run, pace)
        partitions = size_of_array(count_orders(pace), settings.number("ORDERS_PER_CONTAINER"))
        segments = count_segments(partitions, settings.number("READ_UNITS"))
        plan = Plan(run, day, as_of, OURS, partitions, segments, repair)
    plan = runs.keep(plan)
    logger.info("planned", day=plan.day, standing=plan.standing, partitions=plan.partitions, segments=plan.segments)
    return plan


def _day(day: str | None, seen_from: datetime) -> str:
    zone = settings.time_zone()
    if day is None:
        return (seen_from.astimezone(zone).date() - timedelta(days=1)).isoformat()
    if day > datetime.now(zone).date().isoformat():
        raise settings.Problem(f"{day} has not begun in {zone.key}")
    return day


def read_counters(run: str, pace: scan.Pace) -> None:
    """Copy the counters of the stock into the bucket, read consistently."""
    table = settings.text("INVENTORY_TABLE")
    counters: Any = {
        "FilterExpression": "sk IN (:stock, :shard)",
        "ExpressionAttributeValues": {":stock": stock_key("")["sk"], ":shard": stock_key("", 1)["sk"]},
        "ConsistentRead": True,
    }
    write(Segment(run, STOCK, 0, 1, _sku), lambda start: scan.pages(table, pace, start, **counters))


def _sku(item: Item) -> str | None:
    return sku_of(item) if is_counter(item) else None


def count_orders(pace: scan.Pace) -> int:
    """How many orders there are: exactly where they are few, else what DynamoDB says."""
    table = settings.text("ORDERS_TABLE")
    counted, all_of_them = scan.count(table, pace, COUNTED_PAGES)
    if all_of_them:
        return counted
    return max(counted, dynamodb().describe_table(TableName=table)["Table"]["ItemCount"])


def count_segments(partitions: int, read_units: int) -> int:
    """How many containers extract a branch, which reads `read_units` a second in all."""
    needed = size_of_array(partitions, PARTITIONS_PER_SEGMENT), size_of_array(read_units, UNITS_PER_SEGMENT)
    return min(*needed, MOST_SEGMENTS)


def size_of_array(things: int, at_most: int) -> int:
    """How many jobs it takes when each takes on `at_most` things, within what an array may have."""
    return min(max(math.ceil(things / at_most), SMALLEST_ARRAY), LARGEST_ARRAY)
