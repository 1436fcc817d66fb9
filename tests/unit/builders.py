"""Orders, products and stream records, as the outside world writes them."""

from typing import Any

from boto3.dynamodb.types import TypeSerializer

CUSTOMER_ID = "customer-ada-4711"
EMAIL = "ada.lovelace@home.example"
# Planted in every order. conftest.py fails any test in which one of these turns up in a log.
PERSONAL = (CUSTOMER_ID, EMAIL, "lovelace")


def a_line(**changes: Any) -> dict[str, Any]:
    """Two packets of tea, as a line of `an_order`."""
    return {"sku": "TEA", "quantity": 2, "unit_price": 450} | changes


def an_order(**changes: Any) -> dict[str, Any]:
    """An order's item, valid where TEA is sold at 450; the total follows the lines unless it is given."""
    order: dict[str, Any] = {
        "order_id": "order-1",
        "customer": {"customer_id": CUSTOMER_ID, "email": EMAIL},
        "currency": "EUR",
        "lines": [a_line()],
        "payment_method": "pm_card_visa",
        "placed_at": "2026-01-01T09:00:00Z",
        "schema_version": 1,
    } | changes
    return {"total": sum(line["quantity"] * line["unit_price"] for line in order["lines"])} | order


def a_decided_order(outcome: str = "CONFIRMED", reason: str = "ACCEPTED", **changes: Any) -> dict[str, Any]:
    """An order after the workflow's Decide."""
    decided_at = "2026-01-01T09:00:05Z"
    decision = {"outcome": outcome, "reason": reason, "decided_at": decided_at, "execution": "arn:execution"}
    return an_order(**{"decision": decision, "status": outcome} | changes)


def a_product(sku: str = "TEA", **changes: Any) -> dict[str, Any]:
    """A stock item of the Inventory table."""
    stock = {"available": 10, "unit_price": 450, "currency": "EUR", "name": "A product"}
    return {"pk": f"SKU#{sku}", "sk": "STOCK"} | stock | changes


def a_record(new: dict[str, Any] | None, old: dict[str, Any] | None = None, *, number: int = 1) -> dict[str, Any]:
    """A record of the Orders table's stream, as Lambda hands it over, for a change from `old` to `new`."""
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": 1767258000.0 + number,
        "Keys": {"order_id": {"S": (new or old or {})["order_id"]}},
        "SequenceNumber": f"{number:021}",
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if new is not None:
        change["NewImage"] = as_image(new)
    if old is not None:
        change["OldImage"] = as_image(old)
    name = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
    return {"eventID": f"event-{number}", "eventName": name, "eventSource": "aws:dynamodb", "dynamodb": change}


def as_image(item: dict[str, Any]) -> dict[str, Any]:
    """An item in DynamoDB's own notation."""
    return {name: TypeSerializer().serialize(value) for name, value in item.items()}
