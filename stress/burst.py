"""Many orders at once: all of them have to be confirmed, and nobody is called for it."""

from __future__ import annotations

import time

from local.console import console
from local.stack import RunningStack
from stress import watch

# A burst is throttled, and what gives up is swept after 1, 2, 4 and 8 minutes. An order takes a third of a second on
# two cores.
PATIENCE_SECONDS, PATIENCE_PER_ORDER = 20 * 60, 1.5


def burst(stack: RunningStack, orders: int) -> int:
    """Place so many orders at once and wait for the last. All is well when each was confirmed and nobody was called."""
    own = watch.own_orders(stack, "burst", units=orders)
    with watch.alerts(stack, own.prefix) as alerts:
        started = time.monotonic()
        own.place(orders)
        finished = watch.closed(own, PATIENCE_SECONDS + PATIENCE_PER_ORDER * orders)
        seconds = time.monotonic() - started
        watch.quiet(stack)
        called = alerts.about(own.prefix)
    status = watch.judge(own, finished=finished, called=called)
    console.print(f"{orders} orders in {seconds:.1f} s, {orders / seconds:.1f} a second.")
    return status
