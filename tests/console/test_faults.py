"""Things are broken from outside, one request at a time, and given back however the console ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from console import faults, healing, parts
from console.faults import Faults
from console.healed import Healed
from console.keeper import Call
from console.ledgers import Ledgers
from console.parts import Kind, Part, Step
from console.place import Place
from crash.runtimes import Runtime
from invariants.books import from_tables
from local.stack import ROOT, Problem
from tests.console.breakable import Services, breakable, refuse

FUNCTION = Part(Kind.FUNCTION, "orders", "Payment", "orders-PaymentFunction-1", "Charge", handler="payment")
RULE = Part(
    Kind.RULE, "orders", "OrderPlaced", "orders-OrderPlacedRule-1", "Starts it", pattern='{"source": ["orders"]}'
)
STREAM = Part(Kind.STREAM, "orders", "OrdersStream", "uuid-1", "What changes in Orders, for publish", calls="publish")
SCHEDULE = Part(Kind.SCHEDULE, "orders", "Sweep", "orders-SweepSchedule-1", "Every minute", calls="sweep")
PATIENCE_SECONDS = 60.0


class Kept:
    """What the keeper was told, in the order of everything else."""

    def __init__(self, services: Services) -> None:
        self.services, self.calls = services, dict[str, list[Call]]()

    def remember(self, key: str, calls: list[Call]) -> None:
        self.services.asked.append(("the keeper remembers", {}))
        self.calls[key] = calls

    def forget(self, key: str) -> None:
        self.services.asked.append(("the keeper forgets", {}))
        del self.calls[key]

    def close(self) -> None:
        self.calls.clear()


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
def kept(services: Services, monkeypatch: pytest.MonkeyPatch) -> Kept:
    kept = Kept(services)
    monkeypatch.setattr(faults, "Keeper", lambda _: kept)
    return kept


@pytest.fixture
def broken(services: Services, kept: Kept) -> Faults:
    return Faults(breakable(services))


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# ── Breaking and mending ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_keeper_knows_how_to_mend_before_anything_is_broken(broken: Faults, services: Services) -> None:
    broken.switch_off(FUNCTION)
    assert services.operations == ["the keeper remembers", "put_function_concurrency"]
    assert services.asked[1][1] == {"FunctionName": FUNCTION.physical, "ReservedConcurrentExecutions": 0}


def test_what_is_broken_says_since_when_and_what_heals_it(broken: Faults) -> None:
    before = time.time()
    broken.throttle(FUNCTION)
    [one] = broken.broken
    assert one.title == "The function payment is throttled: one call at a time"
    assert before <= one.since <= time.time()
    assert one.heals == healing.of(FUNCTION)


def test_mending_gives_back_and_is_forgotten_after_that(broken: Faults, services: Services, kept: Kept) -> None:
    broken.switch_off(FUNCTION)
    key = broken.broken[0].key
    broken.mend(key)
    broken.mend(key)
    assert services.operations[2:] == ["delete_function_concurrency", "the keeper forgets"]
    assert not broken.broken
    assert not kept.calls
    assert "Mended after" in broken.notes[0].text


def test_what_can_not_be_mended_stays_broken_and_kept(broken: Faults, services: Services, kept: Kept) -> None:
    services.answers["delete_function_concurrency"] = refuse
    broken.switch_off(FUNCTION)
    with pytest.raises(Problem, match="Not now"):
        broken.mend_all()
    assert len(broken.broken) == len(kept.calls) == 1


def test_what_is_refused_is_not_broken(broken: Faults, services: Services, kept: Kept) -> None:
    services.answers["put_function_concurrency"] = refuse
    with pytest.raises(Problem, match="Not now"):
        broken.switch_off(FUNCTION)
    assert not broken.broken
    assert not kept.calls


def test_a_part_is_broken_in_one_way_at_a_time(broken: Faults, services: Services) -> None:
    broken.switch_off(FUNCTION)
    broken.throttle(FUNCTION)
    assert [one.title for one in broken.broken] == ["The function payment is throttled: one call at a time"]
    assert services.operations.index("delete_function_concurrency") == 2


def test_a_schedule_sleeps_with_everything_else_as_it_was(broken: Faults, services: Services) -> None:
    known = {
        "Name": SCHEDULE.physical,
        "GroupName": "default",
        "ScheduleExpression": "rate(1 minute)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": "arn", "RoleArn": "role", "Input": "{}"},
        "State": "ENABLED",
        "Arn": "arn:schedule",
    }
    services.answers["get_schedule"] = lambda _: known
    broken.let_sleep(SCHEDULE)
    broken.mend_all()
    sleep, wake = (asked for name, asked in services.asked if name == "update_schedule")
    assert sleep == {name: known[name] for name in known.keys() - {"Arn", "State"}} | {"State": "DISABLED"}
    assert wake == sleep | {"State": "ENABLED"}


def test_a_stream_is_held_back_and_read_again(broken: Faults, services: Services) -> None:
    broken.hold(STREAM)
    broken.mend_all()
    said = [asked for name, asked in services.asked if name == "update_event_source_mapping"]
    assert said == [{"UUID": "uuid-1", "Enabled": False}, {"UUID": "uuid-1", "Enabled": True}]


def test_whoever_listens_is_told(broken: Faults) -> None:
    told: list[int] = []
    stop = broken.subscribe(lambda: told.append(len(broken.broken)))
    broken.switch_off(FUNCTION)
    broken.mend_all()
    stop()
    broken.switch_off(FUNCTION)
    assert told == [1, 0]


# ── The next event ──────────────────────────────────────────────────────────────────────────────────────────────────


def message(order_id: str) -> dict[str, Any]:
    return {"Body": json.dumps({"detail-type": "OrderPlaced", "detail": {"order_id": order_id}})}


@pytest.fixture
def passing(services: Services) -> list[dict[str, Any]]:
    """What has passed by the rule and nobody has seen yet."""
    waiting: list[dict[str, Any]] = []

    def receive(_: dict[str, Any]) -> dict[str, Any]:
        found = list(waiting)
        waiting.clear()
        time.sleep(0.01)
        return {"Messages": found} if found else {}

    services.answers["receive_message"] = receive
    services.answers["create_queue"] = lambda asked: {"QueueUrl": f"url/{asked['QueueName']}"}
    services.answers["get_queue_attributes"] = lambda _: {"Attributes": {"QueueArn": "arn"}}
    return waiting


def test_the_next_event_is_dropped_and_no_other(
    broken: Faults, services: Services, passing: list[dict[str, Any]]
) -> None:
    broken.drop_next(RULE)
    assert services.operations.index("disable_rule") < services.operations.index("enable_rule")
    passing.append(message("o-1"))
    until(lambda: not broken.broken)
    rules = [asked["Name"] for name, asked in services.asked if name == "enable_rule"]
    assert rules[1] == RULE.physical  # the first was the witness
    assert broken.notes[1].order_id == "o-1"
    assert "was dropped" in broken.notes[1].text
    assert services.operations[-2:] == ["delete_queue", "the keeper forgets"]


def test_a_rule_that_is_mended_before_an_event_comes_drops_none(
    broken: Faults, services: Services, passing: list[dict[str, Any]]
) -> None:
    broken.drop_next(RULE)
    broken.mend_all()
    asked = len(services.asked)
    passing.append(message("o-1"))
    time.sleep(0.1)
    assert not any("dropped" in note.text for note in broken.notes)
    assert services.operations[asked:].count("enable_rule") <= 1


# ── Runtimes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_the_runtimes_of_that_function_are_killed(broken: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    there = [Runtime(11, "payment", 5, True), Runtime(12, "notify", 5, True), Runtime(13, "payment", 5, False)]
    functions = {11: FUNCTION.physical, 13: "another-stack-PaymentFunction-1"}
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(faults, "runtimes", lambda _: there)
    monkeypatch.setattr(faults, "_function_of", functions.__getitem__)
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))
    assert broken.kill(FUNCTION) == "1 runtime of payment killed."
    assert killed == [(11, signal.SIGKILL)]


def test_without_the_emulators_process_nothing_is_killed(services: Services, kept: Kept) -> None:
    nowhere = Faults(replace(breakable(services), emulator_pid=None))
    with pytest.raises(Problem, match="process"):
        nowhere.kill(FUNCTION)
    assert not kept.calls


# ── What can be broken, and what heals it ───────────────────────────────────────────────────────────────────────────


def test_nothing_is_broken_on_aws() -> None:
    place = Place("orders", {}, embedded=False, may_write=True, endpoint_url=None, stacks=("orders",))
    assert not faults.can_break(place)
    with pytest.raises(Problem, match="embedded"):
        faults.of(place)


@pytest.mark.parametrize("part", [FUNCTION, RULE, STREAM, SCHEDULE], ids=lambda part: part.kind)
def test_each_kind_can_be_broken_and_says_what_heals_it(part: Part) -> None:
    assert all(callable(getattr(Faults, method)) for method, _ in faults.can(part))
    assert healing.of(part).endswith(".")


def test_a_function_is_healed_by_whoever_calls_it() -> None:
    steps = (Step("order", "Reserve", 150.0), Step("order", "Release", 150.0))
    said = healing.of(Part(Kind.FUNCTION, "s", "Inventory", "i", "", steps=steps))
    assert "called in Reserve and Release of the order workflow" in said
    assert "for up to 2.5 minutes" in said
    assert "after 1, 2, 4, 8 minutes, then every 15" in said
    assert "The stream keeps it" in healing.of(Part(Kind.FUNCTION, "s", "Publish", "p", "", streams=("Orders",)))
    assert "has to ask again" in healing.of(Part(Kind.FUNCTION, "s", "Api", "a", "", answers_requests=True))


def test_what_becomes_of_a_call_that_is_killed_depends_on_who_made_it() -> None:
    sweep = healing.of_killed(Part(Kind.FUNCTION, "s", "Sweep", "w", "", schedules=("every minute",)))
    assert "not repeated: the next one, every minute" in sweep
    assert "workflow" not in sweep
    assert "has to ask again" in healing.of_killed(Part(Kind.FUNCTION, "s", "Api", "a", "", answers_requests=True))
    step = Part(Kind.FUNCTION, "s", "Inventory", "i", "", steps=(Step("order", "Reserve", 150.0),))
    assert "made again within seconds" in healing.of_killed(step)


def test_the_steps_of_every_branch_are_found() -> None:
    definition = json.loads((ROOT / "statemachine" / "order.asl.json").read_text("utf-8"))
    names = [name for name, _ in parts.states_of(definition)]
    assert {"Validate", "Reserve", "Authorize"} <= set(names)


def test_a_step_waits_as_its_retrier_says() -> None:
    retrier = {"ErrorEquals": ["Lambda.Unknown"], "IntervalSeconds": 2, "BackoffRate": 2, "MaxDelaySeconds": 5}
    never = {"ErrorEquals": ["OrderInvalid"], "MaxAttempts": 0}
    assert parts.patience({"Retry": [never, retrier | {"MaxAttempts": 4}]}) == 2 + 4 + 5 + 5
    assert parts.patience({}) == 0


# ── What has healed ─────────────────────────────────────────────────────────────────────────────────────────────────


def seen(at: float, *under_way: str, sweeps: int = 0) -> Ledgers:
    entries = [{"order_id": {"S": one}, "sweeps": {"N": str(sweeps)}, "sweep_at": {"N": "0"}} for one in under_way]
    tables: dict[str, Any] = {
        name: [] for name in ("OrdersTable", "OrderStatesTable", "InventoryTable", "PaymentsTable")
    }
    tables["OpenOrdersTable"] = entries
    return Ledgers(at, tables, {}, (), from_tables(tables, [], 0), frozenset(under_way))


def test_an_order_that_was_swept_is_news_once_when_it_is_off_the_list(broken: Faults) -> None:
    healed = Healed(broken)
    now = time.time()
    healed.see(seen(now - 70, "o-1"))
    healed.see(seen(now - 5, "o-1", sweeps=1))
    healed.see(seen(now))
    healed.see(seen(now))
    [note] = broken.notes
    assert note.order_id == "o-1"
    assert "after 70 s, because the sweep sent its event again" in note.text


class Read:
    """The ledgers' reader: who listens, and what they hear."""

    def __init__(self) -> None:
        self.latest: Ledgers | None = None
        self.listeners: list[Callable[[], None]] = []

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def reads(self, seen: Ledgers) -> None:
        self.latest = seen
        for listener in list(self.listeners):
            listener()


