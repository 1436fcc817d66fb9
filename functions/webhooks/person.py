"""Calling a person, for what only a person can do."""

from __future__ import annotations

import json
import os

from aws import clients
from orders.order_id import printable


def call(order_id: str, occurred_at: str, what: str) -> None:
    """Tell the alert topic `what` has happened, and when (ISO 8601). The message has the sweep's form (sweep/app.py).

    Called before the news is settled: whoever dies in between calls once more, which is better than never. Raises what
    SNS raises.
    """
    message = {
        "orders": 1,
        "what_to_do": "docs/operations.md#news-that-needs-a-person",
        "open": [{"order_id": printable(order_id), "occurred_at": occurred_at, "stuck": what}],
    }
    clients.alerts().publish(
        TopicArn=os.environ["ALERT_TOPIC_ARN"],
        Subject="1 order needs a person",
        Message=json.dumps(message, indent=1),
    )
