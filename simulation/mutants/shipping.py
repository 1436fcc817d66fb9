"""Of what comes after the sale: shipping, webhooks, returns, refunds, and cancelling before it ships."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from orders.shipping import ParcelStatus
from orders.tables import payment_from
from simulation.faults import Fault
from simulation.mutants.ways import Mutant, With, replaced, unconditional
from simulation.schedule import Schedule

CANCEL = "post orders {order_id} cancel"
ASK_BACK = "post orders {order_id} returns"
CARRIER = "post webhooks carrier"


def _a_new_key_each_time(original: Any) -> Any:
    numbers = itertools.count()
    return lambda wanted: f"{original(wanted)}:{next(numbers)}"


def _whoever_pays(_: Any) -> Any:
    return payment_from


def _any_parcel(original: Any) -> Any:
    """Delivered when the first parcel has arrived."""

    def some(item: Any) -> Any:
        shipment = original(item)
        arrived = [parcel for parcel in shipment.parcels if parcel.status == ParcelStatus.DELIVERED]
        return replace(shipment, parcels=tuple(arrived or shipment.parcels))

    return some


def _never_looks_it_up(original: Any) -> Any:
    return lambda carrier, booking, *, again: original(carrier, booking, again=False)


MUTANTS = [
    Mutant(
        f"{CANCEL}: also what is shipped",
        unconditional(CANCEL, "UpdateItem", ":before"),
        "the_decision_never_changes",
        Schedule("cancelled after it was shipped", "once"),
    ),
    Mutant(
        "book: whatever has become of it",
        unconditional("book", "UpdateItem", ":before"),
        "the_decision_never_changes",
        Schedule("cancelled while it ships", "once", (Fault("book/dynamodb.UpdateItem#1", "zombie_late"),)),
    ),
    Mutant(
        "book: every execution has a plan of its own",
        unconditional("book", "PutItem", "attribute_not_exists(order_id)"),
        "a_parcel_is_booked_once",
        Schedule("moved while it is booked", "once", (Fault("book/dynamodb.PutItem#1", "zombie"),)),
    ),
    Mutant(
        "book: before the money is taken",
        replaced("ship.booking", "_captured", _whoever_pays),
        "nothing_is_shipped_unpaid",
        Schedule("kept", "once", (Fault("capture/gateway.capture#1", "away 55"),)),
    ),
    Mutant(
        "deliver: when the first parcel has arrived",
        replaced("ship.delivery", "shipment_from", _any_parcel),
        "delivered_is_all_of_it",
        Schedule("a parcel is lost", "once"),
    ),
    Mutant(
        "archive: whatever is still coming back",
        unconditional("archive", "UpdateItem", "#open = :none"),
        "an_end_is_the_right_one",
        Schedule("returned at the last moment", "once"),
    ),
    Mutant(
        "enlist: leave it to the bus",
        replaced("enlist.app", "open_orders", lambda module: With(module, enlist=lambda _: None)),
        "every_life_ends",
        Schedule("kept", "event lost"),
    ),
    Mutant(
        f"{CARRIER}: the last news stands",
        unconditional(CARRIER, "UpdateItem", "parcels.#parcel.#status"),
        "no_news_is_lost",
        Schedule("delivered before shipped, and each of it twice", "once"),
    ),
    Mutant(
        f"{CARRIER}: whoever says so",
        replaced("webhooks.app", "signatures", lambda module: With(module, check=lambda *_: None)),
        "nobody_makes_news_up",
        Schedule("told by others than the carrier", "once"),
    ),
    Mutant(
        f"{ASK_BACK}: as many as one likes",
        unconditional(ASK_BACK, "UpdateItem", "attribute_not_exists(closed)"),
        "returns_add_up",
        Schedule("two returns of the same unit", "once"),
    ),
    Mutant(
        "arrive: also what has just arrived expires",
        unconditional("arrive", "UpdateItem", ":requested"),
        "no_news_is_lost",
        Schedule("a return that arrives as it expires", "once"),
    ),
    Mutant(
        "finish: once for each who comes",
        unconditional("finish", "UpdateItem", ":arrived"),
        "returns_add_up",
        Schedule("partly returned", "at the same time"),
    ),
    Mutant(
        "restock: whenever it is asked",
        unconditional("restock", "TransactWriteItems", "attribute_not_exists(pk)"),
        "stock_is_conserved",
        Schedule("partly returned", "once", (Fault("restock/dynamodb.TransactWriteItems#1", "zombie"),)),
    ),
    Mutant(
        "refund: with a key of the attempt",
        replaced("payment.refunds", "_refund_key", _a_new_key_each_time),
        "no_refund_is_paid_twice",
        Schedule("partly returned", "once", (Fault("refund/gateway.refund#1", "zombie"),)),
    ),
    Mutant(
        "refund: begin again",
        unconditional("refund", "UpdateItem", "attribute_not_exists(#refund)"),
        "refunds_are_what_was_returned",
        Schedule("partly returned", "at the same time"),
    ),
]
