"""Orders, products and stream records, as the outside world writes them."""

from typing import Any

from boto3.dynamodb.types import TypeSerializer

CUSTOMER_ID = "customer-ada-4711"
EMAIL = "ada.lovelace@home.example"
SHIP_TO = "Ada King\n12 St James's Square\nLondon SW1Y 4JH"
# Planted in every order. conftest.py fails any test in which one of these turns up in a log.
PERSONAL = (CUSTOMER_ID, EMAIL, "lovelace", "St James's Square")
APPROVER = "grace.hopper@office.example"
TASK_TOKEN = "AAAAKgAAAAIAAAAAtoken"  # how each task's token begins
LINK_SECRET = "a-secret-that-nobody-guesses"  # how the secret of each link begins
# Nor may these: whoever has one can do what only an approver, or only the workflow, may.
SECRET = (APPROVER, "hopper", TASK_TOKEN, LINK_SECRET)
HUGE = "x" * 100_000


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
        "ship_to": SHIP_TO,
        "placed_at": "2026-01-01T09:00:00Z",
        "schema_version": 1,
    } | changes
    return {"total": sum(line["quantity"] * line["unit_price"] for line in order["lines"])} | order


def a_state(outcome: str = "CONFIRMED", reason: str = "ACCEPTED", **changes: Any) -> dict[str, Any]:
    """What became of an order, as the workflow writes it into OrderStates with its decision."""
    decided_at = "2026-01-01T09:00:05Z"
    decision = {"outcome": outcome, "reason": reason, "decided_at": decided_at, "execution": "arn:execution"}
    state = {"order_id": "order-1", "decision": decision, "status": outcome, "history": {outcome: decided_at}}
    return state | changes


def an_open_order(**changes: Any) -> dict[str, Any]:
    """An item of OpenOrders, as publish writes it."""
    opened = {"order_id": "order-1", "occurred_at": "2026-01-01T09:00:01+00:00", "sweeps": 0, "sweep_at": 1767258061}
    return opened | changes


def a_product(sku: str = "TEA", **changes: Any) -> dict[str, Any]:
    """A stock item of the Inventory table."""
    stock = {"available": 10, "unit_price": 450, "currency": "EUR", "name": "A product"}
    return {"pk": f"SKU#{sku}", "sk": "STOCK"} | stock | changes


def an_order_record(order_id: str = "order-1", *, name: str = "INSERT", number: int = 1) -> dict[str, Any]:
    """A record of the Orders table's stream, as Lambda hands it over. Such a record has keys and no image."""
    return _record("OrdersTable", name, order_id, number, StreamViewType="KEYS_ONLY")


def a_state_record(new: dict[str, Any] | None, old: dict[str, Any] | None = None, *, number: int = 1) -> dict[str, Any]:
    """A record of OrderStates' stream, as Lambda hands it over, for a change from `old` to `new`."""
    images = {"NewImage": new, "OldImage": old}
    change = {name: as_image(item) for name, item in images.items() if item is not None}
    name = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
    order_id = (new or old or {})["order_id"]
    return _record("OrderStatesTable", name, order_id, number, StreamViewType="NEW_AND_OLD_IMAGES", **change)


def _record(table: str, name: str, order_id: str, number: int, **change: Any) -> dict[str, Any]:
    return {
        "eventID": f"event-{number}",
        "eventName": name,
        "eventSource": "aws:dynamodb",
        "eventSourceARN": f"arn:aws:dynamodb:eu-west-1:123456789012:table/{table}/stream/2026-01-01T00:00:00.000",
        "dynamodb": {
            "ApproximateCreationDateTime": 1767258000.0 + number,
            "Keys": {"order_id": {"S": order_id}},
            "SequenceNumber": f"{number:021}",
            **change,
        },
    }


def as_image(item: dict[str, Any]) -> dict[str, Any]:
    """An item in DynamoDB's own notation."""
    return {name: TypeSerializer().serialize(value) for name, value in item.items()}
