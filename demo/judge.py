"""Whether orders on a running stack add up: the books as far as they are about them, and what contradicts them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from demo.after_sale import POLL_SECONDS, SWEPT_SECONDS, Life, ships
from invariants.books import Books, Execution
from invariants.checks import every_order_ends, every_workflow_ends, violations
from invariants.invariant import Invariant
from invariants.shipping import ENDS, every_life_ends
from local.books import about, look, past
from local.stack import RunningStack
from orders import Outcome, Status

# Tables are read one after the other, and emails follow what they tell of: what does not add up may do so in a moment.
SETTLE_SECONDS = 30.0
# What holds only when an order's life is over.
AT_THE_END = (every_order_ends, every_life_ends, every_workflow_ends)

Findings = Mapping[Invariant, Sequence[str]]


def add_up(read: Callable[[], Books], spared: Callable[[Books], Sequence[object]]) -> tuple[Books, Findings]:
    """The books, and what contradicts each invariant that they can speak of: read until nothing does, for a while.
    `spared` are the checks that ask too much of them, for more is to come.
    """
    began = time.monotonic()
    while True:
        now = read()
        less = spared(now)
        found = {one: said for one, said in violations(now).items() if one.check not in less}
        wrong = [one for one, said in found.items() if said]
        # What is not over yet may wait for the sweep.
        patience = SWEPT_SECONDS if all(one.check in AT_THE_END for one in wrong) else SETTLE_SECONDS
        if not wrong or time.monotonic() - began >= patience:
            return now, found
        time.sleep(POLL_SECONDS)


def judge(life: Life, before: Books, since: datetime) -> tuple[Books, Findings]:
    """The same of one order. `before` are the books from before it was placed, at `since`."""

    def spared(now: Books) -> Sequence[object]:
        status = now.status(life.order_id)
        if status == Status.RETURNED:
            # Its workflow has still to wait until its customer would have kept it.
            return (every_order_ends, every_workflow_ends)
        return () if has_ended(life.stack, status) else AT_THE_END

    life.waiting("the books to add up")
    return add_up(lambda: books_of(life, before, since), spared)


def has_ended(stack: RunningStack, status: str) -> bool:
    """Whether nothing more comes of an order with this status: without shipping, nothing does of a confirmed one."""
    return status in ENDS or (status == Status.CONFIRMED and not ships(stack))


def books_of(life: Life, before: Books, since: datetime) -> Books:
    """What the stack says of the order now, and what was seen of it on its way."""
    order_id = life.order_id
    now = look(
        life.stack,
        placed={order_id: [life.item]},
        expected={order_id: {Outcome.CONFIRMED}},
        past=past(life.stack, [order_id]),
        executions=list(executions_of(life.stack, order_id, since)),
        news=life.news,
        asked_back=life.asked_back,
    )
    skus = now.sold_to(order_id) or before.counters
    return replace(
        about(now, [order_id]),
        # There may be other orders of the same goods: what was there is what could be had, and what was held.
        opening={sku: before.available(sku) + before.reserved(sku) for sku in skus},
        counters={sku: now.counters.get(sku, []) for sku in skus},
        waiting=max(0, now.waiting - before.waiting),
    )


def executions_of(stack: RunningStack, order_id: str, since: datetime) -> Iterator[Execution]:
    """The executions of all workflows that were started for an order."""
    client = stack.client("stepfunctions")
    for arn in (value for name, value in stack.outputs.items() if name.endswith("WorkflowArn")):
        for page in client.get_paginator("list_executions").paginate(stateMachineArn=arn):
            for one in page["executions"]:
                if one["startDate"] < since:
                    continue
                execution = client.describe_execution(executionArn=one["executionArn"])
                if json.loads(execution["input"]).get("order_id") == order_id:
                    yield Execution(one["name"], order_id, execution["status"], execution.get("error", ""))
