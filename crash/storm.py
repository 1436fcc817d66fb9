"""Kill runtime processes while orders are under way, as a machine that fails kills them, and see what comes of it.

The processes are the functions' own: children of the emulator that run AWS's runtime client. Nothing is restarted by
hand. What the runbook (docs/operations.md) leaves to a person is done as it says, and counted.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from local import ledger, shop, tap, watch
from local.emulator import Emulator
from local.ledger import Ledger
from local.shop import Placement
from local.stack import RunningStack

ENOUGH_KILLS = 30
# A step makes three attempts or four within some ten seconds. Kills that come faster leave many orders to a person.
KILL_EVERY = (0.3, 1.5)  # seconds
# Fewer than the account's concurrency in the emulator: an order calls two functions at once, and a call that is turned
# away there is repeated without jitter.
UNDER_WAY = 5
# The limit of an init, in seconds: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
INIT_SECONDS = 10
ORDERS_PER_KILL = 2  # orders wait for kills, so that a fast machine gets its share too
AT_WORK_SHARE = 0.7
AT_WORK_SECONDS = 1  # for which a runtime at work is waited for
QUIET_SECONDS = 3  # more than the stream takes to deliver a batch again
NEVER_STARTED_SECONDS = 60

# The outcome of an order of which one hold failed through all its retries (docs/operations.md).
GAVE_UP = frozenset({"INVENTORY_UNAVAILABLE", "PAYMENT_UNAVAILABLE"})
# An attempt that ended like this may have done its work.
CUT_OFF = frozenset({"Runtime.ExitError", "Sandbox.Timedout", "States.Timeout"})

Image = dict[str, Any]
Event = tuple[str, str]  # detail type and order id


@dataclass(frozen=True)
class Runtime:
    """A function's process: how long it has lived, and whether it is at work (on a processor, or waiting for one)."""

    pid: int
    function: str
    seconds: int
    busy: bool


@dataclass(frozen=True)
class Kill:
    """A process that was sent SIGKILL, and how many bytes the emulator had logged by then."""

    function: str
    logged: int


@dataclass(frozen=True)
class Execution:
    """A workflow that has ended: its failed attempts as state and error, and whether it has alerted a person."""

    order_id: str
    status: str
    failures: list[tuple[str, str]]
    alerted: bool


@dataclass
class Storm:
    """What was done: orders `redriven` had a failed workflow, those `sent_again` never had one."""

    kills: list[Kill] = field(default_factory=list)
    redriven: list[str] = field(default_factory=list)
    sent_again: list[str] = field(default_factory=list)
    events: set[Event] = field(default_factory=set)


