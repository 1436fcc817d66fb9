"""Mend what can be mended safely: void the hold of an order that is over, send an order's event again.

Pattern: intent before, outcome after, around effects that are idempotent where they happen. What is about to be asked
is ASKED in the table of runs before, and what came of it is written after. A run that dies in between, or that is there
twice, asks again, and the payment function or the order's workflow finds its own earlier result. An outcome stands: who
comes second leaves it, so a night that was loaded says what it said.

What fails is not tried again in the same night. It is in the report, and the next night finds it again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import batched
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from aws import logger
from aws.item import read_items
from jobs import parquet, parts, places, runs, services, settings
from jobs.findings import VOID
from orders import backoff, epoch_seconds, iso_8601
from orders.events import PLACED, OrderEvent
from orders.order_id import is_order_id
from orders.tables import Item, open_order_from

if TYPE_CHECKING:
    import duckdb
    from mypy_boto3_dynamodb.type_defs import KeysAndAttributesTypeDef
    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_lambda.client import LambdaClient

    from jobs.runs import Plan

# In a night. They are made one after the other: what waits behind them has to keep up.
MOST = 10_000
# Why a payment that the books found is void, if nothing else says so.
REASON = "RECONCILED"

Status = Literal["ASKED", "DONE", "FAILED"]
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
MAX_READS = 100
READS = 5  # until what DynamoDB leaves unread is given up


class Wanted(NamedTuple):
    """A repair: of which finding, and `what` to do, VOID or SEND_AGAIN. A VOID's `subject` is the intent to void."""

    code: str
    order_id: str
    subject: str
    what: str


class Unread(settings.Problem):
    """DynamoDB is too busy to say what came of the repairs."""


class NotRepaired(Exception):
    """Somebody who was asked refused, or answered with an error."""


@cache
def functions() -> LambdaClient:
    """The Lambda client. What is asked for with it is idempotent, so the SDK may repeat it."""
    client: LambdaClient = services.client("lambda")
    return client


@cache
def events() -> EventBridgeClient:
    """The EventBridge client."""
    client: EventBridgeClient = services.client("events")
    return client


def repair(plan: Plan) -> None:
    """Make the repairs that the run's findings ask for, if the plan says so. One that fails does not stop the others.

    Raises parts.PartMissing, and what DynamoDB raises when the intent or the outcome can't be written.
    """
    if not plan.repair:
        logger.info("no repairs wanted", run=plan.run)
        return
    if not runs.holds(plan):
        logger.warning("another run has the day", run=plan.run, day=plan.day)
        return
    with TemporaryDirectory() as folder, parquet.connect(Path(folder)) as database:
        parquet.view(database, "findings", parts.download(plan, "findings", Path(folder)))
        repairs = wanted(database)
    if len(repairs) > MOST:
        logger.warning("more repairs than a night makes", wanted=len(repairs), made=MOST)
    for each in repairs[:MOST]:
        if not ask(plan, each):
            continue
        try:
            make(plan, each)
        except (NotRepaired, ClientError, BotoCoreError, TimeoutError, KeyError, ValueError) as error:
            logger.error("not repaired", code=each.code, order_id=each.order_id, what=each.what, error=describe(error))
            settle(plan, each, "FAILED")
        else:
            logger.info("repaired", code=each.code, order_id=each.order_id, what=each.what)
            settle(plan, each, "DONE")


def wanted(database: duckdb.DuckDBPyConnection) -> list[Wanted]:
    """The repairs that the view `findings` asks for, always in the same order."""
    rows = database.execute(
        "SELECT DISTINCT code, order_id, CASE repair WHEN $void THEN subject ELSE '' END, repair FROM findings"
        " WHERE repair <> '' ORDER BY ALL",
        {"void": VOID},
    )
    return [Wanted(*row) for row in rows.fetchall()]


def make(plan: Plan, each: Wanted) -> None:
    """Make a repair. Raises NotRepaired, and what the AWS clients raise."""
    match each.what:
        case "void":
            void(each.order_id, each.subject)
        case "send again":
            send_again(each.order_id, plan.as_of)
        case what:
            raise NotRepaired(f"nothing is known as {what}")


def void(order_id: str, intent: str) -> None:
    """Have the payment function void the order, and give this hold back, whether it knows of it or not. It refuses for
    a payment that was captured.
    """
    wanted = {"action": VOID, "order_id": order_id, "reason": REASON, "intent": intent}
    answer = functions().invoke(FunctionName=settings.text("PAYMENT_FUNCTION"), Payload=json.dumps(wanted).encode())
    content = answer["Payload"].read()
    if "FunctionError" in answer:
        raise NotRepaired(str(json.loads(content).get("errorType", answer["FunctionError"])))


