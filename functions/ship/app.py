"""Bring an order from the shelf to its customer, and to its end.

Pattern: guarded transitions. There are two state machines, one in Step Functions and one in a table, and the table is
the truth. The workflow knows which step comes next and waits in between, but there may be two of it for one order, or
none. So no step believes that the one before it has happened because it was called: it looks at what stands, does what
is missing, and goes from one status to the next in a write whose condition is the first of them. A customer who cancels
and a warehouse that ships race at that write, and the one that comes second follows. The carrier's news is in a table
as well, and the token of the task that waits for it only wakes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from aws.waiting import task_of
from orders.errors import Unrecoverable
from ship import booking, delivery
from ship.carrier import Carrier, CarrierRefused
from ship.simulated import SimulatedCarrier


def handler(event: dict[str, Any], context: object) -> dict[str, str]:
    """`{"action", "order_id"}`, of which `label` also gets `return_id`, and `await` the `task_token`, of the
    `execution` whose task waits then and is woken by it, and which `attempt` at the task this is.

    Times are ISO 8601: a `book` answers `{"shipped_at"}`, a `deliver` `{"delivered_at", "keep_until"}`; an `archive`
    answers `{"status"}`. Raises booking.PaymentOutstanding, OrderTakenBack, StillOnItsWay, NothingToReturn;
    CarrierUnavailable when the carrier can't say; Unrecoverable when a person has to look.
    """
    order_id = event["order_id"]
    try:
        match event["action"]:
            case "book":
                return {"shipped_at": booking.book(order_id, carrier())}
            case "await":
                delivery.wait(order_id, task_of(event))
                return {}
            case "deliver":
                return delivery.deliver(order_id)
            case "archive":
                return {"status": delivery.archive(order_id)}
            case "label":
                booking.label(order_id, event["return_id"], carrier())
                return {}
            case action:
                raise ValueError(f"unknown action {action}")
    except CarrierRefused as refused:
        raise Unrecoverable(f"the carrier refused: {refused}") from None


@cache
def carrier() -> Carrier:
    """The simulated carrier. A real one is another module with the same two methods, and a choice here."""
    return SimulatedCarrier()