def test_the_ledgers_are_read_while_something_is_broken_or_an_order_waits_that_it_befell(broken: Faults) -> None:
    async def watch() -> None:
        read, now = Read(), time.time()
        healed = Healed(broken)
        healed.keep_up(read)  # type: ignore[arg-type]
        healed.keep_up(read)  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assert not read.listeners
        await asyncio.to_thread(broken.switch_off, FUNCTION)
        await asyncio.sleep(0)
        assert len(read.listeners) == 1
        read.reads(seen(now - 70, "o-1"))
        await asyncio.to_thread(broken.mend_all)
        await asyncio.sleep(0)
        assert len(read.listeners) == 1
        read.reads(seen(now, "o-2"))  # it was placed after the mending
        assert not read.listeners
        assert [note.order_id for note in broken.notes if "has healed" in note.text] == ["o-1"]

    asyncio.run(watch())


def test_who_came_off_a_list_that_nobody_looked_at_is_no_news(broken: Faults) -> None:
    healed = Healed(broken)
    healed.see(seen(time.time() - 3600, "o-1", sweeps=1))
    healed.see(seen(time.time()))
    assert not broken.notes


def test_an_order_that_nothing_delayed_is_no_news(broken: Faults) -> None:
    healed = Healed(broken)
    healed.see(seen(time.time() - 1, "o-1"))
    healed.see(seen(time.time()))
    assert not broken.notes
