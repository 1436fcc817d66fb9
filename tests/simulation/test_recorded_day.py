"""Every webhook of a recorded day, shuffled, a third of them twice and a tenth forged, ends in the same tables as in
order.

The handlers are the real ones, and so are the requests. They run in the simulation's world, whose DynamoDB is in this
process: with moto's it would take a minute. Of the shuffled day, deliveries and our own writes overlap.
"""

from __future__ import annotations

import functools
import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from aws import callback, guarded
from orders.shipping import ParcelStatus
from simulation.faults import Injector
from simulation.patching import patched
from simulation.world import World, world
from tests.exhaustive import sampled
from tests.simulation.day import Ours, Step, Told, invented, recorded
from webhooks import app, carrier, provider, signatures

SEED = 12
MINUTE, HOUR = 60.0, 3600.0
OF_ARRIVAL = {"received_at", "sweep_at"}  # when news came, and a minute after it was applied

type Change = tuple[Any, str, Any]


class End(NamedTuple):
    """What a day ends in: the tables, who was woken, for what a person was called, and what senders were answered."""

    tables: dict[str, list[str]]
    woken: set[tuple[str, str]]
    calls: set[str]
    answers: Counter[tuple[str, int]]


def in_order(day: list[Step]) -> End:
    """One after the other, as it went."""

    def go(here: World, answers: Counter[tuple[str, int]]) -> None:
        for step in day:
            _take(here, step, answers)

    return _run(go)


