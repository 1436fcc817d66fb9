"""Have the carrier take an order's parcels, or make the label of one that comes back.

What was planned first is what is sent: the plan is written down before the carrier is asked, so what an attempt asked
for that died half-way is known. Its parcel is looked for before it is booked again, under a key that is a function of
the parcel, because the carrier may have forgotten the key, and the first request may still be on its way.
"""

from __future__ import annotations

import os

from aws import clients, guarded, logger, open_orders, returns, statuses
from aws.item import read_items
from orders import Outcome, Payment, PaymentStatus, Status
from orders.errors import NothingToReturn, OrderTakenBack, Unrecoverable
from orders.shipping import (
    Parcel,
    ReturnStatus,
    Shipment,
    parcel_reference,
    return_reference,
    shipment_from,
    shipment_item,
)
from orders.tables import Item, payment_from
from ship.carrier import Booking, Carrier
from ship.planning import plan


class PaymentOutstanding(Exception):
    """The order is not confirmed yet, or its money not taken."""


def book(order_id: str, carrier: Carrier) -> str:
    """Ship the order, unless its customer has cancelled it. Answers since when it is being shipped, in ISO 8601.

    What cannot be shipped is found before the order is SHIPPING: until then its customer can cancel it.

    Raises OrderTakenBack; PaymentOutstanding; Unrecoverable when there is nothing to ship, or nowhere to ship it; what
    the carrier raises.
    """
    state, paid, order, known = read_items(
        order_id, "ORDER_STATES_TABLE", "PAYMENTS_TABLE", "ORDERS_TABLE", "SHIPMENTS_TABLE"
    )
    if state is None:
        raise PaymentOutstanding("nothing was decided")
    _follow(state)
    if known:
        shipment = shipment_from(known)
    else:
        shipment = plan(order_id, _captured(paid))
        _address(order)
    if not statuses.since(state, Status.SHIPPING):  # also where another execution has shipped it while it was read
        state = statuses.advance(order_id, Status.CONFIRMED, Status.SHIPPING)
        _follow(state)
    shipment, new = (shipment, False) if known else _write_down(shipment)
    for parcel in shipment.parcels:
        if not parcel.tracking:
            _book(order_id, parcel, _address(order), carrier, again=not new)
    return statuses.since(state, Status.SHIPPING)


def _follow(state: Item) -> None:
    if state["decision"]["M"]["outcome"]["S"] != Outcome.CONFIRMED:
        raise Unrecoverable("cannot ship an order that was never confirmed")
    if state["status"]["S"] == Status.CANCELLED:
        raise OrderTakenBack


def _captured(paid: Item | None) -> Payment:
    payment = payment_from(paid) if paid else None
    if payment is None or payment.status != PaymentStatus.CAPTURED:
        raise PaymentOutstanding(f"the payment is {payment.status if payment else 'missing'}")
    return payment


def _address(order: Item | None) -> str:
    """Where the customer wants it. It goes to the carrier, and into nothing that is written or logged here."""
    if order is None:
        raise Unrecoverable("the order was deleted, and with it where to ship it")
    return str(order.get("ship_to", {}).get("S", ""))


def _write_down(planned: Shipment) -> tuple[Shipment, bool]:
    """The shipment that stands, and whether it is this one: another execution may have planned it before."""
    try:
        clients.dynamodb().put_item(
            TableName=os.environ["SHIPMENTS_TABLE"],
            Item=shipment_item(planned),
            ConditionExpression="attribute_not_exists(order_id)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as stands:
        return shipment_from(stands.response["Item"]), False  # type: ignore[typeddict-item]
    logger.info("shipment planned", order_id=planned.order_id, parcels=len(planned.parcels))
    return planned, True


def _book(order_id: str, parcel: Parcel, address: str, carrier: Carrier, *, again: bool) -> None:
    booking = Booking(parcel_reference(order_id, parcel.warehouse), parcel.units, address)
    tracking = _ask(carrier, booking, again=again)
    _, held = guarded.write(
        "SHIPMENTS_TABLE",
        order_id,
        "parcels.#warehouse.tracking = :tracking",
        "attribute_not_exists(parcels.#warehouse.tracking)",
        {":tracking": {"S": tracking}, "#warehouse": parcel.warehouse},
    )
    if held:
        logger.info("parcel booked", order_id=order_id)


def _ask(carrier: Carrier, booking: Booking, *, again: bool) -> str:
    """Book a parcel once. `again`: an earlier attempt, or another one at this moment, may have asked."""
    found = carrier.find(booking.reference) if again else None
    return found or carrier.book(f"{booking.reference}:book", booking)


def label(order_id: str, return_id: str, carrier: Carrier) -> None:
    """Have a label made for the parcel of a return, if it has none.

    Raises NothingToReturn when there is no such return, which was announced and not written down; what the carrier
    raises.
    """
    standing = returns.read(order_id)
    wanted = standing.returns.get(return_id) if standing else None
    if wanted is None:
        open_orders.close(order_id, return_id)
        raise NothingToReturn
    if wanted.status != ReturnStatus.REQUESTED or wanted.tracking:
        return
    # Nothing is written before the carrier is asked, so nobody knows whether an earlier attempt has.
    tracking = _ask(carrier, Booking(return_reference(order_id, return_id), wanted.units, ""), again=True)
    _, held = returns.write(
        order_id,
        "#returns.#return.tracking = :tracking",
        "attribute_not_exists(#returns.#return.tracking)",
        {":tracking": {"S": tracking}, "#returns": "returns", "#return": return_id},
    )
    if held:
        logger.info("label made", order_id=order_id, return_id=return_id)
