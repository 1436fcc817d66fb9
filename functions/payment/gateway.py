"""What the payment function needs of a provider, and nothing more. `simulated.py`, `stripe_gateway.py` provide it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

IntentStatus = Literal["requires_payment_method", "requires_capture", "succeeded", "canceled"]


@dataclass(frozen=True)
class Intent:
    """A payment intent at the provider. Its life: https://docs.stripe.com/payments/paymentintents/lifecycle

    `amount` is in minor units. `requires_capture` holds the money, `succeeded` took it, `canceled` gave it back,
    `requires_payment_method` means that the card was declined.
    """

    reference: str
    status: IntentStatus
    amount: int
    currency: str


@dataclass(frozen=True)
class Charge:
    """What to hold: `amount` in minor units of `currency` (ISO 4217), from a provider's payment method."""

    order_id: str
    amount: int
    currency: str
    payment_method: str


class GatewayUnavailable(Exception):
    """The provider did not answer, or answered that it could not. It may have done what was asked."""


class GatewayRefused(Exception):
    """The provider understood and will not do it, now or later. The message is the provider's error code."""


class Gateway(Protocol):
    """A payment provider. Every method raises GatewayUnavailable or GatewayRefused.

    A call that is repeated with its key answers what the first one answered; the same key with other parameters is
    refused. https://docs.stripe.com/api/idempotent_requests
    """

    def authorize(self, key: str, charge: Charge) -> Intent:
        """Hold the money. A declined card is an answer (`requires_payment_method`), not an error."""

    def capture(self, key: str, reference: str) -> Intent:
        """Take the whole of what is held. Taking what has been taken answers the same."""

    def cancel(self, key: str, reference: str) -> Intent:
        """Give back what is held. Giving back what was given back answers the same."""

    def find(self, order_id: str) -> Intent | None:
        """The order's intent, if the provider knows one. It may lag behind by a minute, a key does not."""


def most_telling(intents: list[Intent]) -> Intent | None:
    """Of an order's intents the one that holds or took money, else one that gave it back, else None (all declined)."""
    for status in ("requires_capture", "succeeded", "canceled"):
        for intent in intents:
            if intent.status == status:
                return intent
    return None
