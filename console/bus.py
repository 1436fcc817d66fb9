"""A queue of the console's own that gets a copy of every event on the embedded stack's bus, while it is open."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass
from typing import Any

import psutil
from botocore.exceptions import BotoCoreError, ClientError

from console.place import Place
from orders.events import SOURCE

_NAME = "console-"  # and the process' number
BATCH = 10  # messages, which is SQS' most
BATCHES = 50  # in one go: nobody else waits for longer


@dataclass(frozen=True)
class SeenEvent:
    """An event on the bus. `seen_at` is when it came by here, in seconds since 1970; `occurred_at` is its own word, and
    `detail` all that it said, as JSON.
    """

    seen_at: float
    what: str
    order_id: str
    event_id: str
    occurred_at: str
    detail: str = ""


class Bus:
    """What came by since this was made. Nothing of the shop waits for it or reads it."""

    def __init__(self, place: Place) -> None:
        self._events, self._queues = place.client("events"), place.client("sqs")
        self._name, self._bus = f"{_NAME}{os.getpid()}", place.outputs["EventBusName"]
        self._sweep()
        self._url: str = self._queues.create_queue(QueueName=self._name)["QueueUrl"]
        described = self._queues.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        self._events.put_rule(Name=self._name, EventBusName=self._bus, EventPattern=json.dumps({"source": [SOURCE]}))
        target = {"Id": self._name, "Arn": described["Attributes"]["QueueArn"]}
        self._events.put_targets(Rule=self._name, EventBusName=self._bus, Targets=[target])

    def seen(self) -> list[SeenEvent]:
        """What has come by since the last time, oldest first."""
        found: list[SeenEvent] = []
        for _ in range(BATCHES):
            messages = self._queues.receive_message(QueueUrl=self._url, MaxNumberOfMessages=BATCH).get("Messages", [])
            if not messages:
                break
            found += [one for one in map(_read, messages) if one]
            entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
            self._queues.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return found

    def close(self) -> None:
        """Take it away again, unless the stack is gone."""
        self._take_away(self._name)

    def _sweep(self) -> None:
        """Take away what consoles have left that were killed."""
        rules = self._events.list_rules(EventBusName=self._bus, NamePrefix=_NAME).get("Rules", ())
        for name in [rule["Name"] for rule in rules]:
            pid = name.removeprefix(_NAME)
            if pid.isdecimal() and not psutil.pid_exists(int(pid)):
                self._take_away(name)

    def _take_away(self, name: str) -> None:
        with contextlib.suppress(ClientError, BotoCoreError):
            self._events.remove_targets(Rule=name, EventBusName=self._bus, Ids=[name])
            self._events.delete_rule(Name=name, EventBusName=self._bus)
            self._queues.delete_queue(QueueUrl=self._queues.get_queue_url(QueueName=name)["QueueUrl"])


def _read(message: dict[str, Any]) -> SeenEvent | None:
    """The event in a message; None for one of another form, which the bus takes from anybody."""
    try:
        event = json.loads(message["Body"])
        detail = event["detail"]
        return SeenEvent(
            seen_at=time.time(),
            what=str(event["detail-type"]),
            order_id=str(detail["order_id"]),
            event_id=str(detail.get("event_id", "")),
            occurred_at=str(detail.get("occurred_at", "")),
            detail=json.dumps(detail),
        )
    except (ValueError, KeyError, TypeError):
        return None
