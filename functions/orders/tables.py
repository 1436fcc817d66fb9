"""The keys and attributes of the tables' items, as DynamoDB writes them: `{"status": {"S": "RESERVED"}, …}`.

The stock of a SKU is one counter, or several (inventory/shards.py): shard 0 is the item that the catalogue knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orders import (
    Charge,
    Line,
    OpenOrder,
    Payment,
    PaymentStatus,
    Refund,
    RefundStatus,
    Reservation,
    ReservationStatus,
)
from orders.approval import Approval, ApprovalStatus

if TYPE_CHECKING:
    from orders.model import NewOrder

Item = dict[str, Any]

# Sort keys of the Inventory table.
_STOCK, _SHARD, _RESERVATION, _RESTOCKED = "STOCK", "SHARD", "RESERVATION", "RESTOCKED"
_REFUND = "refund:"


def order_key(order_id: str) -> Item:
    """The key of an order's item in Orders, OrderStates, Payments, Approvals, Shipments and Returns."""
    return {"order_id": {"S": order_id}}


def order_item(order_id: str, order: NewOrder, prices: Mapping[str, int], total: int, placed_at: str) -> Item:
    """The item of an order that is placed: `prices` by SKU, and `total`, are in minor units, `placed_at` is ISO 8601 in
    UTC. By `customer_id` at its top level the index finds it.
    """
    customer = order.customer
    return {
        **order_key(order_id),
        "customer": {"M": {"customer_id": {"S": customer.customer_id}, "email": {"S": customer.email}}},
        "customer_id": {"S": customer.customer_id},
        "currency": {"S": order.currency},
        "lines": {
            "L": [
                {
                    "M": {
                        "sku": {"S": line.sku},
                        "quantity": {"N": str(line.quantity)},
                        "unit_price": {"N": str(prices[line.sku])},
                    }
                }
                for line in order.lines
            ]
        },
        "total": {"N": str(total)},
        "payment_method": {"S": order.payment_method},
        **({"ship_to": {"S": order.ship_to}} if order.ship_to else {}),
        "placed_at": {"S": placed_at},
        "schema_version": {"N": "1"},
    }


def stock_key(sku: str, shard: int = 0) -> Item:
    """The key of one of a SKU's counters in the Inventory table. No SKU can make it another's: a shard's number comes
    first, and ends at the first `#` after it.
    """
    if shard == 0:
        return _inventory_key(f"SKU#{sku}", _STOCK)
    return _inventory_key(f"SHARD#{shard}#{sku}", _SHARD)


def sku_of(counter: Item) -> str:
    """The SKU of which an item of the Inventory table is a counter."""
    after = 1 if counter["sk"]["S"] == _STOCK else 2
    return str(counter["pk"]["S"]).split("#", after)[after]


def is_shard(key: Item) -> bool:
    """Whether an item or a key, of whichever table, is that of a counter that a SKU has beside its first."""
    return key.get("sk") == {"S": _SHARD}


def reservation_key(order_id: str) -> Item:
    """The key of an order's reservation in the Inventory table."""
    return _inventory_key(f"ORDER#{order_id}", _RESERVATION)


def is_reservation(item: Item) -> bool:
    """Whether an item of the Inventory table is a reservation; it is a counter otherwise."""
    return bool(item["sk"]["S"] == _RESERVATION)


