"""What `make redrive` makes of the messages that AWS leaves."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ParamValidationError

from orders.events import OrderEvent
from redrive import dead_letters, stream_failures
from redrive.queue import Message, Result
from tests.template.stack import pipeline_by_default

DETAIL = {
    "version": 1,
    "event_id": "o-1:placed",
    "order_id": "o-1",
    "occurred_at": "2026-03-02T09:14:07+00:00",
    "review": False,
}
EVENT = {
    "version": "0",
    "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
    "detail-type": "OrderPlaced",
    "source": "orders",
    "account": "111122223333",
    "time": "2026-03-02T09:14:07Z",
    "region": "eu-west-1",
    "resources": [],
    "detail": DETAIL,
}
STREAM = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders-OrdersTable-1/stream/2026-03-01T00:00:00.000"
# https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
FAILED_BATCH = {
    "requestContext": {"condition": "RecordAgeExceeded", "approximateInvokeCount": 9184},
    "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": None},
    "version": "1.0",
    "timestamp": "2026-03-02T21:14:07.000Z",
    "DDBStreamBatchInfo": {
        "shardId": "shardId-00000001573689847184-864758bb",
        "startSequenceNumber": "100",
        "endSequenceNumber": "300",
        "approximateArrivalOfFirstRecord": "2026-03-02T09:14:07Z",
        "approximateArrivalOfLastRecord": "2026-03-02T09:14:09Z",
        "batchSize": 3,
        "streamArn": STREAM,
    },
}
PUT_ASIDE = {
    "problem": "stream record not understood",
    "error": "KeyError",
    "event_id": "3c7e",
    "keys": {"order_id": {"S": "o-9"}},
}


def message(body: Any, message_id: str = "m-1") -> Message:
    return Message(message_id, "receipt", body if isinstance(body, str) else json.dumps(body))


class Fake:
    """A stack whose services answer from a script, and which notes what it is asked."""

    stack_name = "orders"
    outputs = {  # noqa: RUF012
        "EventBusName": "orders",
        "OrdersTableName": "orders-OrdersTable-1",
        "OrderStatesTableName": "orders-OrderStatesTable-1",
    }

    def __init__(self) -> None:
        self.put: list[dict[str, Any]] = []
        self.refused: set[str] = set()
        self.pages: list[list[int]] = [[100, 200], [], [300, 400]]
        self.gone = ""
        self.invoked: list[dict[str, Any]] = []
        self.answer: dict[str, Any] = {"batchItemFailures": []}
        self.function_error: str | None = None
        self.exceptions = boto3.client("lambda", region_name="eu-west-1").exceptions

    def client(self, _: str) -> Any:
        return self

    def describe_stack_resource(self, **_: str) -> Any:
        return {"StackResourceDetail": {"PhysicalResourceId": "orders-PublishFunction-1"}}

    def put_events(self, Entries: list[dict[str, Any]]) -> Any:  # noqa: N803
        refused = [json.loads(entry["Detail"])["order_id"] in self.refused for entry in Entries]
        self.put += [entry for entry, no in zip(Entries, refused, strict=True) if not no]
        return {"Entries": [{"ErrorCode": "ThrottlingException"} if no else {"EventId": "e"} for no in refused]}

    def get_shard_iterator(self, **_: str) -> Any:
        if self.gone:
            raise ClientError({"Error": {"Code": self.gone}}, "GetShardIterator")
        return {"ShardIterator": "0"}

    def get_records(self, ShardIterator: str) -> Any:  # noqa: N803
        position = int(ShardIterator)
        numbers = self.pages[position] if position < len(self.pages) else []
        return {"Records": [record(number) for number in numbers], "NextShardIterator": str(position + 1)}

    def invoke(self, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803
        self.invoked.append(json.loads(Payload) | {"function": FunctionName})
        failed = {"FunctionError": self.function_error} if self.function_error else {}
        return {"Payload": io.BytesIO(json.dumps(self.answer).encode())} | failed


def record(number: int) -> dict[str, Any]:
    """As boto3 gives it."""
    return {
        "eventName": "INSERT",
        "dynamodb": {
            "SequenceNumber": str(number),
            "ApproximateCreationDateTime": datetime(2026, 3, 2, 9, 14, 7, tzinfo=UTC),
            "Keys": {"order_id": {"S": f"o-{number}"}},
            "NewImage": {"order_id": {"S": f"o-{number}"}, "photo": {"B": b"\xff\x00"}},
        },
    }


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Fake:
    monkeypatch.setattr(stream_failures, "EMPTY_PAGE_SECONDS", 0)
    return Fake()


def moved(stack: Fake, kind: Any, *messages: Message, dry_run: bool = False) -> list[Result]:
    return list(kind.mover(stack, dry_run=dry_run)(messages))


# ── Dead letters ────────────────────────────────────────────────────────────────────────────────────────────────────


WITHOUT_REVIEW = {name: value for name, value in DETAIL.items() if name != "review"}
REVIEWED = WITHOUT_REVIEW | {"event_id": "o-1:reviewed", "approved": "a-digest", "tried_minutes": 15}
CANCELLED = WITHOUT_REVIEW | {"event_id": "o-1:cancelled", "reason": "CANCELLED_BY_CUSTOMER"}


@pytest.mark.parametrize("body", [EVENT, DETAIL, EVENT | {"detail": DETAIL | {"tried_minutes": 15}}])
def test_a_dead_letter_goes_back_on_the_bus_as_it_was(stack: Fake, body: dict[str, Any]) -> None:
    (result,) = moved(stack, dead_letters, message(body))
    assert result == Result("OrderPlaced of o-1", moved=True, events=1)
    (entry,) = stack.put
    assert (entry["EventBusName"], entry["Source"], entry["DetailType"]) == ("orders", "orders", "OrderPlaced")
    assert json.loads(entry["Detail"]) == body.get("detail", body)


@pytest.mark.parametrize(("detail_type", "detail"), [("OrderReviewed", REVIEWED), ("OrderCancelled", CANCELLED)])
@pytest.mark.parametrize("whole", [True, False], ids=["the event", "its detail alone"])
def test_whatever_starts_the_workflow_goes_back_as_what_it_was(
    stack: Fake, detail_type: str, detail: dict[str, Any], whole: bool
) -> None:
    event = EVENT | {"detail-type": detail_type, "detail": detail}
    (result,) = moved(stack, dead_letters, message(event if whole else detail))
    assert result == Result(f"{detail_type} of o-1", moved=True, events=1)
    (entry,) = stack.put
    assert (entry["Source"], entry["DetailType"], json.loads(entry["Detail"])) == ("orders", detail_type, detail)


def test_every_event_that_a_rule_of_the_pipeline_starts_the_workflow_for_is_understood_by_its_detail_alone() -> None:
    rules = pipeline_by_default().of_type("AWS::Events::Rule").values()
    assert {each for rule in rules for each in rule["EventPattern"]["detail-type"]} == {*dead_letters.STARTING.values()}
    for what, detail_type in dead_letters.STARTING.items():
        event = OrderEvent(detail_type, "o-1", "2026-03-02T09:14:07+00:00")
        assert event.detail["event_id"] == f"o-1:{what}"


NOT_OURS = [
    "", "no JSON", "[]", "7", "{}", EVENT | {"source": "aws.s3"}, EVENT | {"detail": {}}, EVENT | {"detail": "o-1"},
    DETAIL | {"event_id": "o-1:confirmed"}, DETAIL | {"event_id": "o-2:placed"}, DETAIL | {"event_id": "placed"},
    DETAIL | {"order_id": 7}, FAILED_BATCH,
    EVENT | {"detail": DETAIL | {"note": "x" * 100_000}},
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_OURS)
def test_what_is_no_event_of_ours_stays_and_is_not_sent(stack: Fake, body: Any) -> None:
    (result,) = moved(stack, dead_letters, message(body))
    assert result == Result(dead_letters.NOT_OURS, moved=False)
    assert stack.put == []


def test_an_event_that_the_bus_refuses_stays_and_its_neighbours_are_moved(stack: Fake) -> None:
    stack.refused = {"o-2"}
    letters = [message(DETAIL | {"order_id": f"o-{n}", "event_id": f"o-{n}:placed"}, f"m-{n}") for n in (1, 2, 3)]
    results = moved(stack, dead_letters, letters[0], message("no JSON", "m-9"), *letters[1:])
    assert [result.moved for result in results] == [True, False, False, True]
    assert "ThrottlingException" in results[2].what


def test_a_dry_run_sends_no_event_and_says_which_it_would(stack: Fake) -> None:
    (result,) = moved(stack, dead_letters, message(EVENT), dry_run=True)
    assert result == Result("OrderPlaced of o-1", moved=True, events=1)
    assert stack.put == []


# ── Stream failures ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_failed_batch_is_given_to_publish_as_lambda_gives_it_and_nothing_behind_it(stack: Fake) -> None:
    (result,) = moved(stack, stream_failures, message(FAILED_BATCH))
    assert result == Result("3 records of o-100, o-200, o-300", moved=True, events=3)
    (event,) = stack.invoked
    assert event["function"] == "orders-PublishFunction-1"
    assert [one["dynamodb"]["SequenceNumber"] for one in event["Records"]] == ["100", "200", "300"]
    assert {one["eventSourceARN"] for one in event["Records"]} == {STREAM}
    first = event["Records"][0]["dynamodb"]
    assert first["ApproximateCreationDateTime"] == 1772442847
    assert first["NewImage"]["photo"] == {"B": "/wA="}


def test_publish_understands_what_it_is_given(stack: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    from publish.app import event_from

    monkeypatch.setenv("ORDER_STATES_TABLE", stack.outputs["OrderStatesTableName"])
    moved(stack, stream_failures, message(FAILED_BATCH))
    event = event_from(stack.invoked[0]["Records"][0])
    assert event
    assert event.detail == DETAIL | {"order_id": "o-100", "event_id": "o-100:placed"}


def test_a_dry_run_invokes_nothing_and_says_whose_the_records_are(stack: Fake) -> None:
    (result,) = moved(stack, stream_failures, message(FAILED_BATCH), dry_run=True)
    assert result == Result("3 records of o-100, o-200, o-300", moved=True, events=3)
    assert stack.invoked == []


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        ({"batchItemFailures": [{"itemIdentifier": "200"}]}, None, "the bus did not take 1"),
        ({"errorType": "Sandbox.Timedout", "errorMessage": "…"}, "Unhandled", "Sandbox.Timedout"),
    ],
)
def test_a_batch_that_fails_again_stays(stack: Fake, answer: dict[str, Any], error: str | None, says: str) -> None:
    stack.answer, stack.function_error = answer, error
    (result,) = moved(stack, stream_failures, message(FAILED_BATCH))
    assert not result.moved
    assert says in result.what


@pytest.mark.parametrize("code", stream_failures.GONE)
def test_a_batch_that_the_stream_does_not_hold_any_more_stays_and_says_what_to_do(stack: Fake, code: str) -> None:
    stack.gone = code
    (result,) = moved(stack, stream_failures, message(FAILED_BATCH))
    assert not result.moved
    assert "OpenOrders" in result.what
    assert stack.invoked == []


@pytest.mark.parametrize(
    ("pages", "whose"),
    [
        ([[100, 200], [300]], "3 records of o-100, o-200, o-300"),  # the newest there is
        ([[100, 200, 400]], "2 records of o-100, o-200"),
    ],
)
def test_a_batch_ends_with_its_last_number_and_with_no_other(stack: Fake, pages: list[list[int]], whose: str) -> None:
    stack.pages = pages
    (result,) = moved(stack, stream_failures, message(FAILED_BATCH))
    assert (result.moved, result.what) == (True, whose)


def test_a_batch_whose_end_never_comes_stays(stack: Fake) -> None:
    stack.pages = [[100, 200]]
    (result,) = moved(stack, stream_failures, message(FAILED_BATCH))
    assert not result.moved
    assert stack.invoked == []


def test_a_missing_permission_is_not_taken_for_records_that_are_gone(stack: Fake) -> None:
    stack.gone = "AccessDeniedException"
    with pytest.raises(ClientError, match="AccessDenied"):
        moved(stack, stream_failures, message(FAILED_BATCH))


def test_a_record_that_was_put_aside_stays_and_is_listed(stack: Fake) -> None:
    (result,) = moved(stack, stream_failures, message(PUT_ASIDE))
    assert not result.moved
    assert "o-9" in result.what
    assert stack.invoked == []


def info(**changes: Any) -> dict[str, Any]:
    return {"DDBStreamBatchInfo": FAILED_BATCH["DDBStreamBatchInfo"] | changes}  # type: ignore[operator]


FOREIGN = ["", "null", "{}", info(streamArn=None), info(startSequenceNumber="x"), EVENT]


@pytest.mark.parametrize("body", FOREIGN)
def test_what_neither_lambda_nor_publish_wrote_stays(stack: Fake, body: Any) -> None:
    (result,) = moved(stack, stream_failures, message(body))
    assert result == Result(stream_failures.NOT_UNDERSTOOD, moved=False)


def test_a_message_with_numbers_that_no_stream_has_stays_and_holds_up_nobody(stack: Fake) -> None:
    def get_shard_iterator(**_: str) -> None:
        raise ParamValidationError(report="Invalid length for parameter SequenceNumber, value: 1, valid min length: 21")

    stack.get_shard_iterator = get_shard_iterator  # type: ignore[method-assign]
    messages = [message(info(startSequenceNumber="1")), message(PUT_ASIDE)]
    results = moved(stack, stream_failures, *messages)
    assert [result.moved for result in results] == [False, False]
    assert results[0].what == stream_failures.NOT_UNDERSTOOD


def test_a_message_cannot_choose_a_stream_that_is_not_the_stacks(stack: Fake) -> None:
    (result,) = moved(stack, stream_failures, message(info(streamArn=STREAM.replace("OrdersTable", "Salaries"))))
    assert "no stream of this stack" in result.what
    assert stack.invoked == []


def test_large_batches_are_given_in_events_that_lambda_takes_and_in_order() -> None:
    large = {"dynamodb": {"x": "x" * 1_500_000}}
    sizes = [len(json.loads(text)["Records"]) for text in stream_failures.payloads([large] * 5)]
    assert sizes == [2, 2, 1]
    numbered = [{"n": n} for n in range(250)]
    events = [json.loads(text)["Records"] for text in stream_failures.payloads(numbered)]
    assert [len(event) for event in events] == [100, 100, 50]
    assert [one for event in events for one in event] == numbered
