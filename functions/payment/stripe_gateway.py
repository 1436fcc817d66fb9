"""Stripe: PaymentIntents with manual capture, an idempotency key on every write.

https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import cast, get_args

import stripe

from orders import clients
from payment.gateway import Charge, GatewayRefused, GatewayUnavailable, Intent, IntentStatus, most_telling

# Short enough for two calls within the function's timeout: a slow answer is better an exception than a dead sandbox.
TIMEOUT_SECONDS = 4.0


@cache
def _client() -> stripe.StripeClient:
    """One client per sandbox. A rotated key reaches a sandbox when it is replaced, within hours."""
    key = clients.secrets().get_secret_value(SecretId=os.environ["STRIPE_SECRET_ARN"])["SecretString"]
    return stripe.StripeClient(
        key,
        max_network_retries=0,  # the workflow retries, with jitter and a budget
        http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
    )


class StripeGateway:
    """The `Gateway` protocol over Stripe's API."""

    def authorize(self, key: str, charge: Charge) -> Intent:
        declined = Intent("", "requires_payment_method", charge.amount, charge.currency)
        with _translated():
            try:
                intent = _client().v1.payment_intents.create(
                    {
                        "amount": charge.amount,
                        "currency": charge.currency.lower(),
                        "payment_method": charge.payment_method,
                        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                        "capture_method": "manual",
                        "confirm": True,
                        # Nobody is there to answer a 3-D Secure challenge: such a card counts as declined.
                        "error_on_requires_action": True,
                        "metadata": {"order_id": charge.order_id},
                    },
                    {"idempotency_key": key},
                )
            except stripe.CardError:
                return declined
            except stripe.InvalidRequestError as error:
                if error.param == "payment_method":  # Stripe does not know it
                    return declined
                raise
        return _intent(intent)

    def capture(self, key: str, reference: str) -> Intent:
        try:
            with _translated():
                return _intent(_client().v1.payment_intents.capture(reference, {}, {"idempotency_key": key}))
        except GatewayRefused:
            return _already(reference, "succeeded")

    def cancel(self, key: str, reference: str) -> Intent:
        try:
            with _translated():
                return _intent(_client().v1.payment_intents.cancel(reference, {}, {"idempotency_key": key}))
        except GatewayRefused:
            return _already(reference, "canceled")

    def find(self, order_id: str) -> Intent | None:
        with _translated():
            found = _client().v1.payment_intents.search({"query": f'metadata["order_id"]:"{order_id}"'})
        return most_telling([_intent(intent) for intent in found.data])


@contextmanager
def _translated() -> Iterator[None]:
    """Stripe's exceptions as ours, by code only: their texts may quote the card.

    https://docs.stripe.com/error-handling
    """
    try:
        yield
    except stripe.IdempotencyError:
        raise GatewayRefused("idempotency_key_reused") from None
    except stripe.InvalidRequestError as error:
        raise GatewayRefused(error.code or "invalid_request_error") from None
    except stripe.CardError as error:
        raise GatewayRefused(error.code or "card_error") from None
    except stripe.StripeError as error:  # among them APIError for a 409: a request with this key is still running
        raise GatewayUnavailable(error.code or type(error).__name__) from None


def _already(reference: str, status: IntentStatus) -> Intent:
    """The intent, when it is where the refused call would have brought it; the key of an older call has expired."""
    with _translated():
        intent = _intent(_client().v1.payment_intents.retrieve(reference))
    if intent.status != status:
        raise GatewayRefused("payment_intent_unexpected_state")
    return intent


def _intent(intent: stripe.PaymentIntent) -> Intent:
    if intent.status not in get_args(IntentStatus):  # such as `processing`: whether it holds is not known yet
        raise GatewayUnavailable(intent.status)
    return Intent(intent.id, cast(IntentStatus, intent.status), intent.amount, intent.currency.upper())
