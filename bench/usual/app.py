"""The order pipeline as most teams would write it, to compare with: all of its handlers in one module.

It does what the guides recommend and is no straw man. Powertools everywhere: a structured log, metrics, traces, events
parsed into pydantic models, stream records as data classes, partial batch responses, and an idempotency decorator on
every handler. Stock changes in a transaction with its condition, the money has an idempotency key, every step can be
undone. It runs on the pipeline's own tables, bus and workflow type; order.asl.json is its workflow.

It keeps fewer promises than the pipeline: a sandbox that dies between an effect and its idempotency record repeats the
effect, two executions of one order may come to opposite decisions, and a cancel that overtakes its try is lost
(docs/lessons.md shows each). Only the costs are compared here.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord, DynamoDBRecordEventName
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent,
    idempotent_function,
)
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, Discriminator, Field, RootModel

from orders import Charge
from payment.simulated import SimulatedGateway

logger = Logger()
metrics = Metrics()
tracer = Tracer()
processor = BatchProcessor(event_type=EventType.DynamoDBStreams)

dynamodb = boto3.resource("dynamodb")
events = boto3.client("events")
mail = boto3.client("sesv2")
orders = dynamodb.Table(os.environ["ORDERS_TABLE"])
inventory = dynamodb.Table(os.environ["INVENTORY_TABLE"])
payments = dynamodb.Table(os.environ["PAYMENTS_TABLE"])
gateway = SimulatedGateway()  # the same provider as the pipeline's

by_record = IdempotencyConfig(event_key_jmespath="eventID", raise_on_no_idempotency_key=True)
by_order = IdempotencyConfig(event_key_jmespath="order_id", raise_on_no_idempotency_key=True)
by_step = IdempotencyConfig(event_key_jmespath="[action, order_id]", raise_on_no_idempotency_key=True)


def records() -> DynamoDBPersistenceLayer:
    """A store of records for one handler, because a store keeps the key of the first configuration that uses it."""
    return DynamoDBPersistenceLayer(table_name=os.environ["IDEMPOTENCY_TABLE"])


class Customer(BaseModel):
    customer_id: str
    email: str


class Line(BaseModel):
    sku: str
    quantity: int = Field(gt=0)
    unit_price: int = Field(gt=0)


class Order(BaseModel):
    order_id: str
    customer: Customer
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    lines: list[Line] = Field(min_length=1)
    total: int = Field(gt=0)
    payment_method: str
    placed_at: datetime
    schema_version: int


class OrderEvent(BaseModel):
    order_id: str


class Reserve(BaseModel):
    action: Literal["reserve"]
    order_id: str
    lines: list[Line]


class Release(BaseModel):
    action: Literal["release"]
    order_id: str


class Authorize(BaseModel):
    action: Literal["authorize"]
    order_id: str
    total: int
    currency: str
    payment_method: str


class Capture(BaseModel):
    action: Literal["capture"]
    order_id: str


class Void(BaseModel):
    action: Literal["void"]
    order_id: str


class InventoryEvent(RootModel[Annotated[Reserve | Release, Discriminator("action")]]):
    """What is asked of the inventory."""


class PaymentEvent(RootModel[Annotated[Authorize | Capture | Void, Discriminator("action")]]):
    """What is asked of the payment."""


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def publish(event: dict[str, Any], context: LambdaContext) -> Any:
    """Publish the stream's records to the bus."""
    by_record.register_lambda_context(context)
    return process_partial_response(event=event, record_handler=publish_record, processor=processor, context=context)


@tracer.capture_method
def publish_record(record: DynamoDBRecord) -> None:
    if not record.dynamodb:
        raise ValueError("a record without an image")
    new, old = record.dynamodb.new_image, record.dynamodb.old_image
    if record.event_name == DynamoDBRecordEventName.INSERT:
        detail_type = "OrderPlaced"
    elif "status" in new and new["status"] != old.get("status"):
        detail_type = f"Order{new['status'].capitalize()}"
    else:
        return
    put_event(record=record.raw_event, order_id=new["order_id"], detail_type=detail_type)


@idempotent_function(data_keyword_argument="record", config=by_record, persistence_store=records())  # type: ignore[untyped-decorator]
def put_event(record: dict[str, Any], order_id: str, detail_type: str) -> dict[str, str]:
    detail = {"version": 1, "order_id": order_id, "occurred_at": datetime.now(UTC).isoformat(), "review": False}
    entry: Any = {
        "EventBusName": os.environ["EVENT_BUS_NAME"],
        "Source": "orders",
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
    }
    answer = events.put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        raise RuntimeError(answer["Entries"][0]["ErrorCode"])
    metrics.add_metric(name=detail_type, unit=MetricUnit.Count, value=1)
    logger.info("Event published", order_id=order_id, detail_type=detail_type)
    return {"event_id": answer["Entries"][0]["EventId"]}


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
@event_parser(model=OrderEvent)
@idempotent(persistence_store=records(), config=by_order)
def validate(event: OrderEvent, context: LambdaContext) -> dict[str, Any]:
    """Check the order and its prices; answer it without its customer."""
    item = orders.get_item(Key={"order_id": event.order_id}, ConsistentRead=True)["Item"]
    order = Order.model_validate(item)
    prices = prices_of(line.sku for line in order.lines)
    valid = order.total == sum(line.quantity * line.unit_price for line in order.lines) and all(
        prices.get(line.sku) == line.unit_price for line in order.lines
    )
    metrics.add_metric(name="OrderValid" if valid else "OrderInvalid", unit=MetricUnit.Count, value=1)
    logger.info("Order validated", order_id=order.order_id, valid=valid)
    return {"valid": valid, **order.model_dump(mode="json", exclude={"customer", "placed_at", "schema_version"})}