def _inventory_key(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def reservation_item(reservation: Reservation) -> Item:
    """The item of a reservation; `shard` and `reason` are left out where there is none."""
    lines = [
        {
            "M": {
                "sku": {"S": line.sku},
                "quantity": {"N": str(line.quantity)},
                **({"unit_price": {"N": str(line.unit_price)}} if line.unit_price else {}),
            }
        }
        for line in reservation.lines
    ]
    item = {
        **reservation_key(reservation.order_id),
        "status": {"S": reservation.status},
        "lines": {"L": lines},
    }
    if reservation.shard:
        item["shard"] = {"N": str(reservation.shard)}
    if reservation.reason:
        item["reason"] = {"S": reservation.reason}
    return item


def order_in_stock(item: Item) -> str:
    """The order that an item of the Inventory table is about which is no counter."""
    return str(item["pk"]["S"].removeprefix("ORDER#"))


def reservation_from(item: Item) -> Reservation:
    """The reservation in an item of the Inventory table."""
    return Reservation(
        order_id=order_in_stock(item),
        status=ReservationStatus(item["status"]["S"]),
        lines=tuple(_line(line["M"]) for line in item["lines"]["L"]),
        shard=int(item.get("shard", {"N": "0"})["N"]),
        reason=item.get("reason", {"S": ""})["S"],
    )


def _line(written: Item) -> Line:
    price = int(written.get("unit_price", {"N": "0"})["N"])
    return Line(written["sku"]["S"], int(written["quantity"]["N"]), price)


def restock_key(order_id: str, return_id: str) -> Item:
    """The key of what says that a return was put back into stock, in the Inventory table."""
    return _inventory_key(f"ORDER#{order_id}", f"{_RESTOCKED}#{return_id}")


def is_restock(item: Item) -> bool:
    """Whether an item of the Inventory table says that a return was put back into stock."""
    return bool(item["sk"]["S"].startswith(f"{_RESTOCKED}#"))


def order_of_restock(item: Item) -> tuple[str, str]:
    """The order and the return that such an item is about."""
    return order_in_stock(item), item["sk"]["S"].removeprefix(f"{_RESTOCKED}#")


def refund_attribute(return_id: str) -> str:
    """The attribute of a payment that holds a return's refund."""
    return f"{_REFUND}{return_id}"


def _refunds(item: Item) -> tuple[Refund, ...]:
    return tuple(
        Refund(
            name.removeprefix(_REFUND),
            RefundStatus(written["M"]["status"]["S"]),
            int(written["M"]["amount"]["N"]),
            written["M"].get("provider_reference", {"S": ""})["S"],
            written["M"].get("refunded_at", {"S": ""})["S"],
        )
        for name, written in sorted(item.items())
        if name.startswith(_REFUND)
    )


def payment_from(item: Item) -> Payment:
    """The payment in an item of the Payments table."""

    def text(name: str) -> str:
        return str(item.get(name, {}).get("S", ""))

    def number(name: str) -> int:
        return int(item.get(name, {}).get("N", 0))

    return Payment(
        status=PaymentStatus(item["status"]["S"]),
        charge=Charge(text("order_id"), number("amount"), text("currency"), text("payment_method")),
        asked_at=number("asked_at"),
        provider_reference=text("provider_reference"),
        reason=text("reason"),
        refunded=number("refunded"),
        refunds=_refunds(item),
        dispute=text("dispute"),
    )


def open_order_key(order_id: str, return_id: str = "") -> Item:
    """The key of an order, or of one of its returns, on a list of what is to do. No order that was accepted has a `/`
    in its id.
    """
    return order_key(f"{order_id}/{return_id}" if return_id else order_id)


def open_order_item(order: OpenOrder) -> Item:
    """The item of an order that was just opened; what it is stuck at is the workflow's to write."""
    review = {"review": {"BOOL": True}} if order.review else {}
    what = {"what": {"S": order.what}} if order.what != OpenOrder.what else {}
    return_id = {"return_id": {"S": order.return_id}} if order.return_id else {}
    return {
        **review,
        **what,
        **return_id,
        **open_order_key(order.order_id, order.return_id),
        "occurred_at": {"S": order.occurred_at},
        "sweeps": {"N": str(order.sweeps)},
        "sweep_at": {"N": str(order.sweep_at)},
    }


def open_order_from(item: Item) -> OpenOrder:
    """The open order in an item of the OpenOrders table. Raises KeyError or ValueError for one that is none."""
    stuck = item.get("stuck", {"M": {}})["M"]
    return_id = item.get("return_id", {"S": ""})["S"]
    key = item["order_id"]["S"]
    return OpenOrder(
        order_id=key.removesuffix(f"/{return_id}") if return_id else key,
        occurred_at=item["occurred_at"]["S"],
        sweeps=int(item["sweeps"]["N"]),
        sweep_at=int(item["sweep_at"]["N"]),
        review=item.get("review", {"BOOL": False})["BOOL"],
        stuck=f"{stuck['step']['S']}: {stuck['error']['S']}" if stuck else "",
        call_at=int(item.get("call_at", {"N": "0"})["N"]),
        what=item.get("what", {"S": OpenOrder.what})["S"],
        return_id=return_id,
    )


def approval_from(item: Item) -> Approval:
    """The approval in an item of the Approvals table."""
    return Approval(
        order_id=item["order_id"]["S"],
        status=ApprovalStatus(item["status"]["S"]),
        content=item["content"]["S"],
        asked_at=item["asked_at"]["S"],
        expires_at=int(item["expires_at"]["N"]),
        mail_at=int(item["mail_at"]["N"]),
        waiter=item["waiter"]["S"],
        task_token=item["task_token"]["S"],
        links=frozenset(item.get("links", {"SS": []})["SS"]),
        tried_minutes=int(item.get("tried_minutes", {"N": "0"})["N"]),
        decided_at=item.get("decided_at", {"S": ""})["S"],
    )
