"""After the sale: an order's parcels, and what comes back of them. Plain Python, no AWS.

What is shipped is what the reservation holds, and what comes back is worth what it was sold for. Prices are whole
amounts of minor units for each unit, so any part of an order has an exact price: nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

DEFAULT_WAREHOUSE = "main"
# A cancellation gives everything back, as a return of this id; no customer's return has it.
CANCELLATION = "cancellation"

Item = dict[str, Any]  # as DynamoDB writes it


class ParcelStatus(StrEnum):
    """Where a parcel is, as far as the carrier has told. It never goes back, in whatever order the news comes."""

    PLANNED = "PLANNED"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"


@dataclass(frozen=True)
class Parcel:
    """What one warehouse sends: units by SKU. It is booked once it has a tracking number."""

    warehouse: str
    units: Mapping[str, int]
    status: ParcelStatus = ParcelStatus.PLANNED
    tracking: str = ""


@dataclass(frozen=True)
class Shipment:
    """An order's parcels. `prices` are by SKU, in minor units. `waiter` is the execution that waits for the carrier,
    `task_token` what wakes it, encrypted, and `deliver_by`, in seconds since 1970, when a person asks the carrier.
    """

    order_id: str
    parcels: tuple[Parcel, ...]
    prices: Mapping[str, int]
    waiter: str = ""
    task_token: str = ""
    deliver_by: int = 0

    @property
    def delivered(self) -> bool:
        """Whether the last parcel has arrived."""
        return all(parcel.status == ParcelStatus.DELIVERED for parcel in self.parcels)

    @property
    def units(self) -> dict[str, int]:
        """Units by SKU, of all parcels: a SKU lies in one warehouse."""
        return {sku: count for parcel in self.parcels for sku, count in parcel.units.items()}


class ReturnStatus(StrEnum):
    """REQUESTED until its parcel arrives. REFUNDED: its goods are back in stock and its price is paid back."""

    REQUESTED = "REQUESTED"
    ARRIVED = "ARRIVED"
    REFUNDED = "REFUNDED"
    EXPIRED = "EXPIRED"  # the parcel never came


@dataclass(frozen=True)
class Return:
    """Units by SKU that come back, and their price in minor units. `requested_at` is ISO 8601, `expires_at` in seconds
    since 1970. `tracking` is its label's, empty until the carrier has made one. `refunded_at` is ISO 8601, and empty
    until it is.
    """

    return_id: str
    status: ReturnStatus
    units: Mapping[str, int]
    amount: int
    requested_at: str
    expires_at: int
    tracking: str = ""
    waiter: str = ""
    task_token: str = ""
    refunded_at: str = ""


@dataclass(frozen=True)
class Returns:
    """What may still come back of an order, and what does. `left` are units by SKU, `open` is how many returns are
    under way, `until` (ISO 8601) when the last may be asked for. Once it is `closed` (ISO 8601) no more is taken back.
    """

    order_id: str
    left: Mapping[str, int]
    prices: Mapping[str, int]
    open: int
    until: str
    closed: str = ""
    returns: Mapping[str, Return] = field(default_factory=dict)

    @property
    def everything_came_back(self) -> bool:
        """Whether the customer keeps nothing, and nothing is under way."""
        return self.open == 0 and not any(self.left.values())


def parcel_reference(order_id: str, warehouse: str) -> str:
    """What the carrier calls a parcel to a customer by. No order that was accepted has a `/` in its id."""
    return f"{order_id}/out/{warehouse}"


def return_reference(order_id: str, return_id: str) -> str:
    """What the carrier calls a parcel that comes back by."""
    return f"{order_id}/back/{return_id}"


def read_reference(reference: str) -> tuple[str, bool, str]:
    """The order, whether the parcel comes back, and its warehouse or return. Raises ValueError for no reference of
    ours.
    """
    order_id, direction, part = reference.split("/", 2)
    if direction not in ("out", "back") or not order_id or not part:
        raise ValueError("not a reference")
    return order_id, direction == "back", part


def counts(written: Item) -> dict[str, int]:
    """A map of numbers in an item."""
    return {name: int(value["N"]) for name, value in written["M"].items()}


def counted(numbers: Mapping[str, int]) -> Item:
    """The inverse of `counts`."""
    return {"M": {name: {"N": str(number)} for name, number in numbers.items()}}


def shipment_item(shipment: Shipment) -> Item:
    """The item of a shipment that is planned."""
    return {
        "order_id": {"S": shipment.order_id},
        "prices": counted(shipment.prices),
        "parcels": {
            "M": {
                parcel.warehouse: {"M": {"units": counted(parcel.units), "status": {"S": parcel.status}}}
                for parcel in shipment.parcels
            }
        },
    }


def shipment_from(item: Item) -> Shipment:
    """The shipment in an item of the Shipments table."""
    return Shipment(
        order_id=item["order_id"]["S"],
        parcels=tuple(
            Parcel(
                warehouse,
                counts(written["M"]["units"]),
                ParcelStatus(written["M"]["status"]["S"]),
                written["M"].get("tracking", {"S": ""})["S"],
            )
            for warehouse, written in sorted(item["parcels"]["M"].items())
        ),
        prices=counts(item["prices"]),
        waiter=item.get("waiter", {"S": ""})["S"],
        task_token=item.get("task_token", {"S": ""})["S"],
        deliver_by=int(item.get("deliver_by", {"N": "0"})["N"]),
    )


def returns_item(returns: Returns) -> Item:
    """The item of an order of which nothing has come back yet."""
    return {
        "order_id": {"S": returns.order_id},
        "left": counted(returns.left),
        "prices": counted(returns.prices),
        "open": {"N": str(returns.open)},
        "until": {"S": returns.until},
        "returns": {"M": {}},
    }


def return_item(one: Return) -> Item:
    """A return that is asked for, within its order's item."""
    return {
        "M": {
            "status": {"S": one.status},
            "units": counted(one.units),
            "amount": {"N": str(one.amount)},
            "requested_at": {"S": one.requested_at},
            "expires_at": {"N": str(one.expires_at)},
        }
    }


def returns_from(item: Item) -> Returns:
    """What an item of the Returns table says."""
    return Returns(
        order_id=item["order_id"]["S"],
        left=counts(item["left"]),
        prices=counts(item["prices"]),
        open=int(item["open"]["N"]),
        until=item["until"]["S"],
        closed=item.get("closed", {"S": ""})["S"],
        returns={return_id: _return(return_id, written["M"]) for return_id, written in item["returns"]["M"].items()},
    )


def _return(return_id: str, written: Item) -> Return:
    def text(name: str) -> str:
        return str(written.get(name, {"S": ""})["S"])

    return Return(
        return_id,
        ReturnStatus(text("status")),
        counts(written["units"]),
        int(written["amount"]["N"]),
        text("requested_at"),
        int(written["expires_at"]["N"]),
        text("tracking"),
        text("waiter"),
        text("task_token"),
        text("refunded_at"),
    )
