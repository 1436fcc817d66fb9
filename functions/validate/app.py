"""Check an order before anything is done for it.

Pattern: re-read, don't trust the event. The event says which order; what it says was read when it was sent and may be
days old. The order is read by its id, consistently, and what leaves here is only what was checked: the steps that
follow work with that and never with the item again, so an order that is rewritten meanwhile can't be charged for one
thing and shipped as another. Nor for more than a person approved: what they approved comes with the event, as a digest,
and the order has to come to the same one.
"""

from __future__ import annotations

import os
from typing import Any

from aws import logger
from aws.catalogue import read_catalogue
from aws.item import plain_item, read_items
from orders import Outcome, approval, rules
from orders.errors import OrderDecided, OrderInvalid, ReviewNeeded
from orders.model import Order


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"order_id", "approved"}` in, the latter the digest of what a person has approved, or empty; out what the next
    steps need: `lines` of `{"sku", "quantity", "unit_price"}`, `amount`, `currency`, `payment_method`. Prices and
    amount are in minor units.

    Raises OrderDecided, OrderInvalid with every violation, or ReviewNeeded; Unrecoverable when the catalogue is wrong.
    """
    try:
        order = check(event["order_id"], event["approved"])
    except OrderInvalid as invalid:
        logger.info("order invalid", order_id=event["order_id"], violations=invalid.violations)
        raise
    logger.debug("order valid", order_id=order.order_id, lines=len(order.lines))
    return {
        "lines": [{"sku": line.sku, "quantity": line.quantity, "unit_price": line.unit_price} for line in order.lines],
        "amount": order.total,
        "currency": order.currency,
        "payment_method": order.payment_method,
    }


def check(order_id: str, approved: str) -> Order:
    """The order, held against its rules, the catalogue and what a person has approved."""
    found, state = read_items(order_id, "ORDERS_TABLE", "ORDER_STATES_TABLE")
    outcome = state and state["decision"]["M"]["outcome"]["S"]
    if outcome and outcome != Outcome.CONFIRMED:
        # Nothing is held for an order that comes to nothing, not even for a moment.
        raise OrderDecided
    if found is None:
        raise OrderInvalid(["order: was deleted"])
    item = plain_item(found)
    order = rules.accept(item, read_catalogue(rules.skus_of(item)))
    if approved and approved != approval.digest(item):
        raise OrderInvalid(["order: was changed after it was approved"])
    if not approved and not outcome and approval.is_needed(order.total, int(os.environ["APPROVAL_LIMIT"])):
        raise ReviewNeeded
    return order
