"""What the carrier tells: where a parcel is, and which goods have come back. Each piece of news counts once, and none
takes a parcel back to where it was.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import time
from functools import cache
from typing import Any

from aws import clients
from orders.shipping import ParcelStatus
from orders.tables import order_key, stock_key

STATUSES = {"parcel.shipped": ParcelStatus.SHIPPED, "parcel.delivered": ParcelStatus.DELIVERED}
RETURNED = "parcel.returned"
ORDER = list(ParcelStatus)  # from PLANNED to DELIVERED
TOLERANCE_SECONDS = 5 * 60


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A request of API Gateway for `POST /webhooks/carrier`, with a body like
    `{"id": "evt_1", "kind": "parcel.returned", "reference": "O1", "sku": "mug", "quantity": 1}`.
    """
    if not genuine(event["body"], event["headers"].get("carrier-signature", "")):
        return {"statusCode": 400}
    news = json.loads(event["body"])
    if news["kind"] in STATUSES:
        apply(news["id"], moved(news["reference"], STATUSES[news["kind"]]))
    elif news["kind"] == RETURNED:
        apply(news["id"], restocked(news["sku"], news["quantity"]))
    return {"statusCode": 200}


def genuine(body: str, header: str) -> bool:
    """Whether the carrier has signed it, and now: `t=<seconds since 1970>,v1=<HMAC-SHA256 of "<t>.<body>">`, the body
    being what was sent, byte by byte.
    """
    signature = re.fullmatch("t=([0-9]+),v1=([0-9a-f]{64})", header)
    if not signature or abs(time.time() - int(signature[1])) > TOLERANCE_SECONDS:
        return False
    expected = hmac.new(key().encode(), f"{signature[1]}.{body}".encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature[2])


@cache
def key() -> str:
    """The key that the carrier signs with."""
    return clients.secrets().get_secret_value(SecretId=os.environ["CARRIER_SECRET_ARN"])["SecretString"]


def apply(event_id: str, change: dict[str, Any]) -> None:
    """Put the news into the inbox and make its change, both or neither. Nothing happens for what is in the inbox, and
    for what is older than what we know.
    """
    news = {
        "TableName": os.environ["INBOX_TABLE"],
        "Item": {"id": {"S": f"carrier:{event_id}"}},
        "ConditionExpression": "attribute_not_exists(id)",
    }
    both: Any = [{"Put": news}, {"Update": change}]
    try:
        clients.dynamodb().transact_write_items(TransactItems=both)
    except clients.dynamodb().exceptions.TransactionCanceledException as error:
        # If no condition failed, another transaction was in the way. It is an error, so the carrier sends it again.
        if "ConditionalCheckFailed" not in [reason["Code"] for reason in error.response["CancellationReasons"]]:
            raise


def moved(order_id: str, status: ParcelStatus) -> dict[str, Any]:
    """An order's parcel has come further, never back."""
    lower = {f":lower{n}": {"S": before} for n, before in enumerate(ORDER[: ORDER.index(status)])}
    return {
        "TableName": os.environ["SHIPMENTS_TABLE"],
        "Key": order_key(order_id),
        "UpdateExpression": "SET #status = :status",
        "ConditionExpression": f"#status IN ({', '.join(lower)})",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {":status": {"S": status}, **lower},
    }


def restocked(sku: str, quantity: int) -> dict[str, Any]:
    """What came back is in stock."""
    return {
        "TableName": os.environ["INVENTORY_TABLE"],
        "Key": stock_key(sku),
        "UpdateExpression": "ADD available :quantity",
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeValues": {":quantity": {"N": str(quantity)}},
    }
