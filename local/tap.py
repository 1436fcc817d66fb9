"""Queues that get a copy of every event on the bus, and of every call of a person."""

from __future__ import annotations

import json
from typing import Any

from local.stack import RunningStack


def open_tap(stack: RunningStack) -> str:
    """Lay the queue beside the bus; answers its URL."""
    events, name = stack.client("events"), f"tap-{stack.stack_name}"
    url, arn = _queue(stack, name)
    bus = stack.outputs["EventBusName"]
    events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps({"source": ["orders"]}))
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": name, "Arn": arn}])
    return url


def open_alerts(stack: RunningStack) -> str:
    """Subscribe a queue to the alert topic; answers its URL."""
    url, arn = _queue(stack, f"alerts-{stack.stack_name}")
    topic = stack.outputs["AlertTopicArn"]
    stack.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": may_send(topic, arn)})
    stack.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url


def may_send(topic: str, queue: str) -> str:
    """A queue's policy: https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html"""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _queue(stack: RunningStack, name: str) -> tuple[str, str]:
    """A new queue's URL and ARN."""
    queues = stack.client("sqs")
    url: str = queues.create_queue(QueueName=name)["QueueUrl"]
    return url, queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


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
