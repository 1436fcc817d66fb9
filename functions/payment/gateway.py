"""What the payment function needs of a provider, and nothing more. `simulated.py`, `stripe_gateway.py` provide it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from orders import Charge
from orders.errors import Unrecoverable

IntentStatus = Literal["requires_payment_method", "requires_capture", "succeeded", "canceled"]

# Attempts at a hold are made within this time of its `asked_at`; a later one writes down a new time first. So what came
# of them is found in this span, however long ago it was.
ASKING_SECONDS = 15 * 60


@dataclass(frozen=True)
class Intent:
    """A payment intent at the provider. Its life: https://docs.stripe.com/payments/paymentintents/lifecycle

    `amount` is in minor units: what was taken of a `succeeded` intent, what was asked for of any other.
    `requires_capture` holds the money, `succeeded` took it, `canceled` gave it back, `requires_payment_method` means
    that the card was declined. `refunded` is how much of it was given back, in minor units, where the provider tells
    it with the intent; Stripe does not.
    """

    reference: str
    status: IntentStatus
    amount: int
    currency: str
    refunded: int = 0


@dataclass(frozen=True)
class RefundRequest:
    """What to give back of the intent `reference`, which was taken: `amount` in minor units of `currency`. A return,
    or a cancellation, gets one refund and no other.
    """

    order_id: str
    return_id: str
    reference: str
    amount: int
    currency: str


@dataclass(frozen=True)
class MadeRefund:
    """A refund in a provider's books: `amount` in minor units. It has `failed` when its money came back to us."""

    reference: str
    return_id: str
    amount: int
    failed: bool


class GatewayUnavailable(Exception):
    """The provider did not answer, or not about this payment. It may have done what was asked."""


class GatewayRefused(Exception):
    """The provider will not do it, and did not. The message is the provider's error code."""


class RefundFailed(Exception):
    """The refund was made, and the customer's bank sent it back, or it never got there. The provider won't try again.
    The message is the refund's reference.

    https://docs.stripe.com/refunds#failed-refunds
    """


class Gateway(Protocol):
    """A payment provider. Every method may raise GatewayUnavailable, and those that write raise GatewayRefused.

    A write that is repeated with its key answers what the first one answered. The same key for another request raises
    Unrecoverable, for it says nothing of either. https://docs.stripe.com/api/idempotent_requests
    """

    def authorize(self, key: str, charge: Charge) -> Intent:
        """Hold the money. A declined card is an answer (`requires_payment_method`), not an error."""

    def capture(self, key: str, reference: str) -> Intent:
        """Take the whole of what is held. Taking what has been taken answers the same."""

    def cancel(self, key: str, reference: str) -> Intent:
        """Give back what is held. Giving back what was given back answers the same."""

    def refund(self, key: str, wanted: RefundRequest) -> str:
        """Give back a part of what was taken, or all of it; answers the refund's reference. It is made, though the
        customer may not have it yet. Raises GatewayRefused where more would be given back than was taken, and for a
        charge that the customer's bank has taken back; RefundFailed.
        """

    def find_refund(self, wanted: RefundRequest) -> str | None:
        """What came of the attempts at this refund, however long ago: its reference; None when none was made. It never
        overlooks. Raises RefundFailed, GatewayRefused for an intent that the provider does not know, and Unrecoverable
        for a refund of another amount.
        """

    def find(self, charge: Charge, asked_at: int) -> Intent | None:
        """What came of the attempts at this charge that began at `asked_at` (seconds since 1970); None when nothing is
        held, taken or given back. It may raise GatewayUnavailable, but it never overlooks.
        """


def most_telling(intents: list[Intent]) -> Intent | None:
    """Of an order's intents the one that holds or took money, else one that gave it back, else None (all declined)."""
    for status in ("requires_capture", "succeeded", "canceled"):
        for intent in intents:
            if intent.status == status:
                return intent
    return None


def the_refund(made: list[MadeRefund], wanted: RefundRequest) -> str | None:
    """Of an intent's refunds the one that was asked for: its reference, None if it is not among them. Raises what
    `Gateway.find_refund` raises.
    """
    for one in sorted(made, key=lambda one: one.failed):  # whoever made up for one that failed has made a second one
        if one.return_id != wanted.return_id:
            continue
        if one.amount != wanted.amount:
            raise Unrecoverable("the provider knows the refund with another amount")
        if one.failed:
            raise RefundFailed(one.reference)
        return one.reference
    return None
