"""The events on the bus: the contract with every consumer.

`{"version": 1, "event_id": "<order_id>:<what happened>", "order_id": …, "occurred_at": …}`. The id is a function of
what happened and not of the attempt to say so: a consumer that has seen it may drop the event. No personal data
travels; consumers read the order by its id.

OrderPlaced says in `"review"` whether a person has to approve the order first; the pipeline lets such an order pass by
until OrderReviewed, which says in `"approved"` what was approved (review.py). Either of them has `"tried_minutes"` when
it is sent again: for how long the pipeline has been trying to finish the order. What became of an order comes with its
`"reason"`, if it has one. ReturnRequested says which return in `"return_id"`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orders import Status

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
MAX_ENTRIES = 10  # in one request

SOURCE = "orders"
PLACED = "OrderPlaced"
REVIEWED = "OrderReviewed"
# By the status that an order has come to.
BECAME: dict[str, str] = {
    Status.CONFIRMED: "OrderConfirmed",
    Status.CANCELLED: "OrderCancelled",
    Status.REJECTED: "OrderRejected",
    Status.SHIPPING: "OrderShipped",
    Status.DELIVERED: "OrderDelivered",
    Status.ARCHIVED: "OrderArchived",
    Status.RETURNED: "OrderReturned",
}
RETURN_REQUESTED = "ReturnRequested"


@dataclass(frozen=True)
class OrderEvent:
    """One event: `detail_type` names what happened, `occurred_at` is ISO 8601 in UTC. `tried_minutes` is 0 until the
    event is sent again, `review` is PLACED's, `approved` REVIEWED's, `reason` that of what became of the order, and
    `return_id` RETURN_REQUESTED's.
    """

    detail_type: str
    order_id: str
    occurred_at: str
    tried_minutes: int = 0
    review: bool = False
    approved: str = ""
    reason: str = ""
    return_id: str = ""

    @property
    def detail(self) -> dict[str, Any]:
        """The event's body, as consumers receive it under `detail`."""
        what = self.detail_type.removeprefix("Order").lower()
        detail: dict[str, Any] = {
            "version": 1,
            "event_id": ":".join(filter(None, (self.order_id, what, self.return_id))),
            "order_id": self.order_id,
            "occurred_at": self.occurred_at,
        }
        if self.detail_type == PLACED:
            detail["review"] = self.review
        some = {
            "tried_minutes": self.tried_minutes,
            "approved": self.approved,
            "reason": self.reason,
            "return_id": self.return_id,
        }
        return detail | {name: value for name, value in some.items() if value}

    def entry(self, bus: str) -> PutEventsRequestEntryTypeDef:
        """The event as an entry of a PutEvents request, for the bus of this name."""
        return {
            "EventBusName": bus,
            "Source": SOURCE,
            "DetailType": self.detail_type,
            "Detail": json.dumps(self.detail),
        }
