"""A queue that gets a copy of every event on the bus."""

from __future__ import annotations

import json
from typing import Any

from local.stack import RunningStack


def open_tap(stack: RunningStack) -> str:
    """Lay the queue beside the bus; answers its URL."""
    events, queues = stack.client("events"), stack.client("sqs")
    name = f"tap-{stack.stack_name}"
    url: str = queues.create_queue(QueueName=name)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = stack.outputs["EventBusName"]
    events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps({"source": ["orders"]}))
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": name, "Arn": arn}])
    return url


def messages(stack: RunningStack, url: str, *, hide_seconds: int = 30) -> list[Any]:
    """Everything that waits in a queue, parsed. It is left there, hidden for so many seconds."""
    client = stack.client("sqs")
    found: dict[str, Any] = {}
    while True:
        answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=hide_seconds)
        batch = answer.get("Messages", [])
        if not batch:
            return list(found.values())
        found |= {message["MessageId"]: json.loads(message["Body"]) for message in batch}