def shuffled(day: list[Step], seed: int = SEED, *changes: Change, schedule: bool = True) -> End:
    """At any time, a third of the webhooks twice, and a tenth as many again by somebody else."""
    chance = random.Random(seed)
    told = [step for step in day if isinstance(step, Told)]
    twice = chance.sample(told, len(told) // 3)
    forged = invented(seed, day, len(told) // 10)

    def go(here: World, answers: Counter[tuple[str, int]]) -> None:
        for step in (*day, *twice):
            here.loop.spawn(functools.partial(_take, here, step, answers), delay=chance.uniform(0, len(day) / 20))
        for number, step in enumerate(forged):
            do = functools.partial(_forge, here, step, number, answers)
            here.loop.spawn(do, delay=chance.uniform(0, len(day) / 20))

    return _run(go, *changes, schedule=schedule)


def _take(here: World, step: Step, answers: Counter[tuple[str, int]]) -> None:
    if isinstance(step, Ours):
        for table, item in step.items:
            here.put(table, item)
        return
    here.tell(step.sender, step.body)
    answers["genuine", here.news[-1][2].status] += 1


def _forge(here: World, step: Told, number: int, answers: Counter[tuple[str, int]]) -> None:
    """Say it without the key, in one of the ways in which it can be tried."""
    text, headers = here.signed(step.sender, step.body)
    (name, signature), *_ = headers.items()
    match number % 5:
        case 0:
            headers = {}
        case 1:
            headers = {name: signature[:-4] + "0000"}
        case 2:
            text = text.replace("forged", "forget")
        case 3:
            _, headers = here.signed("stripe" if step.sender == "carrier" else "carrier", step.body)
            headers = {name: next(iter(headers.values()))}
        case 4:
            here.loop.sleep(5 * MINUTE + 1)  # it was genuine once
    answer = here.ask("POST", f"/webhooks/{step.sender}", text, headers)
    answers["forged", answer.status] += 1


def _run(go: Callable[[World, Counter[tuple[str, int]]], None], *changes: Change, schedule: bool = True) -> End:
    here = world()
    here.begin(SEED, Injector(()))
    here.scheduled = False  # what is found on the list of what is to do is another test's concern
    woken: set[tuple[str, str]] = set()
    answers: Counter[tuple[str, int]] = Counter()
    wake = (callback, "wake", lambda token, order_id: woken.add((token, order_id)))
    with ExitStack() as inside:
        inside.enter_context(patched([wake, *changes]))
        here.loop.spawn(lambda: go(here, answers))
        here.loop.settle()
        if schedule:
            here.loop.spawn(lambda: _apply_what_waits(here))
            here.loop.settle()
    here.loop.close()
    calls = {json.dumps(alert.message["open"]) for alert in here.alerts}
    return End({name: _normal(items) for name, items in here.stored().items()}, woken, calls, answers)


def _apply_what_waits(here: World) -> None:
    """The schedule, for as long as there is something to do; and once more when what waits is a day old."""
    function = here.stack.routes["POST /webhooks/carrier"]
    for moment in (5 * MINUTE, 25 * HOUR):
        here.loop.sleep(moment)
        while True:
            counts = here.invoke(function, {"action": "apply"})["body"]
            if not counts["applied"] and not counts["unknown"]:
                break
            here.loop.sleep(5 * MINUTE)


def _normal(items: list[dict[str, Any]]) -> list[str]:
    kept = [{name: value for name, value in item.items() if name not in OF_ARRIVAL} for item in items]
    return sorted(json.dumps(item, sort_keys=True) for item in kept)


# ── The day ─────────────────────────────────────────────────────────────────────────────────────────────────────────

WEBHOOKS = 2_000


@pytest.fixture(scope="module")
def day() -> list[Step]:
    return recorded(SEED, WEBHOOKS)


@pytest.fixture(scope="module")
def ordered(day: list[Step]) -> End:
    return in_order(day)


def test_a_recorded_day_ends_the_same_in_whatever_order_it_is_told(day: list[Step], ordered: End) -> None:
    other = shuffled(day)

    for table, items in ordered.tables.items():
        assert items == other.tables[table], table
    assert ordered.woken == other.woken
    assert ordered.calls == other.calls
    assert ordered.answers == {("genuine", 200): WEBHOOKS}
    assert other.answers == {("genuine", 200): WEBHOOKS + WEBHOOKS // 3, ("forged", 400): WEBHOOKS // 10}


def test_something_of_each_kind_happens_on_it(day: list[Step], ordered: End) -> None:
    kept = [json.loads(item) for item in ordered.tables["InboxTable"]]
    kinds = {(item["kind"]["S"], item["status"]["S"]) for item in kept}
    assert kinds >= {(kind, "APPLIED") for kind in (*carrier.STATUSES, *provider.KINDS)}
    assert kinds >= {("parcel.delivered", "UNKNOWN"), ("charge.dispute.created", "UNKNOWN")}
    assert not [item for item in kept if item["status"]["S"] == "RECEIVED" or "pending" in item]
    assert WEBHOOKS * 0.8 < len(kept) < WEBHOOKS  # of what nobody wants to know nothing is kept
    for table in ("ShipmentsTable", "ReturnsTable", "PaymentsTable", "OpenShipmentsTable"):
        assert ordered.tables[table] != in_order([step for step in day if isinstance(step, Ours)]).tables[table]
    assert ordered.woken
    assert ordered.calls


# ── What it takes ───────────────────────────────────────────────────────────────────────────────────────────────────


def without(*conditions: tuple[str, str]) -> Change:
    """Writes whose conditions say less than they do."""
    original = guarded.write

    def write(table: str, order_id: str, update: str, condition: str, terms: Any) -> Any:
        for strict, loose in conditions:
            condition = condition.replace(strict, loose)
        return original(table, order_id, update, condition, terms)

    return (guarded, "write", write)


ANYTHING = "attribute_exists(order_id)"
GUARDS: dict[str, tuple[Change, ...]] = {
    "a parcel may go back": (
        (
            carrier,
            "_BELOW",
            {
                ParcelStatus.SHIPPED: (ParcelStatus.PLANNED, ParcelStatus.DELIVERED),
                ParcelStatus.DELIVERED: (ParcelStatus.PLANNED, ParcelStatus.SHIPPED),
            },
        ),
    ),
    "a return may go back": (
        without(
            ("#status = :requested", f"#status = :requested OR ({ANYTHING} AND attribute_exists(#returns.#return))")
        ),
    ),
    "a dispute that is decided may be opened again": (without(("attribute_not_exists(dispute)", ANYTHING)),),
    "any hold of an order is its payment's": (
        without((" provider_reference = :reference", f" (provider_reference = :reference OR {ANYTHING})")),
    ),
    "a refund fails as often as it is told": (
        without(("(:refunding, :refunded)", "(:refunding, :refunded, :failed)")),
    ),
    "anybody is believed": ((signatures, "check", lambda *_: None),),
    "what was true once is believed for ever": ((signatures, "TOLERANCE_SECONDS", 10**9),),
    "what comes too early is thrown away": ((app, "DAY", 0),),
}


@pytest.fixture(scope="module")
def morning() -> list[Step]:
    return recorded(SEED, 400)


@pytest.fixture(scope="module")
def noon(morning: list[Step]) -> End:
    """How the morning ends in order."""
    return in_order(morning)


def test_a_morning_takes_all_of_its_guards(morning: list[Step], noon: End) -> None:
    assert shuffled(morning)[:3] == noon[:3]


@pytest.mark.parametrize("guard", sampled(GUARDS))
def test_without_any_of_them_it_ends_otherwise(guard: str, morning: list[Step], noon: End) -> None:
    assert shuffled(morning, SEED, *GUARDS[guard])[:3] != noon[:3]


def test_nor_does_it_without_the_schedule(morning: list[Step], noon: End) -> None:
    assert shuffled(morning, schedule=False)[:3] != noon[:3]
