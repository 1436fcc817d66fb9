"""What each ledger shows: its columns, and its rows from the tables' items. Cells are plain values, never markup."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aws.item import plain_item
from console import model
from console.ledgers import Ledgers
from orders.shipping import read_reference
from orders.tables import Item, is_reservation, is_restock, sku_of

Cells = dict[str, Any]

_TO_DO = ("OpenOrdersTable", "OpenShipmentsTable")


@dataclass(frozen=True)
class Ledger:
    """One of them. `columns` are their headings by field; a column named `order_id` leads to the order. `count` says
    how many rows there are, without making them. `needs` are the tables without which there is none.
    """

    name: str
    says: str
    columns: Mapping[str, str]
    rows: Callable[[Ledgers], Iterator[Cells]]
    count: Callable[[Ledgers], int]
    needs: tuple[str, ...] = ()
    empty: str = "Nothing in here."


def _stock(seen: Ledgers) -> Iterator[Cells]:
    products: dict[str, Cells] = {}
    shelves: Counter[str] = Counter()
    received: Counter[str] = Counter()
    for item in _counters(seen):
        sku, plain = sku_of(item), plain_item(item)
        shelves[sku] += int(plain.get("available", 0))
        received[sku] += int(plain.get("received", 0))
        if "name" in plain or sku not in products:  # a SKU's further counters have neither name nor price
            products[sku] = {
                "name": model.text(plain.get("name")),
                "price": model.amount(plain.get("unit_price"), plain.get("currency")),
            }
    for sku, product in sorted(products.items()):
        yield {
            "id": sku,
            "sku": model.text(sku),
            **product,
            "available": shelves[sku],
            "held": seen.books.reserved(sku),
            "received": received[sku] or "",
        }


def _counters(seen: Ledgers) -> Iterator[Item]:
    """What is on the shelves: of a SKU there may be several."""
    return (item for item in seen.tables["InventoryTable"] if not is_reservation(item) and not is_restock(item))


def _payments(seen: Ledgers) -> Iterator[Cells]:
    for item in _newest_first(seen, "PaymentsTable"):
        yield {
            "id": item["order_id"],
            "order_id": model.text(item["order_id"]),
            "status": model.text(item.get("status")),
            "amount": model.amount(item.get("amount"), item.get("currency")),
            "refunded": model.amount(item["refunded"], item.get("currency")) if item.get("refunded") else "",
            "reference": model.text(item.get("provider_reference")),
        }


def _provider(seen: Ledgers) -> Iterator[Cells]:
    for item in _newest_first(seen, "SimulatedGatewayTable"):
        refunded = item.get("amount_refunded")
        yield {
            "id": item["id"],
            "intent": model.text(item["id"]),
            "order_id": model.text(item.get("order_id")),
            "status": model.text(item.get("status")),
            "amount": model.amount(item.get("amount"), item.get("currency")),
            "refunded": model.amount(refunded, item.get("currency")) if refunded else "",
        }


def _carrier(seen: Ledgers) -> Iterator[Cells]:
    parcels: dict[str, str] = {
        parcel.tracking: parcel.status
        for shipment in seen.books.shipments.values()
        for parcel in shipment.parcels
        if parcel.tracking
    }
    parcels |= {one.tracking: one.status for told in seen.books.returns.values() for one in told.returns.values()}
    for item in _newest_first(seen, "SimulatedCarrierTable"):
        order_id, comes_back, what = read_reference(item["reference"])
        units = item.get("units")
        yield {
            "id": item["id"],
            "tracking": model.text(item["id"]),
            "order_id": model.text(order_id),
            "parcel": model.text(f"{'return ' if comes_back else 'from '}{what}"),
            "units": model.text(", ".join(f"{n} × {sku}" for sku, n in units.items()) if units else ""),
            "status": model.text(parcels.get(item["id"], "")),
        }


def open_orders(seen: Ledgers) -> Iterator[Cells]:
    now = time.time()
    for table in _TO_DO:
        for item in sorted(map(plain_item, seen.tables.get(table, ())), key=lambda one: one.get("sweep_at", 0)):
            due, stuck = item.get("sweep_at"), item.get("stuck")
            entry = str(item["order_id"])
            yield {
                "id": f"{table}/{entry}",
                "order_id": model.text(entry.partition("/")[0]),
                "what": model.text(item.get("what", "OrderPlaced")),
                "since": clock(item.get("occurred_at")),
                "sweeps": int(item.get("sweeps", 0)),
                "at_work": entry.partition("/")[0] in seen.under_way,
                "next": _when(float(due), now) if due else "",
                "review": item.get("review") is True,
                "stuck": model.text(f"{stuck.get('step')}: {stuck.get('error')}" if isinstance(stuck, Mapping) else ""),
            }


def _letters(seen: Ledgers) -> Iterator[Cells]:
    for letter in seen.letters:
        yield {"id": letter.message_id, "queue": letter.queue, "body": model.text(letter.body)}


def _items_of(*tables: str) -> Callable[[Ledgers], int]:
    """Each item of these tables is a row."""
    return lambda seen: sum(len(seen.tables.get(table, ())) for table in tables)


ALL = (
    Ledger(
        "Stock",
        "What can be had and what orders hold. Together they are what ever came in.",
        {
            "sku": "SKU",
            "name": "Name",
            "available": "Available",
            "held": "Held or sold",
            "received": "Received",
            "price": "Price",
        },
        _stock,
        lambda seen: len({sku_of(item) for item in _counters(seen)}),
    ),
    Ledger(
        "Payments",
        "What the shop knows of its orders' money.",
        {
            "order_id": "Order",
            "status": "Status",
            "amount": "Amount",
            "refunded": "Refunded",
            "reference": "At the provider",
        },
        _payments,
        _items_of("PaymentsTable"),
        empty="No payment yet. Place an order.",
    ),
    Ledger(
        "Provider",
        "What the payment provider has on its own books, whatever the shop believes.",
        {
            "intent": "Payment intent",
            "order_id": "Order",
            "status": "Status",
            "amount": "Amount",
            "refunded": "Refunded",
        },
        _provider,
        _items_of("SimulatedGatewayTable"),
        ("SimulatedGatewayTable",),
        empty="The provider knows of no payment yet. Place an order.",
    ),
    Ledger(
        "Carrier",
        "The parcels that the carrier has on its own books, and how far the shop believes that they are.",
        {"tracking": "Tracking", "order_id": "Order", "parcel": "Parcel", "units": "Units", "status": "Status"},
        _carrier,
        _items_of("SimulatedCarrierTable"),
        ("SimulatedCarrierTable",),
        empty="No parcel yet. A confirmed order is shipped by itself.",
    ),
    Ledger(
        "Open orders",
        "What is still to do. What stays here is swept: its event is sent again, after longer and longer waits.",
        {
            "order_id": "Order",
            "what": "Waits for",
            "since": "Open since",
            "sweeps": "Sent again",
            "next": "Next time",
            "stuck": "Stuck at",
        },
        open_orders,
        _items_of(*_TO_DO),
        empty="Nothing is left to do.",
    ),
    Ledger(
        "Dead letters",
        "What failed for good and waits for a person. The first ten of each queue.",
        {"queue": "Queue", "body": "Message"},
        _letters,
        lambda seen: sum(seen.waiting.values()),  # and not only those that are shown
        empty="None. Nothing has failed for good.",
    ),
)


def shown(seen: Ledgers) -> list[Ledger]:
    """The ledgers that this place has."""
    return [one for one in ALL if all(table in seen.tables for table in one.needs)]


def _newest_first(seen: Ledgers, table: str) -> list[Cells]:
    """The items, those of the orders that were placed last first."""
    placed = {order_id: str(order.get("placed_at", "")) for order_id, order in seen.books.orders.items()}

    def order_of(item: Item) -> str:
        return str(item.get("order_id") or read_reference(item.get("reference", ""))[0])

    items = [plain_item(item) for item in seen.tables[table]]
    return sorted(items, key=lambda item: placed.get(order_of(item), ""), reverse=True)


def clock(at: object) -> str:
    """A time of day on this machine, with its date on any other day, from ISO 8601 or from seconds since 1970; anything
    else as it is.
    """
    local = model.local_time(at)
    if local is None:
        return model.text(at)
    today = local.date() == datetime.now().astimezone().date()
    return f"{local:%H:%M:%S}" if today else f"{local:%Y-%m-%d %H:%M}"


def _when(due: float, now: float) -> str:
    return f"at {clock(due)}" if due > now else "with the next sweep"