def storm(emulator: Emulator, stack: RunningStack, placements: Sequence[Placement], seed: int, seconds: float) -> Storm:
    """Place orders and kill until all have come to their end and nothing moves any more, for at most `seconds`."""
    rng = random.Random(seed)
    done = Storm()
    queue = tap.open_tap(stack)
    waiting = list(placements)
    placed: dict[str, float] = {}
    workflows = Workflows(stack)
    deadline = time.monotonic() + seconds
    quiet_since: float | None = None
    columns = (TextColumn("  {task.description:<22}"), watch.bar_column(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=watch.console) as progress:
        bar = progress.add_task("orders, 0 kills", total=len(placements))
        while time.monotonic() < deadline:
            now = ledger.look(stack)
            settled = sum(map(now.settled, placed))
            progress.update(bar, completed=settled, description=f"orders, {len(done.kills)} kills")
            allowed = min(settled, ORDERS_PER_KILL * len(done.kills)) + UNDER_WAY
            while waiting and len(placed) < allowed:
                placement = waiting.pop(0)
                shop.place(stack, placement.item)
                placed[placement.order_id] = time.monotonic()
            done.events |= announced(tap.messages(stack, queue, hide_seconds=12 * 60 * 60))
            workflows.update()
            _act_for_a_person(stack, now, placed, workflows, done)
            moving = waiting or settled < len(placements) or workflows.running
            if moving or changes(placed, images(stack, placed)) - done.events:
                quiet_since = None
                _kill_one(emulator, rng, done)
            elif quiet_since is None:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > QUIET_SECONDS:
                break
            time.sleep(rng.uniform(*KILL_EVERY))
    return done


class Workflows:
    """The executions of the order workflow, read as they change."""

    def __init__(self, stack: RunningStack) -> None:
        self._client = stack.client("stepfunctions")
        self._arn = stack.outputs["OrderWorkflowArn"]
        self._orders: dict[str, str] = {}
        self.running = 0
        self.failed: dict[str, str] = {}

    @property
    def orders(self) -> set[str]:
        """The orders for which a workflow was started."""
        return set(self._orders.values())

    def update(self) -> None:
        """Count those that are `running`, and put those that `failed` in a map of execution to order."""
        self.running = 0
        for execution in self._list():
            arn, status = execution["executionArn"], execution["status"]
            if arn not in self._orders:
                described = self._client.describe_execution(executionArn=arn)
                self._orders[arn] = json.loads(described["input"])["order_id"]
            self.running += status == "RUNNING"
            if status not in ("RUNNING", "SUCCEEDED"):
                self.failed[arn] = self._orders[arn]

    def histories(self) -> list[Execution]:
        """What became of each execution."""
        return [
            execution_from(
                one["status"],
                self._client.get_execution_history(executionArn=one["executionArn"], maxResults=1000)["events"],
            )
            for one in self._list()
        ]

    def _list(self) -> list[dict[str, Any]]:
        pages = self._client.get_paginator("list_executions").paginate(stateMachineArn=self._arn)
        return [execution for page in pages for execution in page["executions"]]


def execution_from(status: str, events: Sequence[dict[str, Any]]) -> Execution:
    """Read an execution's history."""
    order_id, state, failures, alerted = "", "", [], False
    for event in events:
        if started := event.get("executionStartedEventDetails"):
            order_id = json.loads(started["input"])["order_id"]
        elif entered := event.get("stateEnteredEventDetails"):
            state = entered["name"]
        elif failed := event.get("taskFailedEventDetails"):
            failures.append((state, failed["error"]))
        elif (succeeded := event.get("taskSucceededEventDetails")) and succeeded["resource"].endswith("sns:publish"):
            alerted = True
    return Execution(order_id, status, failures, alerted)


def interrupted_notices(executions: Sequence[Execution]) -> Counter[str]:
    """By order, how many attempts to write to the customer were cut off."""
    return Counter(
        execution.order_id
        for execution in executions
        for state, error in execution.failures
        if state == "Notify" and error in CUT_OFF
    )


def images(stack: RunningStack, order_ids: Collection[str]) -> list[Image]:
    """Every state that these orders have had since they were decided, oldest first, from the stream of OrderStates."""
    client, arn = stack.client("dynamodbstreams"), stack.table("OrderStatesTableName").latest_stream_arn
    plain = TypeDeserializer().deserialize
    found = []
    for shard in client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = client.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
            "ShardIterator"
        ]
        while iterator:
            answer = client.get_records(ShardIterator=iterator)
            # An open shard always has a next iterator; the emulator's shards are never empty in between.
            iterator = answer.get("NextShardIterator") if answer["Records"] else None
            found += [plain({"M": record["dynamodb"]["NewImage"]}) for record in answer["Records"]]
    return [image for image in found if image["order_id"] in order_ids]


def changes(order_ids: Collection[str], seen: Sequence[Image]) -> set[Event]:
    """The events that come of these orders and of their states."""
    placed = {("OrderPlaced", order_id) for order_id in order_ids}
    return placed | {(f"Order{image['status'].capitalize()}", image["order_id"]) for image in seen}


def announced(messages: Sequence[Any]) -> set[Event]:
    """What events off the bus say."""
    return {(message["detail-type"], message["detail"]["order_id"]) for message in messages}


def broken_promises(
    placements: Sequence[Placement], now: Ledger, seen: Sequence[Image], done: Storm, executions: Sequence[Execution]
) -> dict[str, list[str]]:
    """The promises that the tables alone can't show, and what contradicts each."""
    placed = [placement.order_id for placement in placements]
    return {
        "Each order came to an outcome that is right for it": list(_wrong_outcomes(placements, now)),
        "No decision ever changed": list(_changed_decisions(seen)),
        "Every change of an order was announced on the bus": [
            f"{order_id}: no {what}" for what, order_id in sorted(changes(placed, seen) - done.events)
        ],
        "Every workflow that failed has alerted a person": [
            f"{execution.order_id}: {execution.status}"
            for execution in executions
            if execution.status != "SUCCEEDED" and not execution.alerted
        ],
    }


def consequences(now: Ledger, done: Storm, executions: Sequence[Execution]) -> dict[str, str]:
    """What the kills cost a customer or a person on call, and how many times."""
    cut_off = [error for execution in executions for _, error in execution.failures if error in CUT_OFF]
    reasons = [state["decision"]["reason"] for state in now.states.values()]
    stuck = Counter(
        f"{state}: {error}"
        for execution in executions
        if execution.status != "SUCCEEDED"
        for state, error in execution.failures[-1:]
    )
    which = f" ({', '.join(f'{count} {what}' for what, count in stuck.most_common())})" if stuck else ""
    return {
        "attempts at a step cut off, and made again by the workflow": str(len(cut_off)),
        "emails repeated": str(sum(max(0, now.told(order_id) - 1) for order_id in now.orders)),
        "orders cancelled because a hold failed in all its attempts": str(sum(why in GAVE_UP for why in reasons)),
        "executions failed, and redriven as docs/operations.md says": f"{len(done.redriven)}{which}",
        "orders never started, their event sent again as it says": str(len(done.sent_again)),
    }


