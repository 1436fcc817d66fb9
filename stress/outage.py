"""A function that is away for minutes: what is ordered meanwhile has to be confirmed afterwards, with nobody's help."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

from local import relax
from local.command import undisturbed
from local.console import console
from local.logs import all_logs
from local.stack import ROOT, Problem, RunningStack
from stress import watch

# What is open is looked at every quarter of an hour at the latest; the workflow's own retries take some minutes.
PATIENCE_SECONDS, PATIENCE_PER_ORDER = 25 * 60, 1.5
_LOGICAL_ID = "Function"


def outage(stack: RunningStack, service: str, minutes: float, orders: int) -> int:
    """Take a function away, place orders evenly until it is given back, and wait until all of them are confirmed."""
    function = function_of(stack, service)
    own = watch.own_orders(stack, "outage", units=orders)
    with watch.alerts(stack, own.prefix) as alerts:
        with away(stack, function):
            console.print(f"{service} is away for {minutes:g} min, and {orders} orders come in.")
            began = time.monotonic()
            with closing(watch.looks(own, orders, 60 * minutes)) as looks:
                for _ in looks:
                    due = 1 + int(orders * (time.monotonic() - began) / (60 * minutes))
                    own.place(min(due, orders) - len(own.placed))
            own.place(orders - len(own.placed))
        console.print(f"{service} is back.")
        back = time.monotonic()
        finished = watch.closed(own, PATIENCE_SECONDS + PATIENCE_PER_ORDER * orders)
        seconds = time.monotonic() - back
        watch.quiet(stack)
        called = alerts.about(own.prefix)
    swept = sweeps(all_logs(stack), own.prefix)
    status = watch.judge(own, finished=finished, called=called)
    console.print(
        f"{orders} orders, the last told {seconds:.0f} s after {service} was back, "
        f"with {sum(swept.values())} sweeps of {len(swept)} of them, at most {max(swept.values(), default=0)} of one.",
        soft_wrap=True,
    )
    return status


def function_of(stack: RunningStack, service: str) -> str:
    """The name of a function by its folder's. Raises Problem when there is none, and names those that there are."""
    functions = {
        logical_id.removesuffix(_LOGICAL_ID).lower(): name
        for logical_id, name in relax.resources(stack, stack.stack_name, "AWS::Lambda::Function").items()
    }
    if service not in functions:
        raise Problem(f"There is no function named {service}. There are {', '.join(sorted(functions))}.")
    return functions[service]


@contextmanager
def away(stack: RunningStack, function: str) -> Iterator[None]:
    """Let nobody invoke a function meanwhile: with nothing of the account's concurrency, every call is throttled.

    It is given back by a process that waits for this one to end, so that this happens however it ends, also by SIGKILL.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    """
    keeper = subprocess.Popen(
        [sys.executable, "-m", "stress.give_back", stack.endpoint_url, function],
        stdin=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,  # Ctrl-C and a terminal that is closed end this process, not that one
    )
    try:
        stack.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
        yield
    finally:
        with undisturbed():
            keeper.communicate()
            if keeper.returncode:
                raise Problem(f"{function} could not be given back. Start the stack anew: make down && make up")


def sweeps(log: str, prefix: str) -> Counter[str]:
    """How many times each order of this prefix was swept, from the sweep's log lines."""
    swept: Counter[str] = Counter()
    for line in log.splitlines():
        try:
            said = json.loads(line.partition(" ")[2])
        except ValueError:  # a line of the emulator's
            continue
        match said:
            case {"message": "swept", "order_id": str(order_id)} if order_id.startswith(prefix):
                swept[order_id] += 1
    return swept
