"""A queue of what failed, read once through: each message is moved and deleted, or left where it is.

A message is deleted only after what it stands for was accepted elsewhere. Who is interrupted in between has moved it
and leaves it there, so it is moved once more by the next run. That is harmless: an event that is moved carries the
event id that it always had, consumers drop what they have seen, and every step of the workflow finds what it did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

# A message that was received comes back by itself after this, should this process die.
HIDDEN_SECONDS = 300
# An empty answer to a short poll does not mean an empty queue; to a long one it does:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
WAIT_SECONDS = 1


@dataclass(frozen=True)
class Message:
    """A message of a queue; `why` is what its attributes say of the failure."""

    message_id: str
    receipt: str
    body: str
    why: str = ""


@dataclass(frozen=True)
class Result:
    """What became of a message, or would: it was `moved`, as so many events, or it stays, and what to do about it."""

    what: str
    moved: bool
    events: int = 0


# Moves messages, and answers for each of them in turn what became of it; in a dry run, what would.
Move = Callable[[Sequence[Message]], Iterator[Result]]


@dataclass
class Pace:
    """Not more than so many events a second: what failed for hours must not stampede."""

    per_second: int
    began: float = field(default_factory=time.monotonic)
    events: int = 0

    def wait(self, events: int) -> None:
        """Wait for as long as so many more events take."""
        self.events += events
        time.sleep(max(0.0, self.began + self.events / self.per_second - time.monotonic()))


@dataclass(frozen=True)
class Queue:
    """A queue of which so many messages are received `at_once`, ten at most."""

    client: Any
    url: str
    at_once: int

    def receive(self, limit: int) -> list[Message]:
        """Some messages; nobody else gets them for a while."""
        answer = self.client.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=min(self.at_once, limit),
            VisibilityTimeout=HIDDEN_SECONDS,
            WaitTimeSeconds=WAIT_SECONDS,
            MessageAttributeNames=["ERROR_CODE"],
        )
        return [
            Message(
                one["MessageId"],
                one["ReceiptHandle"],
                one["Body"],
                one.get("MessageAttributes", {}).get("ERROR_CODE", {}).get("StringValue", ""),
            )
            for one in answer.get("Messages", [])
        ]

    def delete(self, message: Message) -> None:
        """What it stood for was accepted."""
        self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt)

    def give_back(self, message: Message) -> None:
        """Let others receive it at once."""
        self.client.change_message_visibility(QueueUrl=self.url, ReceiptHandle=message.receipt, VisibilityTimeout=0)


def redrive(queue: Queue, move: Move, *, limit: int, pace: Pace | None) -> Generator[Result]:
    """Move up to `limit` messages, and yield what became of each. Without a pace it is a dry run: nothing is moved.

    What stays can be received by others again as soon as this ends.
    """
    seen: set[str] = set()
    left: dict[str, Message] = {}
    try:
        while len(seen) < limit and (received := queue.receive(limit - len(seen))):
            # A message that stays comes back while we are still at it, hidden anew.
            left |= {one.message_id: one for one in received}
            batch = [one for one in received if one.message_id not in seen]
            for message, result in zip(batch, move(batch), strict=True):
                seen.add(message.message_id)
                if result.moved and pace:
                    queue.delete(message)
                    del left[message.message_id]
                    pace.wait(result.events)
                yield result
    finally:
        for message in left.values():
            queue.give_back(message)