@tracer.capture_method
def prices_of(skus: Any) -> dict[str, Decimal]:
    keys = [{"pk": f"SKU#{sku}", "sk": "STOCK"} for sku in skus]
    answer = dynamodb.batch_get_item(RequestItems={inventory.name: {"Keys": keys, "ConsistentRead": True}})
    return {str(item["pk"])[4:]: item["unit_price"] for item in answer["Responses"][inventory.name]}  # type: ignore[misc]


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
@event_parser(model=InventoryEvent)
@idempotent(persistence_store=records(), config=by_step)
def change_stock(event: InventoryEvent, context: LambdaContext) -> dict[str, Any]:
    """Reserve the order's stock, or release it."""
    asked = event.root
    if isinstance(asked, Reserve):
        reserved = reserve(asked)
        metric = "StockReserved" if reserved else "OutOfStock"
    else:
        release(asked)
        reserved, metric = False, "StockReleased"
    metrics.add_metric(name=metric, unit=MetricUnit.Count, value=1)
    logger.info(metric, order_id=asked.order_id)
    return {"reserved": reserved, "order_id": asked.order_id}


@tracer.capture_method
def reserve(asked: Reserve) -> bool:
    lines = [line.model_dump(include={"sku", "quantity"}) for line in asked.lines]
    reservation = {"pk": f"ORDER#{asked.order_id}", "sk": "RESERVATION", "status": "RESERVED", "lines": lines}
    put: Any = {"Put": {"TableName": inventory.name, "Item": reservation}}
    try:
        dynamodb.meta.client.transact_write_items(
            TransactItems=[put, *(stock_update(line.sku, -line.quantity) for line in asked.lines)]
        )
    except dynamodb.meta.client.exceptions.TransactionCanceledException as error:
        if "ConditionalCheckFailed" in str(error):
            return False
        raise
    return True


@tracer.capture_method
def release(asked: Release) -> None:
    key = {"pk": f"ORDER#{asked.order_id}", "sk": "RESERVATION"}
    reservation: Any = inventory.get_item(Key=key).get("Item")
    if reservation is None or reservation["status"] == "RELEASED":
        return
    update: Any = {
        "Update": {
            "TableName": inventory.name,
            "Key": key,
            "UpdateExpression": "SET #status = :released",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":released": "RELEASED"},
        }
    }
    dynamodb.meta.client.transact_write_items(
        TransactItems=[update, *(stock_update(line["sku"], int(line["quantity"])) for line in reservation["lines"])]
    )


def stock_update(sku: str, change: int) -> Any:
    return {
        "Update": {
            "TableName": inventory.name,
            "Key": {"pk": f"SKU#{sku}", "sk": "STOCK"},
            "UpdateExpression": "SET available = available + :change",
            "ConditionExpression": "available >= :needed",
            "ExpressionAttributeValues": {":change": change, ":needed": max(0, -change)},
        }
    }


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
@event_parser(model=PaymentEvent)
@idempotent(persistence_store=records(), config=by_step)
def pay(event: PaymentEvent, context: LambdaContext) -> dict[str, Any]:
    """Authorize the order's payment, capture it, or void it."""
    asked = event.root
    match asked:
        case Authorize():
            status = authorize(asked)
        case Capture():
            reference = reference_of(asked.order_id)
            gateway.capture(f"{asked.order_id}:capture", reference)
            status = settle(asked.order_id, "CAPTURED")
        case Void():
            reference = reference_of(asked.order_id)
            gateway.cancel(f"{asked.order_id}:cancel", reference)
            status = settle(asked.order_id, "VOIDED")
    metrics.add_metric(name=f"Payment{status.capitalize()}", unit=MetricUnit.Count, value=1)
    logger.info("Payment changed", order_id=asked.order_id, status=status)
    return {"authorized": status != "DECLINED", "order_id": asked.order_id, "status": status}


@tracer.capture_method
def authorize(asked: Authorize) -> str:
    charge = Charge(asked.order_id, asked.total, asked.currency, asked.payment_method)
    intent = gateway.authorize(f"{asked.order_id}:authorize", charge)
    status = "AUTHORIZED" if intent.status == "requires_capture" else "DECLINED"
    payments.put_item(
        Item={
            "order_id": asked.order_id,
            "status": status,
            "amount": asked.total,
            "currency": asked.currency,
            "provider_reference": intent.reference,
        }
    )
    return status


def reference_of(order_id: str) -> str:
    return str(payments.get_item(Key={"order_id": order_id}, ConsistentRead=True)["Item"]["provider_reference"])


def settle(order_id: str, status: str) -> str:
    payments.update_item(
        Key={"order_id": order_id},
        UpdateExpression="SET #status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": status},
    )
    return status


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
@event_parser(model=OrderEvent)
@idempotent(persistence_store=records(), config=by_order)
def notify(event: OrderEvent, context: LambdaContext) -> dict[str, Any]:
    """Tell the customer how the order ended."""
    item: Any = orders.get_item(Key={"order_id": event.order_id}, ConsistentRead=True)["Item"]
    order = Order.model_validate(item)
    subject = f"Your order {order.order_id} is {item['status'].lower()}"
    rows = "\n".join(f"{line.quantity} × {line.sku}" for line in order.lines)
    answer = mail.send_email(
        FromEmailAddress=os.environ["SENDER_EMAIL"],
        Destination={"ToAddresses": [order.customer.email]},
        Content={"Simple": {"Subject": {"Data": subject}, "Body": {"Text": {"Data": f"{subject}.\n\n{rows}"}}}},
    )
    metrics.add_metric(name="CustomerNotified", unit=MetricUnit.Count, value=1)
    logger.info("Customer notified", order_id=order.order_id, status=item["status"])
    return {"message_id": answer["MessageId"]}