def moments(kills: Sequence[Kill], log: bytes) -> list[str]:
    """What each killed runtime was doing, as the emulator's log between this kill and the next one tells: `busy` when
    an invocation ended without an answer, `starting` when the runtime never came up, else `idle`.
    """
    ends = [*(kill.logged for kill in kills), len(log)]
    return [
        _moment(kill.function, log[start:end].decode(errors="replace"))
        for kill, (start, end) in zip(kills, pairwise(ends), strict=True)
    ]


def _moment(function: str, log: str) -> str:
    lines = [line for line in log.splitlines() if f"-{function.capitalize()}Function-" in line]
    if any("exited during init" in line for line in lines):
        return "starting"
    return "busy" if any("Runtime exited before returning a response" in line for line in lines) else "idle"


def _act_for_a_person(
    stack: RunningStack, now: Ledger, placed: Mapping[str, float], workflows: Workflows, done: Storm
) -> None:
    """What docs/operations.md has a person do: redrive what failed, start what was never started."""
    # The emulator has no RedriveExecution; the runbook then sends the event again.
    for order_id in list(workflows.failed.values())[len(done.redriven) :]:
        shop.deliver_again(stack, order_id)
        done.redriven.append(order_id)
    for order_id, since in placed.items():
        missed = order_id not in workflows.orders and order_id not in done.sent_again
        if missed and time.monotonic() - since > NEVER_STARTED_SECONDS and order_id not in now.states:
            shop.deliver_again(stack, order_id)
            done.sent_again.append(order_id)


def _kill_one(emulator: Emulator, rng: random.Random, done: Storm) -> None:
    """Kill a runtime of any function: any of them or, mostly, one at work, for at any one moment hardly any is."""
    functions = sorted({runtime.function for runtime in runtimes(emulator.pid)})
    if not functions:
        return
    function, at_work = rng.choice(functions), rng.random() < AT_WORK_SHARE
    patience = time.monotonic() + AT_WORK_SECONDS
    while True:
        # A runtime that dies as it starts has done nothing yet, and the emulator then ends all others of its function,
        # as Lambda does not.
        victims = [one for one in runtimes(emulator.pid) if one.function == function and has_started(one)]
        busy = [runtime for runtime in victims if runtime.busy]
        if busy or not at_work or time.monotonic() > patience:
            break
        time.sleep(0.01)
    if victims:
        victim = rng.choice(busy if at_work and busy else victims)
        logged = emulator.log.stat().st_size
        with contextlib.suppress(ProcessLookupError):  # it ended by itself meanwhile
            os.kill(victim.pid, signal.SIGKILL)
            done.kills.append(Kill(victim.function, logged))


def runtimes(emulator_pid: int) -> list[Runtime]:
    """The runtimes that are this emulator's own, by process id."""
    columns = "pid=,ppid=,stat=,etime=,args="
    listing = subprocess.run(["ps", "-A", "-ww", "-o", columns], capture_output=True, text=True, check=True).stdout
    return sorted(runtimes_in(listing, emulator_pid), key=lambda runtime: runtime.pid)


def has_started(runtime: Runtime) -> bool:
    """Whether a runtime has asked for its first event: nothing that it does before that opens a socket."""
    descriptors = Path(f"/proc/{runtime.pid}/fd")
    try:
        return any(str(one.readlink()).startswith("socket:") for one in descriptors.iterdir())
    except OSError:  # it has ended; or there is no /proc here, and its age has to do
        return not Path("/proc/self").exists() and runtime.seconds > INIT_SECONDS


def runtimes_in(listing: str, emulator_pid: int) -> Iterator[Runtime]:
    """Read lines of process id, parent's id, state, age and command."""
    for line in listing.splitlines():
        pid, parent, state, age, command = line.split(None, 4)
        # What local/deploy.py writes into the bootstrap; the handler is `folder.app.handler`.
        if int(parent) == emulator_pid and (runtime := re.search(r" -m awslambdaric (\w+)\.", command)):
            days, _, clock = age.rpartition("-")
            seconds = int(days or 0) * 86_400
            for power, part in enumerate(reversed(clock.split(":"))):
                seconds += int(part) * 60**power
            yield Runtime(int(pid), runtime[1], seconds, state.startswith("R"))


def _wrong_outcomes(placements: Sequence[Placement], now: Ledger) -> Iterator[str]:
    for placement in placements:
        status = now.status(placement.order_id)
        reason = now.decision(placement.order_id).get("reason")
        if status not in placement.expected and not (status == "CANCELLED" and reason in GAVE_UP):
            yield f"{placement.order_id}: {status} {reason}, not {' or '.join(sorted(placement.expected))}"


def _changed_decisions(seen: Sequence[Image]) -> Iterator[str]:
    first: dict[str, Any] = {}
    for image in seen:
        order_id, decision = image["order_id"], image["decision"]
        if decision != first.setdefault(order_id, decision):
            yield f"{order_id}: {first[order_id]} became {decision}"
