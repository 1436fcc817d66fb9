"""Kill runtime processes while orders are under way, as a machine that fails kills them, and see what comes of it.

The processes are the functions' own: children of the emulator that run AWS's runtime client. Nothing is restarted by
hand. What the runbook (docs/operations.md) leaves to a person is done as it says and counted: an order whose workflow
failed, or that never reached one, has its event sent again.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from local import ledger, shop, watch
from local.emulator import Emulator
from local.ledger import Ledger
from local.shop import Placement
from local.stack import Stack

ENOUGH_KILLS = 30
KILL_EVERY = (0.2, 0.9)  # seconds
HEAD_START = 5  # kills before the first order is through; from then on one more for each that is
SAY_AGAIN_SECONDS = 15  # more than any retry of the stream or the workflow takes before it shows
# https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html: the bootstrap's last argument is the handler.
RUNTIME = "awslambdaric"


@dataclass
class Report:
    """What was done. `kills` by function; orders `redriven` had a failed workflow, those `sent_again` had none."""

    kills: Counter[str] = field(default_factory=Counter)
    redriven: list[str] = field(default_factory=list)
    sent_again: list[str] = field(default_factory=list)


def storm(emulator: Emulator, stack: Stack, placements: Sequence[Placement], seed: int, seconds: float) -> Report:
    """Place orders, kill as long as they are under way, then repair as the runbook says; for at most `seconds`."""
    rng = random.Random(seed)
    report = Report()
    waiting = list(placements)
    deadline = time.monotonic() + seconds
    columns = (TextColumn("{task.description}"), BarColumn(36), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=watch.console) as progress:
        task = progress.add_task("orders settled", total=len(placements))
        quiet_since: float | None = None
        while time.monotonic() < deadline:
            now = ledger.look(stack)
            placed = len(placements) - len(waiting)
            settled = sum(now.settled(placement.order_id) for placement in placements)
            progress.update(task, completed=settled, description=f"orders settled, {report.kills.total()} kills")
            for _ in range(watch.UNDER_WAY - (placed - settled)):
                if waiting:
                    shop.place(stack, waiting.pop(0).item)
            running = bool(_executions(stack, "RUNNING"))
            if settled == len(placements) and not running:
                return report
            # The storm is over when nothing moves: what is left then is left for a person.
            quiet_since = None if running or not _stuck(now, placements, waiting) else quiet_since or time.monotonic()
            if quiet_since and time.monotonic() - quiet_since > SAY_AGAIN_SECONDS:
                _repair(stack, now, placements, waiting, report)
                quiet_since = None
            time.sleep(rng.uniform(*KILL_EVERY))
            # On a busy machine a cold start takes longer than the time between two kills: nothing would ever be done.
            if report.kills.total() < HEAD_START + settled and settled < len(placements):
                _kill_one(emulator, rng, report)
    return report


def explained_repeats(now: Ledger, report: Report) -> tuple[int, int]:
    """How many emails were repeated, and how many may have been: one for each kill of a notify runtime."""
    repeated = sum(max(0, now.told(order_id) - 1) for order_id in now.orders)
    return repeated, report.kills["notify"]


def _kill_one(emulator: Emulator, rng: random.Random, report: Report) -> None:
    runtimes = sorted(_runtimes(emulator))
    if runtimes:
        pid, function = rng.choice(runtimes)
        with contextlib.suppress(ProcessLookupError):  # it ended by itself meanwhile
            os.kill(pid, signal.SIGKILL)
            report.kills[function] += 1


def _runtimes(emulator: Emulator) -> Iterator[tuple[int, str]]:
    """The process id and function of every runtime that is this emulator's own."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        pid, parent, command = line.split(None, 2)
        if int(parent) == emulator.pid and RUNTIME in command:
            yield int(pid), command.rsplit(None, 1)[-1].split(".")[0]


def _stuck(now: Ledger, placements: Sequence[Placement], waiting: Sequence[Placement]) -> list[str]:
    """Orders that were placed and have not come to their end."""
    unplaced = {placement.order_id for placement in waiting}
    ids = [placement.order_id for placement in placements if placement.order_id not in unplaced]
    return [order_id for order_id in ids if not now.settled(order_id)]


def _repair(
    stack: Stack, now: Ledger, placements: Sequence[Placement], waiting: Sequence[Placement], report: Report
) -> None:
    failed = set(_executions(stack, "FAILED"))
    for order_id in _stuck(now, placements, waiting):
        (report.redriven if order_id in failed else report.sent_again).append(order_id)
        shop.deliver_again(stack, order_id)


def _executions(stack: Stack, status: str) -> list[str]:
    """The orders that have an execution with this status."""
    client = stack.client("stepfunctions")
    pages = client.get_paginator("list_executions").paginate(
        stateMachineArn=stack.outputs["OrderWorkflowArn"], statusFilter=status
    )
    arns = [execution["executionArn"] for page in pages for execution in page["executions"]]
    return [json.loads(client.describe_execution(executionArn=arn)["input"])["order_id"] for arn in arns]