def send_again(order_id: str, as_of: str) -> None:
    """Send the order's event again. Its workflow goes on with what stands, and finds what it has done before."""
    event = event_of(order_id, as_of)
    answer = events().put_events(Entries=[event.entry(settings.text("EVENT_BUS_NAME"))])
    # PutEvents succeeds as a request when its entries did not.
    if answer["FailedEntryCount"]:
        raise NotRepaired(str(answer["Entries"][0].get("ErrorCode", "refused")))


def event_of(order_id: str, as_of: str) -> OrderEvent:
    """The event as the sweep would send it (sweep/app.py): with what the list of open orders says. An order that is not
    on it was placed when its item says so, or at `as_of` if that is no time.

    Such an order is not marked for review. One that has to be approved is not confirmed by that: validate looks itself.
    """
    found, listed = read_items(order_id, "ORDERS_TABLE", "OPEN_ORDERS_TABLE")
    if listed:
        order = open_order_from(listed)
        tried = backoff.tried_minutes(order.sweeps)
        return OrderEvent(PLACED, order_id, order.occurred_at, tried, review=order.review)
    placed_at = (found or {}).get("placed_at", {}).get("S", "")
    return OrderEvent(PLACED, order_id, placed_at if is_time(placed_at) else as_of)


def is_time(moment: str) -> bool:
    """Whether this is a time in ISO 8601."""
    try:
        epoch_seconds(moment)
    except (ValueError, OverflowError):
        return False
    return True


def ask(plan: Plan, each: Wanted) -> bool:
    """Write down that the repair is about to be made; answers whether it is still to be made: its outcome, if there is
    one, stands.
    """
    try:
        services.dynamodb().update_item(
            TableName=settings.text("BOOK_RUNS_TABLE"),
            Key=record_key(plan, each),
            UpdateExpression="SET #status = :asked, what = :what, order_id = :order_id,"
            " asked_at = if_not_exists(asked_at, :now)",
            ConditionExpression="attribute_not_exists(id) OR #status = :asked",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":asked": {"S": "ASKED"},
                ":what": {"S": each.what},
                ":order_id": {"S": each.order_id},
                ":now": {"S": iso_8601(time.time())},
            },
        )
    except services.dynamodb().exceptions.ConditionalCheckFailedException:
        logger.debug("settled before", code=each.code, order_id=each.order_id)
        return False
    return True


def settle(plan: Plan, each: Wanted, status: Status) -> None:
    """Write down what came of a repair, unless somebody has."""
    try:
        services.dynamodb().update_item(
            TableName=settings.text("BOOK_RUNS_TABLE"),
            Key=record_key(plan, each),
            UpdateExpression="SET #status = :status, done_at = :now",
            ConditionExpression="#status = :asked",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":status": {"S": status},
                ":asked": {"S": "ASKED"},
                ":now": {"S": iso_8601(time.time())},
            },
        )
    except services.dynamodb().exceptions.ConditionalCheckFailedException:
        logger.debug("settled by another", code=each.code, order_id=each.order_id)


def results(plan: Plan, repairs: Sequence[Wanted]) -> Iterator[tuple[Wanted, Status]]:
    """What came of these repairs, of those that were asked for. Raises Unread."""
    for batch in batched(repairs[:MOST], MAX_READS):
        of = {record_key(plan, each)["id"]["S"]: each for each in batch}
        for item in _read_all([{"id": {"S": key}} for key in of]):
            yield of[item["id"]["S"]], item["status"]["S"]


def _read_all(keys: Sequence[Item]) -> Iterator[Item]:
    table = settings.text("BOOK_RUNS_TABLE")
    left: KeysAndAttributesTypeDef = {"Keys": keys, "ConsistentRead": True}
    for attempt in range(READS):
        time.sleep(attempt)
        answer = services.dynamodb().batch_get_item(RequestItems={table: left})
        yield from answer["Responses"].get(table, [])
        if table not in answer["UnprocessedKeys"]:
            return
        left = answer["UnprocessedKeys"][table]  # type: ignore[assignment]
    raise Unread("DynamoDB has left repairs unread")


def record_key(plan: Plan, each: Wanted) -> Item:
    """The key of what is written of a repair. An id that no order can have may be too long for it."""
    name = each.order_id if is_order_id(each.order_id) else hashlib.sha256(each.order_id.encode()).hexdigest()
    hold = f"#{each.subject}" if each.what == VOID else ""
    return {"id": {"S": f"REPAIR#{places.execution_name(plan.run)}#{each.code}#{name}{hold}"}}


def describe(error: Exception) -> str:
    """An error's kind, and for what somebody refused its code; never a text that may quote the order."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return str(error) if isinstance(error, NotRepaired) else type(error).__name__
