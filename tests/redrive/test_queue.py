"""Nothing is lost by `make redrive`, however it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from redrive.__main__ import main
from redrive.deployed import OnAws
from redrive.queue import Message, Pace, Queue, Result, redrive


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setattr("redrive.queue.WAIT_SECONDS", 0)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        client = boto3.client("sqs")
        yield Queue(client, client.create_queue(QueueName="failed")["QueueUrl"], at_once=10)


def send(queue: Queue, *bodies: str) -> None:
    for body in bodies:
        queue.client.send_message(QueueUrl=queue.url, MessageBody=body)


def lying(queue: Queue) -> list[str]:
    """What can be received now."""
    answer = queue.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return sorted(one["Body"] for one in answer.get("Messages", []))


def unless_bad(messages: Sequence[Message]) -> Iterator[Result]:
    for one in messages:
        yield Result(one.body, moved=not one.body.startswith("bad"), events=1)


def fast() -> Pace:
    return Pace(1_000_000)


def test_what_is_moved_is_deleted_and_what_stays_can_be_received_at_once(queue: Queue) -> None:
    send(queue, "good-1", "bad", "good-2")
    results = list(redrive(queue, unless_bad, limit=100, pace=fast()))
    assert sorted(result.what for result in results) == ["bad", "good-1", "good-2"]
    assert lying(queue) == ["bad"]


def test_a_dry_run_leaves_every_message_where_it_was(queue: Queue) -> None:
    send(queue, "good", "bad")
    assert len(list(redrive(queue, unless_bad, limit=100, pace=None))) == 2
    assert lying(queue) == ["bad", "good"]


def test_no_more_messages_are_looked_at_than_the_limit(queue: Queue) -> None:
    send(queue, *[f"good-{n}" for n in range(7)])
    assert len(list(redrive(queue, unless_bad, limit=3, pace=fast()))) == 3
    assert len(lying(queue)) == 4


class Coming:
    """A queue's client that answers from a script, and notes the receipts of what it is asked to give back."""

    def __init__(self, *batches: list[str]) -> None:
        self.batches = list(batches)
        self.given_back: list[str] = []

    def receive_message(self, **_: Any) -> Any:
        batch = self.batches.pop(0)
        receipts = [f"{body}, {len(self.batches)} to come" for body in batch]
        pairs = zip(batch, receipts, strict=True)
        return {"Messages": [{"MessageId": body, "ReceiptHandle": receipt, "Body": body} for body, receipt in pairs]}

    def delete_message(self, **_: Any) -> None:
        pass

    def change_message_visibility(self, *, ReceiptHandle: str, **_: Any) -> None:  # noqa: N803
        self.given_back.append(ReceiptHandle)


def test_a_message_that_stays_and_comes_back_meanwhile_is_looked_at_once() -> None:
    client = Coming(["bad"], ["bad"], ["good"], [])
    results = list(redrive(Queue(client, "url", at_once=1), unless_bad, limit=100, pace=fast()))
    assert [result.what for result in results] == ["bad", "good"]
    assert client.given_back == ["bad, 2 to come"]


def test_who_dies_between_moving_and_deleting_leaves_the_message(queue: Queue) -> None:
    send(queue, "good")

    def dies(messages: Sequence[Message]) -> Iterator[Result]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(redrive(queue, dies, limit=100, pace=fast()))
    assert lying(queue) == ["good"]


def test_who_stops_reading_gives_back_what_was_received(queue: Queue) -> None:
    send(queue, "good-1", "good-2", "good-3")
    with closing(redrive(queue, unless_bad, limit=100, pace=fast())) as results:
        next(results)
    assert len(lying(queue)) == 2


def test_events_are_paced(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    monkeypatch.setattr("time.sleep", slept.append)
    pace = Pace(per_second=10, began=100.0)
    pace.wait(5)
    pace.wait(100)
    assert slept == [pytest.approx(0.5), pytest.approx(10.5)]


@pytest.mark.parametrize(
    ("code", "says"),
    [("ValidationError", "There is no stack named nowhere"), ("ExpiredToken", "still in its queue")],
)
def test_what_aws_refuses_is_told_in_a_sentence(
    code: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Refusing:
        def describe_stacks(self, **_: str) -> None:
            raise ClientError({"Error": {"Code": code}}, "DescribeStacks")

    monkeypatch.setattr(OnAws, "client", lambda *_: Refusing())
    assert main(["--stack", "nowhere"]) == 1
    assert says in capsys.readouterr().out


def test_a_stack_that_is_not_the_pipeline_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Shipping:
        def describe_stacks(self, **_: str) -> Any:
            return {"Stacks": [{"Outputs": [{"OutputKey": "ShipmentsTableName", "OutputValue": "s"}]}]}

    monkeypatch.setattr(OnAws, "client", lambda *_: Shipping())
    assert main(["--stack", "shipping"]) == 1
    assert "shipping is not the order pipeline" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--limit", "0"], ["--queue", "other"], ["--per-second", "x"], ["more"]])
def test_wrong_usage_is_told_before_anything_is_moved(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
