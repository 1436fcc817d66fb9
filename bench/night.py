"""What a night of the books costs, for as many orders as there are: `python -m bench.night`.

It is arithmetic and measures nothing: how many jobs a night submits is what the definition and jobs/begin.py say, how
large a container is stands in the template, and prices.toml has the prices and what was measured elsewhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from bench.prices import MILLION, assumed, usd
from bench.template import parsed
from bench.units import READ_BYTES
from jobs.begin import count_segments, size_of_array
from jobs.schema import TABLES
from jobs.sources import BRANCHES, SOURCES
from local import templates
from local.stack import ROOT

BOOKS = templates.STACKS / "books.yaml"
DEFINITION = ROOT / "statemachine" / "books.asl.json"
HOUR, MONTH_DAYS = 3600, 30
WORK_DAYS = 7  # after which what a night works on is gone
SHORTEST = 60  # seconds, for which Fargate bills at least: https://aws.amazon.com/fargate/pricing/


@dataclass(frozen=True)
class Night:
    """US dollars for one night, by what they are for."""

    containers: float
    addresses: float  # a public one for each container, for as long as it is there
    scans: float
    requests: float  # of S3
    storage: float  # of what a night works on, for a week
    transitions: float

    @property
    def total(self) -> float:
        """Without storage of the results, logs and alarms."""
        return float(sum(asdict(self).values()))


@dataclass(frozen=True)
class Size:
    """How large a night is: how many partitions and segments, and the seconds that each of its containers is there."""

    partitions: int
    segments: int
    seconds: list[float]


def size(orders: int) -> Size:
    """A night without findings, over so many orders."""
    partitions = size_of_array(orders, default("OrdersPerContainer"))
    segments = count_segments(partitions, default("ReadUnits"))
    extracts = [
        units(branch) * orders / default("ReadUnits") for branch in BRANCHES for _ in range(segments)
    ]  # each segment takes its part of the units, and of the table
    reconciles = [orders / partitions * assumed("night_order_us") / 1e6] * partitions
    short = [0.0, 0.0]  # begin, load
    return Size(partitions, segments, [_there(seconds) for seconds in (*short, *extracts, *reconciles)])


def _there(seconds: float) -> float:
    """For how long a container is billed that works for so many seconds."""
    return max(SHORTEST, seconds + float(assumed("night_start_seconds")))


def units(branch: str) -> float:
    """Read units for each order, of the tables of a branch. A scan adds up what it reads, and half a unit is 4 KB."""
    bytes_of_branch: float = assumed("night_bytes")[branch]
    return bytes_of_branch / READ_BYTES / 2


def night(orders: int) -> Night:
    """The bill of one night over so many orders, on x86_64, in a network of the stack's own."""
    sized = size(orders)
    hours = sum(sized.seconds) / HOUR
    vcpus, gigabytes = container()
    sources = len(SOURCES)
    chunks = sized.segments * (sized.partitions + 1) * sources  # and a file for each segment that says how far it is
    files = len(TABLES) + 1  # of each partition's results
    puts = chunks + files * sized.partitions + 2 * sized.partitions + 4
    gets = chunks + files * sized.partitions
    kept = orders * assumed("night_work_bytes") / 1e9
    return Night(
        containers=hours * (vcpus * usd("fargate_vcpu_hour") + gigabytes * usd("fargate_gb_hour")),
        addresses=hours * usd("public_address_hour"),
        scans=sum(units(branch) for branch in BRANCHES) * orders * usd("read_unit"),
        requests=puts * usd("s3_put") + gets * usd("s3_get"),
        storage=kept * usd("s3_gb_month") * WORK_DAYS / MONTH_DAYS,
        transitions=transitions() * usd("transition"),
    )


def container() -> tuple[float, float]:
    """vCPUs and GB of memory of a job's container."""
    asked = parsed(BOOKS)["Resources"]["BooksJob"]["Properties"]["ContainerProperties"]["ResourceRequirements"]
    values = {each["Type"]: float(each["Value"]) for each in asked}
    return values["VCPU"], values["MEMORY"] / 1024


def default(parameter: str) -> int:
    """What a parameter of the stack is by default."""
    return int(parsed(BOOKS)["Parameters"][parameter]["Default"])


def transitions() -> int:
    """Of a night that repairs nothing and finds nothing: every state but those, and the start."""
    definition = json.loads(DEFINITION.read_text("utf-8"))
    return 1 + len({*_states(definition["States"])} - {"Repair", "Tell", "Taken"})


def _states(states: dict[str, Any]) -> Iterator[str]:
    for name, state in states.items():
        yield name
        for branch in state.get("Branches", []):
            yield from _states(branch["States"])


def rows(orders: tuple[int, ...] = (MILLION, 10 * MILLION, 100 * MILLION)) -> Iterator[str]:
    """The table in docs/cost.md."""
    sizes, nights = [size(each) for each in orders], [night(each) for each in orders]
    yield "| " + " | ".join(["orders that there are", *(f"{each // MILLION} million" for each in orders)]) + " |"
    yield "|---" + "|--:" * len(orders) + "|"
    yield _row("containers run", [f"{len(each.seconds):,}" for each in sizes])
    yield _row("their hours", [f"{sum(each.seconds) / HOUR:,.1f}" for each in sizes])
    yield _row("the longest, minutes", [f"{math.ceil(max(each.seconds) / 60):,}" for each in sizes])
    for name in asdict(nights[0]):
        yield _row(name, [f"{getattr(each, name):.3f}" for each in nights])
    yield _row("**a night**", [f"**{each.total:.2f}**" for each in nights])


def _row(name: str, values: list[str]) -> str:
    return "| " + " | ".join([name, *values]) + " |"


if __name__ == "__main__":
    print("\n".join(rows()))
