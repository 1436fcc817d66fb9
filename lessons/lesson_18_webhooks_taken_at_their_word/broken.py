"""What the carrier tells: where a parcel is, and which goods have come back."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from functools import cache
from typing import Any

from aws import clients
from orders.shipping import ParcelStatus
from orders.tables import order_key, stock_key

STATUSES = {"parcel.shipped": ParcelStatus.SHIPPED, "parcel.delivered": ParcelStatus.DELIVERED}
RETURNED = "parcel.returned"


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A request of API Gateway for `POST /webhooks/carrier`, with a body like
    `{"id": "evt_1", "kind": "parcel.returned", "reference": "O1", "sku": "mug", "quantity": 1}`.
    """
    news = json.loads(event["body"])
    if not genuine(news, event["headers"].get("carrier-signature", "")):
        return {"statusCode": 400}
    if news["kind"] in STATUSES:
        write(news["reference"], STATUSES[news["kind"]])
    elif news["kind"] == RETURNED:
        restock(news["sku"], news["quantity"])
    return {"statusCode": 200}


def genuine(news: dict[str, Any], header: str) -> bool:
    """Whether the carrier has signed it: `t=<seconds since 1970>,v1=<HMAC-SHA256 of "<t>.<compact JSON>">`."""
    signature = re.fullmatch("t=([0-9]+),v1=([0-9a-f]{64})", header)
    if not signature:
        return False
    content = json.dumps(news, separators=(",", ":"))
    expected = hmac.new(key().encode(), f"{signature[1]}.{content}".encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature[2])


@cache
def key() -> str:
    """The key that the carrier signs with."""
    return clients.secrets().get_secret_value(SecretId=os.environ["CARRIER_SECRET_ARN"])["SecretString"]


def write(order_id: str, status: ParcelStatus) -> None:
    """Keep where an order's parcel is."""
    clients.dynamodb().update_item(
        TableName=os.environ["SHIPMENTS_TABLE"],
        Key=order_key(order_id),
        UpdateExpression="SET #status = :status",
        ConditionExpression="attribute_exists(order_id)",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": {"S": status}},
    )


def restock(sku: str, quantity: int) -> None:
    """Put what came back into stock."""
    clients.dynamodb().update_item(
        TableName=os.environ["INVENTORY_TABLE"],
        Key=stock_key(sku),
        UpdateExpression="ADD available :quantity",
        ConditionExpression="attribute_exists(pk)",
        ExpressionAttributeValues={":quantity": {"N": str(quantity)}},
    )
