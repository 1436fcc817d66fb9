"""What a night came to, as JSON and as everything that people are shown: the report and the terminal read nothing else.

Nothing in it is of the moment at which it was written, so the same run makes the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from jobs.findings import Code
from orders import Outcome

VERSION = 1


@dataclass(frozen=True)
class Decided:
    """How many orders were decided in a way; the outcome is empty where they are not decided yet."""

    outcome: str
    reason: str
    orders: int


@dataclass(frozen=True)
class Money:
    """What was sold for a currency, in its minor units: what confirmed orders come to (`sold`), what was taken of that
    and given back, and in how many orders each.
    """

    currency: str
    confirmed: int
    sold: int
    captured: int
    refunded: int
    refunds: int


@dataclass(frozen=True)
class Sold:
    """What confirmed orders bought of a SKU, in minor units of a currency, and how many units came back. `skus` is how
    many SKUs the line stands for: those that have no line of their own are one, without a name.
    """

    currency: str
    sku: str
    skus: int
    orders: int
    units: int
    amount: int
    returned: int


@dataclass(frozen=True)
class Told:
    """How long customers waited from placing an order to being told of its outcome, in seconds. An empty outcome stands
    for all. The percentiles are exact.
    """

    outcome: str
    orders: int
    p50: float
    p95: float
    p99: float
    longest: float


@dataclass(frozen=True)
class Waited:
    """How many customers waited for less than so many seconds, and not for less than the one before; None: any."""

    below: float | None
    orders: int


@dataclass(frozen=True)
class Found:
    """A finding, as its file has it (schema.FINDINGS)."""

    code: str
    order_id: str
    subject: str
    currency: str
    expected: int
    found: int
    detail: str
    advice: str
    repair: str
    repaired: str


@dataclass(frozen=True)
class Repairs:
    """How many repairs the findings ask for, how many were made, failed, and were `left` for another night. Without
    `wanted` none was tried.
    """

    wanted: bool = False
    possible: int = 0
    done: int = 0
    failed: int = 0
    left: int = 0


@dataclass(frozen=True)
class Summary:
    """`orders` are all that there are, `under_way` those of them that were not judged, `rows` the items that were read;
    `placed` is how many orders the day has. `codes` counts all findings, `findings` are the first of each code.
    `stock_not_checked` is how many SKUs nobody has said of what was received. `tables` says where the files are.
    """

    day: str
    time_zone: str
    as_of: str
    run: str
    orders: int
    under_way: int
    rows: int
    placed: int
    stock_not_checked: int
    report: str
    tables: Mapping[str, str]
    outcomes: Sequence[Decided] = ()
    money: Sequence[Money] = ()
    sold: Sequence[Sold] = ()
    told: Sequence[Told] = ()
    waited: Sequence[Waited] = ()
    codes: Mapping[str, int] = field(default_factory=dict)
    findings: Sequence[Found] = ()
    repairs: Repairs = Repairs()
    version: int = VERSION

    @property
    def found(self) -> int:
        """How many findings there are."""
        return sum(self.codes.values())

    @property
    def by_code(self) -> list[tuple[str, int, list[Found]]]:
        """Each code with findings, how many it has, and the first of them. What is about money comes first."""
        known = {code: place for place, code in enumerate(Code)}
        codes = sorted(self.codes, key=lambda code: (known.get(code, len(known)), code))  # type: ignore[call-overload]
        return [(code, self.codes[code], [each for each in self.findings if each.code == code]) for code in codes]

    @property
    def verdict(self) -> str:
        """The night in four words."""
        match self.found:
            case 0:
                return "The books agree"
            case 1:
                return "1 finding"
            case many:
                return f"{many:,} findings"

    def with_outcome(self, outcome: str) -> int:
        """How many orders were decided so."""
        return sum(each.orders for each in self.outcomes if each.outcome == outcome)

    @property
    def conversion(self) -> float | None:
        """Which part of the orders that were placed was confirmed, of 1; None where none was placed."""
        return self.with_outcome(Outcome.CONFIRMED) / self.placed if self.placed else None


def write(summary: Summary) -> bytes:
    """A summary as JSON, the same each time."""
    return json.dumps(asdict(summary), indent=1, sort_keys=True).encode() + b"\n"


def read(content: bytes) -> Summary:
    """The inverse. What a later version has added is left out. Raises ValueError, KeyError or TypeError for what is no
    summary.
    """
    written: dict[str, Any] = json.loads(content)
    lists: dict[str, type[Any]] = {
        "outcomes": Decided,
        "money": Money,
        "sold": Sold,
        "told": Told,
        "waited": Waited,
        "findings": Found,
    }
    known = {each.name: written[each.name] for each in fields(Summary) if each.name in written}
    for name, kind in lists.items():
        known[name] = tuple(_of(kind, each) for each in known.get(name, ()))
    return Summary(**known | {"repairs": _of(Repairs, known.get("repairs", {}))})


def _of(kind: type[Any], written: Mapping[str, Any]) -> Any:
    return kind(**{each.name: written[each.name] for each in fields(kind) if each.name in written})
