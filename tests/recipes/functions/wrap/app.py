"""Wrap a confirmed order.

Pattern: re-read, don't trust the event. Nothing is written, so nothing can be written twice.
"""

from __future__ import annotations

from typing import Any

from aws import logger
from aws.item import read_order


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"order_id"}` in; out `{"wrapped": true}`, or `false` for an order that its owner has deleted."""
    wrapped = read_order(event["order_id"]) is not None
    logger.info("wrapped" if wrapped else "nothing to wrap", order_id=event["order_id"])
    return {"wrapped": wrapped}
