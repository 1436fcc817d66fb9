"""Events for which EventBridge could not start the workflow: they go back on the bus as they were.

The body of such a message is the event; its attributes say which target failed, and how:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html. The page does not say whether a target's
`InputPath` counts there. So an event's `detail` alone is understood as well: its id says what happened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from orders import Outcome
from orders.events import BECAME, PLACED, REVIEWED, SOURCE
from redrive.deployed import Deployed
from redrive.queue import Message, Move, Result

# What starts the workflow, by how the event's id ends.
STARTING = {"placed": PLACED, "reviewed": REVIEWED, "cancelled": BECAME[Outcome.CANCELLED]}
NOT_OURS = "left: the body is no event of this pipeline. Read it, and delete it by hand"

# PutEvents takes as many as SQS gives at once: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
AT_ONCE = 10
# Ten of them are less than a request may have, 256 KB, and ours are far smaller.
MAX_CHARACTERS = 5_000


def mover(deployed: Deployed, *, dry_run: bool) -> Move:
    """Puts dead letters on the stack's bus."""
    bus, events = deployed.outputs["EventBusName"], deployed.client("events")

    def move(messages: Sequence[Message]) -> Iterator[Result]:
        entries = {one.message_id: entry for one in messages if (entry := entry_from(one.body))}
        errors: dict[str, str] = {}
        if entries and not dry_run:
            answer = events.put_events(Entries=[entry | {"EventBusName": bus} for entry in entries.values()])
            # It succeeds as a request when only some of its entries did.
            for message_id, result in zip(entries, answer["Entries"], strict=True):
                if "ErrorCode" in result:
                    errors[message_id] = result["ErrorCode"]
        for one in messages:
            yield _result(one, entries.get(one.message_id), errors.get(one.message_id))

    return move


def _result(message: Message, entry: dict[str, str] | None, error: str | None) -> Result:
    if entry is None:
        return Result(NOT_OURS, moved=False)
    order_id = json.loads(entry["Detail"])["order_id"]
    what = f"{entry['DetailType']} of {order_id}" + (f" ({message.why})" if message.why else "")
    if error:
        return Result(f"{what} left: the bus refused it with {error}. Run this again", moved=False)
    return Result(what, moved=True, events=1)


def entry_from(body: str) -> dict[str, str] | None:
    """The entry for PutEvents that sends a dead letter's event again; nothing for what is no event of ours."""
    if len(body) > MAX_CHARACTERS:
        return None
    try:
        event: Any = json.loads(body)
    except ValueError:
        return None
    match event:
        case {"source": str(source), "detail-type": str(detail_type), "detail": {"order_id": str()} as detail}:
            return _entry(detail_type, detail) if source == SOURCE else None
        case {"event_id": str(event_id), "order_id": str(order_id), "occurred_at": str()}:
            by_id = {f"{order_id}:{what}": detail_type for what, detail_type in STARTING.items()}
            return _entry(by_id[event_id], event) if event_id in by_id else None
    return None


def _entry(detail_type: str, detail: dict[str, Any]) -> dict[str, str]:
    return {"Source": SOURCE, "DetailType": detail_type, "Detail": json.dumps(detail)}
