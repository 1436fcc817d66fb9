"""Orders of one's own in a stack that others may use as well: placed, watched until the last is closed, and judged."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from demo import shop
from demo.after_sale import ships
from demo.judge import AT_THE_END, add_up
from demo.show import show_verdict
from invariants.books import Books
from invariants.checks import the_customer_is_told_the_outcome
from local import left_running
from local.books import about, emails, look, past
from local.command import FAILED, OK
from local.console import bar_column, complain, console
from local.emulator import CONCURRENCY
from local.logs import keep_logs
from local.session import session
from local.stack import Problem, RunningStack
from local.tap import may_send
from notify import email
from orders import Outcome
from orders.tables import stock_key

POLL_SECONDS = 1
QUIET_SECONDS = 600  # longer than an execution that is throttled all the time
MAX_RECEIVED = 10  # SQS gives no more at once


@dataclass
class Own:
    """Orders whose ids begin with `prefix`, of one SKU of which there are `units`: enough for all of them.

    `opened` are the messages that waited in the failure queues before the first of them.
    """

    stack: RunningStack
    prefix: str
    units: int
    opened: int
    placed: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def sku(self) -> str:
        """The SKU that they buy."""
        return self.prefix.upper()

    def place(self, count: int) -> None:
        """Place so many more, at once: 25 in a request, which is what BatchWriteItem takes."""
        first = len(self.placed) + 1
        new = [shop.order(f"{self.prefix}-{number:05}", {self.sku: 1}) for number in range(first, first + count)]
        with self.stack.table("OrdersTableName").batch_writer() as batch:
            for item in new:
                batch.put_item(Item=item)
        self.placed |= {item["order_id"]: item for item in new}


def own_orders(stack: RunningStack, name: str, units: int) -> Own:
    """A SKU with so many units in stock, and no orders of it yet."""
    own = Own(stack, f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}", units, look(stack).waiting)
    stack.client("dynamodb").put_item(
        TableName=stack.outputs["InventoryTableName"],
        Item={
            **stock_key(own.sku),
            "available": {"N": str(units)},
            "received": {"N": str(units)},
            "unit_price": {"N": str(shop.order("any", {own.sku: 1})["total"])},
            "currency": {"S": shop.CURRENCY},
            "name": {"S": f"For a {name}"},
        },
    )
    return own


@contextmanager
def running_or_own_stack(concurrency: int = CONCURRENCY) -> Iterator[RunningStack]:
    """The stack that `make up` left running, or one that ends with the block and runs so many functions at once.

    Raises Problem for a concurrency that the running stack has not.
    """
    found = left_running.find()
    if found.emulator or found.starting:
        if concurrency != CONCURRENCY:
            raise Problem("A stack is running, and its concurrency can't be changed. Stop it with: make down")
        yield left_running.running()
        return
    with session(concurrency=concurrency) as opened:
        yield opened.stack


# ── Watching ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Seen:
    """How many orders are decided, told, and open still."""

    decided: int
    told: int
    open: int


def see(own: Own) -> Seen:
    """How far these orders have come."""
    subjects = {email.subject(order_id, outcome) for order_id in own.placed for outcome in Outcome}
    return Seen(
        decided=_count(own, "OrderStatesTableName"),
        told=len({one.subject for one in emails(own.stack)} & subjects),
        open=_count(own, "OpenOrdersTableName"),
    )


def _count(own: Own, output: str) -> int:
    pages = (
        own.stack.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=own.stack.outputs[output],
            Select="COUNT",
            ConsistentRead=True,
            FilterExpression="begins_with(order_id, :prefix)",
            ExpressionAttributeValues={":prefix": {"S": own.prefix}},
        )
    )
    return sum(page["Count"] for page in pages)


def looks(own: Own, orders: int, seconds: float) -> Generator[Seen]:
    """Look at the orders again and again for so many seconds, and show how far they have come."""
    deadline = time.monotonic() + seconds
    columns = (TextColumn("  {task.description:<8}"), bar_column(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bars = {name: progress.add_task(name, total=orders) for name in ("decided", "told", "open")}
        while time.monotonic() < deadline:
            seen = see(own)
            for name, bar in bars.items():
                progress.update(bar, completed=getattr(seen, name))
            yield seen
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))


def closed(own: Own, seconds: float) -> bool:
    """Wait until all orders are decided, told and closed, for at most `seconds`; answers whether they came there."""
    orders = len(own.placed)
    with closing(looks(own, orders, seconds)) as seen:
        return Seen(orders, orders, 0) in seen


def quiet(stack: RunningStack) -> None:
    """Wait, for a while, for executions that are still under way.

    They are duplicates of those that have closed the orders, or somebody else's, and must change nothing.
    """
    deadline = time.monotonic() + QUIET_SECONDS
    with console.status("All orders are closed. Duplicates are still under way"):
        while _running(stack) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def _running(stack: RunningStack) -> bool:
    executions = stack.client("stepfunctions").list_executions(
        stateMachineArn=stack.outputs["OrderWorkflowArn"], statusFilter="RUNNING", maxResults=1
    )
    return bool(executions["executions"])


# ── People ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Alerts:
    """A queue that gets a copy of everything that the alert topic says."""

    stack: RunningStack
    url: str

    def about(self, prefix: str) -> int:
        """How many times a person was called for an order of this prefix, or for something that names no orders."""
        client, calls = self.stack.client("sqs"), 0
        while batch := client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=MAX_RECEIVED).get("Messages"):
            for message in batch:
                calls += is_about(message["Body"], prefix)
                client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return calls


def is_about(text: str, prefix: str) -> bool:
    """Whether a call may be about an order of this prefix: it names one, or it names none at all."""
    try:
        named = [order["order_id"] for order in json.loads(text)["open"]]
    except (ValueError, KeyError, TypeError):  # not the sweep's
        return True
    return any(order_id.startswith(prefix) for order_id in named)


@contextmanager
def alerts(stack: RunningStack, name: str) -> Iterator[Alerts]:
    """Listen to the alert topic, for as long as the block takes."""
    topics, queues = stack.client("sns"), stack.client("sqs")
    topic = stack.outputs["AlertTopicArn"]
    url = queues.create_queue(QueueName=f"alerts-{name}")["QueueUrl"]
    subscription = ""
    try:
        arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": may_send(topic, arn)})
        subscription = topics.subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=arn,
            Attributes={"RawMessageDelivery": "true"},
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        yield Alerts(stack, url)
    finally:
        if subscription:
            topics.unsubscribe(SubscriptionArn=subscription)
        queues.delete_queue(QueueUrl=url)


# ── Judging ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def books_of(own: Own) -> Books:
    """The books, as far as they are about these orders, all of which have to be confirmed."""
    now = look(
        own.stack,
        opening={own.sku: own.units},
        placed={order_id: [item] for order_id, item in own.placed.items()},
        expected=dict.fromkeys(own.placed, (Outcome.CONFIRMED,)),
        past=past(own.stack, own.placed.keys()),
    )
    return replace(
        about(now, own.placed),
        counters={own.sku: now.counters.get(own.sku, [])},
        waiting=max(0, now.waiting - own.opened),
    )


def judge(own: Own, *, finished: bool, called: int) -> int:
    """Say what became of the orders. The exit status: OK when each was confirmed and nobody was called."""
    # Where a stack beside the pipeline ships, the orders' lives go on, and there is more to tell. Of the decision each
    # customer has been told.
    spared = (*AT_THE_END, the_customer_is_told_the_outcome) if ships(own.stack) else ()
    now, found = add_up(lambda: books_of(own), lambda _: spared)
    well = show_verdict(found)
    lost = sum(now.decision(order_id)["outcome"] != Outcome.CONFIRMED for order_id in now.states)
    console.print(f"\nOrders cancelled: {lost}. People called: {called}.")
    if not finished:
        complain("Some orders are not finished, and were waited for long enough.")
    if well and finished and not called:
        return OK
    keep_logs(own.stack)
    return FAILED
