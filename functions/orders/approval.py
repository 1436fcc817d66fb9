"""Orders that a person has to approve first: which they are, what is approved, and how an approval goes.

What is approved is a content and not an id. Whoever may write the Orders table may write an order anew, also after
somebody has approved it; what they approved is a digest, and an order that comes to another one was not.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from orders import Reason

LONGEST_KEY_BYTES = 2_048


class ApprovalStatus(StrEnum):
    """PENDING until somebody decides, or nobody has in time. The first of the others stands for ever."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"


# Why an order is cancelled that was not approved.
REASONS: dict[ApprovalStatus, Reason] = {
    ApprovalStatus.DENIED: Reason.NOT_APPROVED,
    ApprovalStatus.EXPIRED: Reason.APPROVAL_EXPIRED,
}


@dataclass(frozen=True)
class Approval:
    """What became of asking a person. `content` is the digest of what they were asked to approve.

    `asked_at` and `decided_at` are ISO 8601, the latter empty while it is PENDING. `expires_at`, and `mail_at`, when
    the approver is to be written to again, are in seconds since 1970. `waiter` is the execution that waits for the
    answer, and `task_token` what wakes it, encrypted. `links` are the hashes of the links that were mailed.
    `tried_minutes` is for how long the order had been tried when it was last looked at while it was PENDING.
    """

    order_id: str
    status: ApprovalStatus
    content: str
    asked_at: str
    expires_at: int
    mail_at: int
    waiter: str
    task_token: str
    links: frozenset[str] = frozenset()
    tried_minutes: int = 0
    decided_at: str = ""


def is_needed(total: object, limit: int) -> bool:
    """Whether an order of `total` is over `limit`; both are in minor units, and 0 is no limit. What is no number is
    over none: such an order is rejected.
    """
    return limit > 0 and isinstance(total, int | Decimal) and total > limit


def digest(order: Mapping[str, Any]) -> str:
    """What an approver approves: the order's lines, total, currency and payment method, whatever they are."""
    content = [order.get(name) for name in ("lines", "total", "currency", "payment_method")]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=_written).encode()).hexdigest()


def _written(value: object) -> str | list[str]:
    """What JSON does not know: numbers, bytes and sets, whose order is another one in each process."""
    return sorted(map(str, value)) if isinstance(value, set) else str(value)


def link_hash(secret: str) -> str:
    """How a link is written down: whoever reads the table cannot follow it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def token_of(order_id: str, secret: str) -> str:
    """What a link ends with: which order it is about, and the secret that nobody can guess."""
    return f"{base64.urlsafe_b64encode(order_id.encode()).decode().rstrip('=')}.{secret}"


def order_of(token: str) -> tuple[str, str]:
    """The order that a link is about, and the link's secret. Raises ValueError for what is no token."""
    encoded, _, secret = token.partition(".")
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        order_id = decoded.decode()
    except ValueError as error:
        raise ValueError("not a token") from error
    if not 0 < len(decoded) <= LONGEST_KEY_BYTES:  # DynamoDB would refuse to look for it
        raise ValueError("not a token")
    return order_id, secret
