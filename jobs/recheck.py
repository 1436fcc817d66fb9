"""Look at an order once more: all that the tables have of it, read consistently.

What there is to do is read first and the decision after it: an order that is not on the list by then was finished
before, so what is read of it after that is final. The other way round, one that is decided in between would look lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jobs import settings
from jobs.cases import Case
from jobs.services import dynamodb
from orders.shipping import Returns, returns_from, shipment_from
from orders.tables import Item, open_order_key, order_key, payment_from, reservation_key
from payment.simulated import ORDER_INDEX


def look_again(case: Case) -> Case:
    """The same order as it is now. What can't be read by the order, or not at all, such as a real provider's ledger, is
    as it was; or if it has a key of its own, read by that.
    """
    items: dict[str, list[Item]] = {}
    for source, read in _READ.items():
        if source in case.night.sources:
            items[source] = read(case, items) if _table(source) else [*case.items.get(source, ())]
    items["told"] = [*case.items.get("told", ())]
    return Case(case.order_id, {source: some for source, some in items.items() if some}, case.night)


_VARIABLES = {
    "orders": "ORDERS_TABLE",
    "states": "ORDER_STATES_TABLE",
    "open": "OPEN_ORDERS_TABLE",
    "approvals": "APPROVALS_TABLE",
    "inventory": "INVENTORY_TABLE",
    "payments": "PAYMENTS_TABLE",
    "provider": "SIMULATED_GATEWAY_TABLE",
    "shipments": "SHIPMENTS_TABLE",
    "returns": "RETURNS_TABLE",
    "open_shipments": "OPEN_SHIPMENTS_TABLE",
    "inbox": "INBOX_TABLE",
    "carrier": "SIMULATED_CARRIER_TABLE",
}


def _table(source: str) -> str:
    return settings.table(_VARIABLES[source])


def _get(source: str, keys: Iterable[Item]) -> list[Item]:
    answers = (dynamodb().get_item(TableName=_table(source), Key=key, ConsistentRead=True) for key in keys)
    return [answer["Item"] for answer in answers if "Item" in answer]


def _by_order(source: str) -> Callable[[Case, dict[str, list[Item]]], list[Item]]:
    return lambda case, _: _get(source, [order_key(case.order_id)])


def _shipments_to_do(case: Case, _: dict[str, list[Item]]) -> list[Item]:
    """The order's own entry, and those of its returns: of which there are, the returns tell."""
    returns = _returns(_get("returns", [order_key(case.order_id)]) if _table("returns") else [])
    ids = sorted(returns.returns) if returns else []
    return _get("open_shipments", [open_order_key(case.order_id, return_id) for return_id in ("", *ids)])


def _inventory(case: Case, _: dict[str, list[Item]]) -> list[Item]:
    query: Any = {
        "TableName": _table("inventory"),
        "KeyConditionExpression": "pk = :order",
        "ExpressionAttributeValues": {":order": reservation_key(case.order_id)["pk"]},
        "ConsistentRead": True,
    }
    return [*_pages(query)]


def _intents(case: Case, read: dict[str, list[Item]]) -> list[Item]:
    """An index is never read consistently, so it only says which there are."""
    query: Any = {
        "TableName": _table("provider"),
        "IndexName": ORDER_INDEX,
        "KeyConditionExpression": "order_id = :order_id",
        "ExpressionAttributeValues": {":order_id": {"S": case.order_id}},
    }
    known = [item["id"]["S"] for item in (*_pages(query), *case.items.get("provider", ()))]
    known += [payment_from(item).provider_reference for item in read.get("payments", ())]
    return _get("provider", _ids(known))


def _bookings(case: Case, read: dict[str, list[Item]]) -> list[Item]:
    known = [item["id"]["S"] for item in case.items.get("carrier", ())]
    known += [parcel.tracking for item in read.get("shipments", ()) for parcel in shipment_from(item).parcels]
    returns = _returns(read.get("returns", []))
    known += [one.tracking for one in returns.returns.values()] if returns else []
    return _get("carrier", _ids(known))


def _news(case: Case, _: dict[str, list[Item]]) -> list[Item]:
    return _get("inbox", _ids(item["id"]["S"] for item in case.items.get("inbox", ())))


def _returns(items: list[Item]) -> Returns | None:
    return returns_from(items[0]) if items else None


def _ids(known: Iterable[str]) -> list[Item]:
    return [{"id": {"S": each}} for each in sorted({*known} - {""})]


def _pages(query: Any) -> Iterator[Item]:
    while True:
        page = dynamodb().query(**query)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


# In this order.
_READ: dict[str, Callable[[Case, dict[str, list[Item]]], list[Item]]] = {
    "open": _by_order("open"),
    "open_shipments": _shipments_to_do,
    "states": _by_order("states"),
    "returns": _by_order("returns"),
    "shipments": _by_order("shipments"),
    "approvals": _by_order("approvals"),
    "payments": _by_order("payments"),
    "inventory": _inventory,
    "provider": _intents,
    "carrier": _bookings,
    "inbox": _news,
    "orders": _by_order("orders"),
}
