"""What a person sees: progress, orders moving, ledgers, and the verdict."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from local import ledger
from local.ledger import Ledger
from local.shop import GENERATED, Placement
from local.stack import RunningStack


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Whoever prints gets the error, and cleans up without another word."""
        self.quiet = True
        raise BrokenPipeError


# What is printed comes from orders too, and an order may say anything: nothing in it is markup or a picture's name.
console = _Console(highlight=False, markup=False, emoji=False)

POLL_SECONDS = 0.4
UNDER_WAY = 10
_COLOURS = {"CONFIRMED": "green", "CANCELLED": "yellow", "REJECTED": "magenta", "PLACED": "cyan"}
# States that only route are left out of a path.
_STEPS = ("Validate", "Try", "Decide", "Capture", "Cancel", "Escalate", "Notify")


@contextmanager
def progress() -> Iterator[Callable[[str, int], Callable[[], None]]]:
    """Bars for long work: call the yielded function with a name and a length; call its answer for each step."""
    columns = (SpinnerColumn(), TextColumn("{task.description:<22}"), bar_column(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:

        def start(name: str, total: int) -> Callable[[], None]:
            # The previous step is over when the next one starts.
            for task in bars.tasks:
                bars.update(task.id, completed=task.total)
            task_id: TaskID = bars.add_task(name, total=total)
            # Totals are estimates: a bar stops just short of its end until the step is really over.
            return lambda: bars.update(task_id, completed=min(bars.tasks[task_id].completed + 1, total - 1))

        yield start
        for task in bars.tasks:
            bars.update(task.id, completed=task.total)


def bar_column() -> BarColumn:
    """A bar of what a narrow window has left beside its description and time."""
    return BarColumn(max(1, min(36, console.width - 42)))


def plain(text: str) -> str:
    """A text as a terminal may get it: what would move the cursor, change colours or break the line is spelled out."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def follow(stack: RunningStack, placements: Sequence[Placement], place: Callable[[Placement], None], seconds: float) -> Ledger:
    """Place the orders and show them moving until everything has ended, for at most `seconds`; answers the last look.

    Generated orders arrive as customers do, one by one, and no more are under way than two cores can take.
    """
    shown = [placement for placement in placements if placement.title != GENERATED]
    waiting = [placement for placement in placements if placement.title == GENERATED]
    others = [placement.order_id for placement in waiting]
    deliveries = sum(placement.deliveries for placement in placements)
    for placement in shown:
        place(placement)
    paths = Paths(stack, {placement.order_id for placement in shown})
    deadline = time.monotonic() + seconds
    bar = Progress(TextColumn("generated orders"), bar_column(), MofNCompleteColumn(), TimeElapsedColumn())
    task = bar.add_task("generated", total=len(others))
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        ended = False
        while True:
            now = ledger.look(stack)
            settled = sum(map(now.settled, others))
            for _ in range(UNDER_WAY - (len(others) - len(waiting) - settled)):
                if waiting:
                    place(waiting.pop(0))
            bar.update(task, completed=settled)
            table = _orders(shown, now, paths.update())
            live.update(Group(table, _tally(now, others), bar) if others else table, refresh=True)
            if ended:
                return now
            # Not when the orders are settled: a duplicate may still be under way, and must change nothing either.
            ended = (paths.ended >= deliveries and not paths.running) or time.monotonic() > deadline
            time.sleep(POLL_SECONDS)


class Paths:
    """The steps that each order's executions have taken so far."""

    def __init__(self, stack: RunningStack, order_ids: set[str], since: datetime | None = None) -> None:
        """Executions that started before `since` are left out."""
        self._client = stack.client("stepfunctions")
        self._arn = stack.outputs["OrderWorkflowArn"]
        self._wanted = order_ids
        self._since = since or datetime.min.replace(tzinfo=UTC)
        self._ended: dict[str, str] = {}
        self.running = 0
        self._steps: dict[str, tuple[str, list[str]]] = {}

    @property
    def ended(self) -> int:
        """How many executions have come to an end."""
        return len(self._ended)

    def update(self) -> dict[str, list[list[str]]]:
        """By order id, the steps of each of its executions, oldest first."""
        self.running = 0
        for page in self._client.get_paginator("list_executions").paginate(stateMachineArn=self._arn):
            for execution in page["executions"]:
                arn = execution["executionArn"]
                if arn in self._ended or execution["startDate"] < self._since:
                    continue
                if execution["status"] == "RUNNING":
                    self.running += 1
                else:
                    self._ended[arn] = execution["status"]
                self._read(arn)
        by_order: dict[str, list[list[str]]] = {}
        for order_id, steps in self._steps.values():
            by_order.setdefault(order_id, []).append(steps)
        return by_order

    def ends(self, order_id: str) -> set[str]:
        """How the order's executions ended; nothing while one of them runs, or before the first."""
        arns = [arn for arn, (whose, _) in self._steps.items() if whose == order_id]
        return {self._ended[arn] for arn in arns} if all(arn in self._ended for arn in arns) else set()

    def _read(self, arn: str) -> None:
        if arn in self._steps and self._steps[arn][0] not in self._wanted:
            return
        events = self._client.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        order_id = json.loads(events[0]["executionStartedEventDetails"]["input"])["order_id"]
        entered = [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]
        self._steps[arn] = (order_id, [name for name in entered if name in _STEPS])


def _orders(placements: Sequence[Placement], now: Ledger, paths: Mapping[str, list[list[str]]]) -> Table:
    shown = _headings(console.width)
    table = _table("Orders", *shown)
    for placement in placements:
        decision = now.decision(placement.order_id)
        outcome = plain(now.status(placement.order_id))
        done = now.settled(placement.order_id)
        right = not decision or decision["outcome"] in placement.expected
        mark = "…" if not done else "✔" if right else "✘"
        runs = paths.get(placement.order_id, [])
        path = "›".join(step.lower() for step in runs[0]) if runs else "in the stream"
        cells = {
            "order": Text(placement.title),
            "path": Text(path + (f" ×{len(runs)}" if len(runs) > 1 else ""), style="" if done else "cyan"),
            # Never broken, so that a narrow window takes from the others.
            "outcome": Text(f"{mark} {outcome}", style=_COLOURS.get(outcome, "") if right else "bold red"),
            "why": Text(str(decision.get("reason", "")), style="dim"),
        }
        table.add_row(*(cells[heading] for heading in shown))
    return table


def _headings(width: int) -> Sequence[str]:
    """The columns that a window of this width has room for: the outcome always, the path and the reason if they fit."""
    if width < 75:
        return ("order", "outcome")
    return ("order", "path", "outcome", "why") if width >= 110 else ("order", "path", "outcome")


def _tally(now: Ledger, order_ids: Sequence[str]) -> Text:
    counts = Counter(now.status(order_id) for order_id in order_ids)
    return Text("  ".join(f"{count} {status.lower()}" for status, count in sorted(counts.items())))


def show_mails(now: Ledger, order_ids: Sequence[str]) -> None:
    """The emails that the customers of these orders got, by their subject."""
    table = _table("Emails", "to", "subject")
    for mail in sorted(now.mails, key=lambda mail: mail.subject):
        if any(mail in now.mails_about(order_id) for order_id in order_ids):
            table.add_row(plain(mail.to), plain(mail.subject))
    console.print(table)


def show_stock(now: Ledger, opening: Mapping[str, int]) -> None:
    """The stock of each SKU: what there was, is, and is held."""
    table = _table("Stock", "sku", "opening", "available", "held", numbers=3)
    for sku, units in opening.items():
        table.add_row(sku, str(units), str(now.available(sku)), str(now.held(sku)))
    console.print(table)


def show_payments(now: Ledger, order_ids: Sequence[str]) -> None:
    """Our payment of each order beside what the provider says of it."""
    table = _table("Payments", "order", "ours", "the provider's", "amount", numbers=1)
    intents = {intent["order_id"]: intent for intent in now.intents}
    for order_id in order_ids:
        payment, intent = now.payments.get(order_id), intents.get(order_id)
        if payment:
            theirs = intent["status"] if intent else "never asked"
            table.add_row(plain(order_id), str(payment["status"]), theirs, str(payment.get("amount", "")))
    console.print(table)


def show_kills(kills: Sequence[tuple[str, str]]) -> None:
    """How many runtimes were killed: each kill is a function, and `busy`, `starting` or `idle`."""
    headings = {"busy": "in an invocation", "starting": "starting", "idle": "idle"}
    table = _table("Kills, by what the runtime was doing", "function", *headings.values(), "all", numbers=4)
    counts = Counter(kills)
    for function, total in Counter(function for function, _ in kills).most_common():
        table.add_row(function, *(str(counts[function, moment]) for moment in headings), str(total))
    totals = Counter(moment for _, moment in kills)
    table.add_row("all", *(str(totals[moment]) for moment in headings), str(len(kills)), style="bold")
    console.print(table)


def show_consequences(consequences: Mapping[str, str]) -> None:
    """What the kills led to, and how many times."""
    console.print("\nWhat came of them", style="italic")
    for what, how_many in consequences.items():
        console.print(f"  {what:<60}{how_many}", soft_wrap=True)


def show_verdict(findings: Mapping[str, Sequence[str]]) -> bool:
    """Each invariant with what contradicts it. Answers whether nothing does."""
    console.print("\nInvariants", style="italic")
    for promise, problems in findings.items():
        console.print(
            Text("  ✔ " if not problems else "  ✘ ", style="green" if not problems else "red"), promise, sep=""
        )
        for problem in problems[:10]:
            console.print(f"      {plain(problem)}", style="red")
        if len(problems) > 10:
            console.print(f"      and {len(problems) - 10} more", style="red")
    return not any(findings.values())


def show_order(order: Mapping[str, Any], now: Ledger) -> None:
    """One order's end."""
    order_id = str(order["order_id"])
    decision = now.decision(order_id)
    payment = now.payments.get(order_id, {})
    reservation = now.reservations.get(order_id, {})
    outcome = plain(now.status(order_id))
    console.print(Text(f"{plain(order_id)}  ", style="bold"), Text(outcome, style=_COLOURS.get(outcome, "")), sep="")
    for label, value in (
        ("reason", decision.get("reason", "")),
        *(("", violation) for violation in decision.get("violations", [])),
        ("stock", reservation.get("status", "none")),
        ("payment", payment.get("status", "none")),
        ("emails", now.told(order_id)),
    ):
        console.print(f"  {label:<8} {plain(str(value))}")


def complain(message: str) -> None:
    """Say what is wrong, in one paragraph that the terminal breaks as it likes."""
    lines = "\n".join(plain(line) for line in message.splitlines())
    console.print(Text.assemble(("✘", "red"), f" {lines}"), soft_wrap=True)


def _table(title: str, *headings: str, numbers: int = 0) -> Table:
    """A table whose last columns are numbers. Where it is too wide, it gets more lines, and nothing is left out."""
    table = Table(title=f"\n{title}", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for position, heading in enumerate(headings):
        right = numbers > 0 and position >= len(headings) - numbers
        table.add_column(heading, justify="right" if right else "left", no_wrap=heading == "outcome", overflow="fold")
    return table
