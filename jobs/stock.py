"""Whether the stock adds up: what is on the shelf and what orders hold is what ever came in.

It is about all orders at once, so it is done last, over what the partitions have summed up. The counters were read
before anything else: what an order took after that either is not seen, or its order is under way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from jobs import parquet
from jobs.findings import Code, Finding
from orders.tables import Item, is_shard, sku_of


def stock_findings(counters: Iterable[Item], held: Sequence[Path]) -> tuple[list[Finding], int]:
    """What is wrong with the stock, by SKU, and how many SKUs could not be checked, because nobody has written down
    what was received of them. `counters` are items of the Inventory table, `held` the partitions' sums (schema.HELD).
    """
    return compare(counters, sums(held))


def compare(counters: Iterable[Item], units: Mapping[str, tuple[int, int]]) -> tuple[list[Finding], int]:
    """The same, from the units of each SKU that orders hold, and how many of them can't be sure of."""
    available, received = Counter[str](), dict[str, int]()
    below: dict[str, int] = {}
    for counter in counters:
        sku = sku_of(counter)
        number = int(counter["available"]["N"])
        available[sku] += number
        if number < 0:
            below[sku] = min(number, below.get(sku, 0))
        if not is_shard(counter) and "received" in counter:
            received[sku] = int(counter["received"]["N"])
    found = []
    for sku in sorted(available.keys() | units.keys()):
        here, moving = units.get(sku, (0, 0))
        if sku in below:
            found.append(_below(sku, below[sku]))
        elif sku in received and abs(there := received[sku] - available[sku] - here) > moving:
            found.append(_differs(sku, received[sku], received[sku] - there, available[sku], here))
    return found, len((available.keys() | units.keys()) - received.keys())


def sums(held: Sequence[Path]) -> dict[str, tuple[int, int]]:
    """The units of each SKU that orders hold, and how many of them can't be sure of."""
    if not held:
        return {}
    with TemporaryDirectory() as folder, parquet.connect(Path(folder)) as database:
        parquet.view(database, "held", held)
        query = "SELECT sku, sum(held)::BIGINT, sum(moving)::BIGINT FROM held GROUP BY sku"
        return {sku: (here, moving) for sku, here, moving in database.execute(query).fetchall()}


def _below(sku: str, found: int) -> Finding:
    return Finding(
        Code.STOCK_BELOW_ZERO, "", sku, "", 0, found, f"A counter has {found} units: more was sold than was there."
    )


def _differs(sku: str, received: int, found: int, available: int, held: int) -> Finding:
    detail = f"{available} are available and {held} are held by orders, and {received} were received."
    return Finding(Code.STOCK_DOES_NOT_ADD_UP, "", sku, "", received, found, detail)
