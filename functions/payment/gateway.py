"""What the payment function needs of a provider, and nothing more. `simulated.py`, `stripe_gateway.py` provide it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from orders import Charge

IntentStatus = Literal["requires_payment_method", "requires_capture", "succeeded", "canceled"]

# Attempts at a hold are made within this time of its `asked_at`; a later one writes down a new time first. So what came
# of them is found in this span, however long ago it was.
ASKING_SECONDS = 15 * 60


@dataclass(frozen=True)
class Intent:
    """A payment intent at the provider. Its life: https://docs.stripe.com/payments/paymentintents/lifecycle

    `amount` is in minor units: what was taken of a `succeeded` intent, what was asked for of any other.
    `requires_capture` holds the money, `succeeded` took it, `canceled` gave it back, `requires_payment_method` means
    that the card was declined.
    """

    reference: str
    status: IntentStatus
    amount: int
    currency: str


class GatewayUnavailable(Exception):
    """The provider did not answer, or not about this payment. It may have done what was asked."""


class GatewayRefused(Exception):
    """The provider will not do it, and did not. The message is the provider's error code."""


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
