"""The ids that an order may have.

Whoever writes the Orders table chooses them, so an item can have any: 2,048 bytes of line breaks are a valid key. Such
an order is rejected, and rejecting it has to work as well.
"""

import hashlib
import json
import re

MAX_LENGTH = 128
_ORDER_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:#-]{{0,{MAX_LENGTH - 1}}}")


def is_order_id(order_id: str) -> bool:
    """Whether an order with this id can be accepted; nothing is ever held for one that can't."""
    return _ORDER_ID.fullmatch(order_id) is not None


def for_key(customer_id: str, key: str) -> str:
    """The id of the order that a customer placed under an idempotency key: always the same, and nobody else's."""
    digest = hashlib.sha256(json.dumps([customer_id, key]).encode()).hexdigest()
    return f"o-{digest[:32]}"


def return_for_key(order_id: str, key: str) -> str:
    """The id of the return that was asked for under an idempotency key: always the same, and of this order alone."""
    digest = hashlib.sha256(json.dumps([order_id, key]).encode()).hexdigest()
    return f"r-{digest[:32]}"


def printable(order_id: str) -> str:
    """The id as people see it, on one line and not longer than an acceptable one."""
    return "".join(c if c.isprintable() else "�" for c in order_id[:MAX_LENGTH])
