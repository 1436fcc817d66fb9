"""Kill runtime processes while orders are under way, as a machine that fails kills them, and see what comes of it.

The processes are the functions' own: children of the emulator that run AWS's runtime client. Nothing is restarted by
hand: what a step's retries don't outlast, the sweep finishes, a minute later or more.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from crash.runtimes import has_started, runtimes
from crash.workflows import Workflows
from demo import shop
from demo.shop import Placement
from invariants.books import Happened
from local import tap
from local.books import look, past
from local.console import bar_column, console
from local.emulator import Emulator
from local.stack import RunningStack
from orders.events import BECAME, PLACED

ENOUGH_KILLS = 30
# A step makes three attempts or four within some ten seconds. Kills that come faster leave many orders to the sweep.
KILL_EVERY = (0.3, 1.5)  # seconds
# Fewer than the account's concurrency in the emulator: an order calls two functions at once, and a call that is turned
# away there is repeated without jitter.
UNDER_WAY = 5
ORDERS_PER_KILL = 2  # orders wait for kills, so that a fast machine gets its share too
AT_WORK_SHARE = 0.7
AT_WORK_SECONDS = 1  # for which a runtime at work is waited for
QUIET_SECONDS = 3  # more than the stream takes to deliver a batch again


@dataclass(frozen=True)
class Kill:
    """A process that was sent SIGKILL, and how many bytes the emulator had logged by then."""

    function: str
    logged: int


@dataclass
class Storm:
    """What was done, and seen: the events on the bus, and the messages by which a person was called."""

    kills: list[Kill] = field(default_factory=list)
    events: set[Happened] = field(default_factory=set)
    calls: list[dict[str, Any]] = field(default_factory=list)


def storm(emulator: Emulator, stack: RunningStack, placements: Sequence[Placement], seed: int, seconds: float) -> Storm:
    """Place orders and kill until all have come to their end and nothing moves any more, for at most `seconds`.

    Kills only come while a workflow runs. What it could not finish waits for the sweep, and nobody kills meanwhile.
    """
    rng = random.Random(seed)
    done = Storm()
    queue, alerts = tap.open_tap(stack), tap.open_alerts(stack)
    waiting = list(placements)
    placed: list[str] = []
    workflows = Workflows(stack)
    deadline = time.monotonic() + seconds
    quiet_since: float | None = None
    columns = (TextColumn("  {task.description:<22}"), bar_column(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("orders, 0 kills", total=len(placements))
        while time.monotonic() < deadline:
            now = look(stack)
            settled = sum(map(now.settled, placed))
            waits = f", {len(now.open)} open" if now.open and not waiting and not workflows.running else ""
            progress.update(bar, completed=settled, description=f"orders, {len(done.kills)} kills{waits}")
            allowed = min(settled, ORDERS_PER_KILL * len(done.kills)) + UNDER_WAY
            while waiting and len(placed) < allowed:
                placement = waiting.pop(0)
                shop.place(stack, placement.item)
                placed.append(placement.order_id)
            messages = tap.messages(stack, queue, hide_seconds=12 * 60 * 60)
            done.events |= {Happened(one["detail-type"], one["detail"]["order_id"]) for one in messages}
            running = workflows.running
            if waiting or running:
                _kill_one(emulator, rng, done)
            if running or settled < len(placements) or not _all_announced(done, placed, past(stack, placed)):
                quiet_since = None
            elif quiet_since is None:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > QUIET_SECONDS:
                break
            time.sleep(rng.uniform(*KILL_EVERY))
    done.calls = [json.loads(one["Message"]) for one in tap.messages(stack, alerts)]
    return done


def _all_announced(done: Storm, placed: Collection[str], seen: Sequence[tuple[str, Any]]) -> bool:
    changes = {Happened(PLACED, order_id) for order_id in placed}
    changes |= {Happened(BECAME[state["status"]], order_id) for order_id, state in seen if state}
    return changes <= done.events


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
