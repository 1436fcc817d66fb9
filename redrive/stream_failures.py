"""Stream records that never became events: they are read from the stream once more and given to publish.

Lambda's message says where they are, not what they are, and the stream keeps them for 24 hours:
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html. Messages that publish itself left here are
about records that make no sense. They stay: a person has to look at the item (docs/operations.md).
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from botocore.exceptions import ClientError, ParamValidationError

from redrive.deployed import Deployed, function_named
from redrive.queue import Message, Move, Result

AT_ONCE = 1  # each may stand for a hundred events
# As the mapping in template.yaml has it.
MAX_RECORDS = 100
# A synchronous invocation takes 6 MB: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_PAYLOAD_BYTES = 4_000_000
# Of an open shard there is always a next page, and some are empty. What is not found in so many is not there.
MAX_EMPTY_PAGES = 100
EMPTY_PAGE_SECONDS = 0.2  # GetRecords may be asked five times a second for each shard

# The last two, once the shard is gone as well, or for what this shard never held.
GONE = ("TrimmedDataAccessException", "ResourceNotFoundException", "ValidationException")
NOT_UNDERSTOOD = "left: the body is neither Lambda's nor publish's. Read it, and delete it by hand"
TRIMMED = (
    "left: the stream does not hold these records any more (it keeps them for 24 h). What is in OpenOrders finishes by "
    "itself; for the rest, see docs/operations.md#stream-failures-waiting, then delete this message"
)


class Batch(NamedTuple):
    """Where in a stream the records are that Lambda gave up on; both numbers are of records."""

    stream: str
    shard: str
    first: str
    last: str


class Gone(Exception):
    """The records are not in the stream."""


def mover(deployed: Deployed, *, dry_run: bool) -> Move:
    """Gives the records of failed batches to the stack's publish function."""
    publish, functions = function_named(deployed, "PublishFunction"), deployed.client("lambda")
    streams = deployed.client("dynamodbstreams")
    tables = [deployed.outputs["OrdersTableName"], deployed.outputs["OrderStatesTableName"]]

    def move(messages: Sequence[Message]) -> Iterator[Result]:
        yield from map(_move, messages)

    def _move(message: Message) -> Result:
        batch = batch_from(message.body)
        if not isinstance(batch, Batch):
            return batch
        # Whoever may write to the queue must not choose what we read.
        if not any(f":table/{table}/stream/" in batch.stream for table in tables):
            return Result(f"left: {batch.stream} is no stream of this stack", moved=False)
        try:
            records = list(records_of(streams, batch))
        except ParamValidationError:  # of numbers and names that no stream has
            return Result(NOT_UNDERSTOOD, moved=False)
        except Gone:
            return Result(f"{batch.first} to {batch.last} {TRIMMED}", moved=False)
        what = f"{len(records)} record{'s' * (len(records) != 1)} of {', '.join(_order_ids(records))}"
        if dry_run:
            return Result(what, moved=True, events=len(records))
        for payload in payloads(records):
            if problem := invoke(functions, publish, payload):
                return Result(f"{what} left: {problem}. Run this again", moved=False, events=len(records))
        return Result(what, moved=True, events=len(records))

    return move


def batch_from(body: str) -> Batch | Result:
    """Where the records of a message are, or why it stays."""
    try:
        message: Any = json.loads(body)
    except ValueError:
        return Result(NOT_UNDERSTOOD, moved=False)
    match message:
        case {
            "DDBStreamBatchInfo": {
                "streamArn": str(stream),
                "shardId": str(shard),
                "startSequenceNumber": str(first),
                "endSequenceNumber": str(last),
            }
        } if first.isdigit() and last.isdigit():
            return Batch(stream, shard, first, last)
        case {"problem": str(problem), "error": str(error), "keys": keys}:
            return Result(f"left: {problem} ({error}), {json.dumps(keys)}. Correct that item", moved=False)
    return Result(NOT_UNDERSTOOD, moved=False)


def records_of(streams: Any, batch: Batch) -> Iterator[dict[str, Any]]:
    """The records of a batch as Lambda hands them to a function. Raises Gone when they are not all there.

    The stream's filter may leave out some that lie in between, and publish ignores those.
    """
    found = 0
    last, empty = int(batch.last), 0
    try:
        iterator = streams.get_shard_iterator(
            StreamArn=batch.stream,
            ShardId=batch.shard,
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            SequenceNumber=batch.first,
        )["ShardIterator"]
        while iterator and empty < MAX_EMPTY_PAGES:
            page = streams.get_records(ShardIterator=iterator)
            iterator = page.get("NextShardIterator")
            for record in page["Records"]:
                number = int(record["dynamodb"]["SequenceNumber"])
                if number <= last:
                    found += 1
                    yield as_lambda_does(record, batch.stream)
                if number >= last:
                    return
            if not page["Records"]:
                empty += 1
                time.sleep(EMPTY_PAGE_SECONDS)
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            raise
        raise Gone(batch.first) from None
    raise Gone(f"{batch.last} after {found} records")


def as_lambda_does(record: dict[str, Any], stream: str) -> dict[str, Any]:
    """A record from GetRecords as it stands in a function's event: with its stream, and its time in seconds.

    https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html#events-sample-dynamodb
    """
    changed_at = record["dynamodb"]["ApproximateCreationDateTime"]
    seconds = changed_at.timestamp() if isinstance(changed_at, datetime) else changed_at
    change = record["dynamodb"] | {"ApproximateCreationDateTime": seconds}
    return record | {"dynamodb": change, "eventSourceARN": stream}


def payloads(records: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    """The records in events that publish can take, in their order."""
    texts: list[str] = []
    size = 0
    for record in records:
        text = json.dumps(record, default=_base64)
        if texts and (len(texts) == MAX_RECORDS or size + len(text) > MAX_PAYLOAD_BYTES):
            yield _payload(texts)
            texts, size = [], 0
        texts.append(text)
        size += len(text)
    if texts:
        yield _payload(texts)


def _payload(texts: Sequence[str]) -> bytes:
    return f'{{"Records": [{", ".join(texts)}]}}'.encode()


def _base64(value: object) -> str:
    """DynamoDB's binary values, as they stand in JSON. Raises TypeError for anything else."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is not of a stream record")


def invoke(functions: Any, name: str, payload: bytes) -> str:
    """Give publish its records; answers what went wrong, or nothing."""
    try:
        answer = functions.invoke(FunctionName=name, Payload=payload)
    except functions.exceptions.TooManyRequestsException:
        return "publish is throttled"
    body = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        return f"publish failed with {body.get('errorType', answer['FunctionError'])}"
    failed = len(body["batchItemFailures"])
    return f"the bus did not take {failed}" if failed else ""


def _order_ids(records: Sequence[dict[str, Any]]) -> list[str]:
    """Whose records they are: those of a few orders by name."""
    found = sorted({record["dynamodb"]["Keys"]["order_id"]["S"] for record in records})
    return found if len(found) <= 5 else [*found[:5], f"{len(found) - 5} more"]
