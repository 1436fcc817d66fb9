"""What the stack's tables, its companies and its queues say, and whether that adds up: the invariants, live.

The tables are read one after the other while the shop works, so what they say of an order that moves does not fit
together. An order that is under way is counted and not judged, and what contradicts an invariant is looked at twice.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from console import faults
from console.place import Place
from console.reading import Reader
from console.watch import Watch
from demo.judge import AT_THE_END
from invariants.books import Books, from_tables
from invariants.checks import INVARIANTS
from invariants.invariant import Invariant
from local import books as local_books
from orders import backoff
from orders.tables import Item, is_reservation, is_restock, sku_of

TABLES = (*local_books.TABLES, *local_books.TABLES_BESIDE)
QUEUES = (*local_books.QUEUES, *local_books.QUEUES_BESIDE)
# An order that nobody has decided for so long, and that is on no list, is lost.
LOST_SECONDS = 180
# What is to be looked at again soon is at work. What is not waits for somebody else: for a carrier, or for the time in
# which its customer may send it back.
AT_WORK_SECONDS = 60 * (backoff.MINUTES[-1] + 1)
_SHOWN = 50  # contradictions of one invariant


class Standing(StrEnum):
    """How an invariant does."""

    HOLDS = "holds"
    BROKEN = "broken"
    UNSEEN = "not watched"


@dataclass(frozen=True)
class Verdict:
    """An invariant, and what contradicts it. `needs` is what nobody has watched here."""

    sentence: str
    standing: Standing
    evidence: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Letter:
    """A message in a queue for what failed."""

    queue: str
    message_id: str
    body: str


@dataclass(frozen=True)
class Ledgers:
    """Everything at one moment, `at` so many seconds since 1970. `tables` has the items as DynamoDB writes them, by
    logical name; `waiting` is how many messages lie in each queue, `letters` some of them. Of the orders, so many were
    judged.
    """

    at: float
    tables: Mapping[str, Sequence[Item]]
    waiting: Mapping[str, int]
    letters: Sequence[Letter]
    books: Books
    under_way: frozenset[str] = frozenset()
    judged: int = 0
    verdicts: tuple[Verdict, ...] = ()
    doubts: bool = False

    @property
    def broken(self) -> list[Verdict]:
        """The invariants that something contradicts."""
        return [one for one in self.verdicts if one.standing == Standing.BROKEN]


@dataclass
class Looker:
    """Reads, and remembers what it suspected the last time, and since when it has known an undecided order."""

    place: Place
    watch: Watch
    limit: int = 0
    _suspected: dict[str, frozenset[str]] = field(default_factory=dict)
    _undecided: dict[str, float] = field(default_factory=dict)

    def look(self) -> Ledgers:
        """Read everything and judge what is at rest. Raises what boto3 raises."""
        place, now = self.place, time.time()
        tables = {
            name: list(_scan(place, table)) for name in TABLES if (table := place.table(f"{name}Name")) is not None
        }
        waiting = {name: _waiting(place, name) for name in QUEUES if name in place.outputs}
        emails = local_books.emails(place.running()) if place.embedded else None
        books = from_tables(tables, emails, sum(waiting.values()), limit=self.limit)
        books = replace(books, opening=_opening(books, tables["InventoryTable"]))
        under_way = frozenset(self._under_way(tables, books, now))
        at_rest = (books.orders.keys() | books.states.keys()) - under_way
        if place.embedded:
            books = replace(books, past=local_books.past(place.running(), at_rest))
        verdicts, doubts = self._judge(local_books.about(books, at_rest))
        letters = tuple(_letters(place, waiting)) if place.embedded else ()
        return Ledgers(now, tables, waiting, letters, books, under_way, len(at_rest), verdicts, doubts)

    def _under_way(self, tables: Mapping[str, Sequence[Item]], books: Books, now: float) -> Iterator[str]:
        for item in (*tables["OpenOrdersTable"], *tables.get("OpenShipmentsTable", ())):
            if int(item.get("sweep_at", {}).get("N", "0")) < now + AT_WORK_SECONDS:
                yield item["order_id"]["S"].partition("/")[0]
        undecided = books.orders.keys() - books.states.keys()
        self._undecided = {order_id: self._undecided.get(order_id, now) for order_id in undecided}
        broken = faults.can_break(self.place) and bool(faults.of(self.place).broken)
        yield from (order_id for order_id, since in self._undecided.items() if broken or now - since < LOST_SECONDS)

    def _judge(self, books: Books) -> tuple[tuple[Verdict, ...], bool]:
        """The verdicts, and whether something is contradicted for the first time, and so is to be looked at again."""
        verdicts: list[Verdict] = []
        suspected: dict[str, frozenset[str]] = {}
        for invariant in INVARIANTS:
            if invariant.check in AT_THE_END:
                continue  # what is not at its end is under way
            needs = tuple(evidence for evidence in invariant.needs if not books.knows(evidence))
            if needs:
                verdicts.append(Verdict(invariant.sentence, Standing.UNSEEN, needs=needs))
                continue
            said = _contradictions(invariant, books)
            suspected[invariant.name] = frozenset(said)
            twice = tuple(one for one in said if one in self._suspected.get(invariant.name, ()))
            verdicts.append(Verdict(invariant.sentence, Standing.BROKEN if twice else Standing.HOLDS, twice[:_SHOWN]))
        doubts = any(said - self._suspected.get(name, frozenset()) for name, said in suspected.items())
        self._suspected = suspected
        return tuple(verdicts), doubts


def _contradictions(invariant: Invariant, books: Books) -> list[str]:
    try:
        return list(invariant.check(books))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:  # anybody may write an order, of any content
        return [f"It can't be judged: an item makes no sense ({type(error).__name__})"]


def _opening(books: Books, inventory: Sequence[Item]) -> dict[str, int]:
    """The units of each SKU that ever came in. Where its counter does not say so, what there is must be right."""
    received: dict[str, int] = defaultdict(int)
    for item in inventory:
        if not is_reservation(item) and not is_restock(item) and "received" in item:
            received[sku_of(item)] += int(item["received"]["N"])
    return {
        sku: received[sku] if sku in received else books.available(sku) + books.reserved(sku) for sku in books.counters
    }


def _scan(place: Place, table: str) -> Iterator[Item]:
    pages = place.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=place.embedded)
    for page in pages:
        yield from page["Items"]


def _waiting(place: Place, output: str) -> int:
    name = "ApproximateNumberOfMessages"
    answer = place.client("sqs").get_queue_attributes(QueueUrl=place.outputs[output], AttributeNames=[name])
    return int(answer["Attributes"][name])


def _letters(place: Place, waiting: Mapping[str, int]) -> Iterator[Letter]:
    """The first messages of each queue. They are left where they are, hidden from nobody."""
    for output, count in waiting.items():
        if count:
            answer = place.client("sqs").receive_message(
                QueueUrl=place.outputs[output], MaxNumberOfMessages=10, VisibilityTimeout=0
            )
            for message in answer.get("Messages", ()):
                yield Letter(output.removesuffix("Url"), message["MessageId"], message["Body"])


def approval_limit(place: Place) -> int:
    """The total above which a person has to approve an order, in minor units; 0 for none, or where nobody says."""
    stacks = place.client("cloudformation").describe_stacks(StackName=place.name)["Stacks"]
    given = {one["ParameterKey"]: one.get("ParameterValue", "") for one in stacks[0].get("Parameters", ())}
    limit = given.get("ApprovalLimit", "")
    return int(limit) if limit.isdigit() and "ApprovalsTableName" in place.outputs else 0


_readers: dict[str, Reader[Ledgers]] = {}


def reader(place: Place, watch: Watch) -> Reader[Ledgers]:
    """What reads the ledgers of a place: the same for every page."""
    if place.name not in _readers:
        looker = Looker(place, watch)
        limit: list[int] = []

        def read() -> Ledgers:
            if not limit:
                limit.append(approval_limit(place))
            looker.limit = limit[0]
            return looker.look()

        _readers[place.name] = Reader(place, watch, read, lambda seen: bool(seen.under_way) or seen.doubts)
    return _readers[place.name]
