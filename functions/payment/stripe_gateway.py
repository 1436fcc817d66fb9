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

from aws import clients
from orders import Charge, money
from orders.errors import Unrecoverable
from payment.gateway import (
    ASKING_SECONDS,
    GatewayRefused,
    GatewayUnavailable,
    Intent,
    IntentStatus,
    MadeRefund,
    RefundFailed,
    RefundRequest,
    most_telling,
    the_refund,
)

# To connect, and between two bytes of an answer. A call that is given up ends the invocation, so two calls fit into the
# function's timeout even when both take all their time. An exception says what was slow; a sandbox that dies doesn't.
TIMEOUT_SECONDS = (1.0, 3.0)

# Of a refund whose money came back. While it is on its way it is `pending`, for instance because the account's balance
# does not cover it yet. https://docs.stripe.com/api/refunds/object, https://docs.stripe.com/refunds#failed-refunds
_FAILED = ("failed", "canceled")

# Around the time in which a hold was asked for: for clocks that differ, and for what was under way at its end.
MARGIN_SECONDS = 5 * 60

# How many of Stripe's units make one, where it is not ISO 4217's number. The ariary is a zero-decimal currency there;
# króna and shilling are counted as if they still had two places. https://docs.stripe.com/currencies#special-cases
_UNITS = {"ISK": 100, "MGA": 1, "UGX": 100}

# Refusals of invalid requests that are not about the order: the account, its key, this program, or the moment. They
# pass when somebody puts it right. https://docs.stripe.com/error-codes
_NOT_THE_ORDERS = frozenset(
    (
        "account_invalid",
        "api_key_expired",
        "idempotency_key_in_use",
        "lock_timeout",
        "parameter_missing",
        "parameter_unknown",
        "parameters_exclusive",
        "platform_api_key_expired",
        "rate_limit",
        "secret_key_required",
        "testmode_charges_only",
        "tls_version_unsupported",
        "url_invalid",
    )
)


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
        with _translated():
            try:
                intent = _client().v1.payment_intents.create(
                    {
                        "amount": _to_stripe(charge.amount, charge.currency),
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
                return Intent("", "requires_payment_method", charge.amount, charge.currency)
        return _intent(intent)

    def capture(self, key: str, reference: str) -> Intent:
        try:
            with _translated():
                return _intent(_client().v1.payment_intents.capture(reference, {}, {"idempotency_key": key}))
        except GatewayRefused as refused:
            return _already(reference, "succeeded", refused)

    def cancel(self, key: str, reference: str) -> Intent:
        try:
            with _translated():
                return _intent(_client().v1.payment_intents.cancel(reference, {}, {"idempotency_key": key}))
        except GatewayRefused as refused:
            return _already(reference, "canceled", refused)

    def refund(self, key: str, wanted: RefundRequest) -> str:
        """Stripe gives back what is left of a charge, in as many parts as one likes, and refuses to give back more, or
        what the customer's bank has taken back (`charge_disputed`).

        https://docs.stripe.com/api/refunds/create, https://docs.stripe.com/error-codes
        """
        with _translated():
            made = _client().v1.refunds.create(
                {
                    "payment_intent": wanted.reference,
                    "amount": _to_stripe(wanted.amount, wanted.currency),
                    "metadata": {"order_id": wanted.order_id, "return_id": wanted.return_id},
                },
                {"idempotency_key": key},
            )
        if made.status in _FAILED:
            raise RefundFailed(made.id)
        return made.id

    def find_refund(self, wanted: RefundRequest) -> str | None:
        """Of all the intent's refunds: those who made one by hand have given it other metadata, or none.

        https://docs.stripe.com/api/refunds/list
        """
        with _translated():
            listed = _client().v1.refunds.list({"payment_intent": wanted.reference, "limit": 100})
            made = [_made(refund, wanted.currency) for refund in listed.auto_paging_iter()]
        return the_refund(made, wanted)

    def find(self, charge: Charge, asked_at: int) -> Intent | None:
        """Read the list of that time. Stripe's search would be one request, but it lags (in an outage by an hour),
        does not exist for merchants in India, and takes `ORD-1` for `ord-1`; a list is up to date everywhere.

        https://docs.stripe.com/search#data-freshness, https://docs.stripe.com/api/payment_intents/list
        """
        first, last = asked_at - MARGIN_SECONDS, asked_at + ASKING_SECONDS + MARGIN_SECONDS
        try:
            with _translated():
                listed = _client().v1.payment_intents.list({"created": {"gte": first, "lte": last}, "limit": 100})
                found = [intent for intent in listed.auto_paging_iter() if _is_for(intent, charge)]
        except GatewayRefused as refused:  # to list, which says nothing of the charge
            raise GatewayUnavailable(str(refused)) from None
        return most_telling([_intent(intent) for intent in found])


@contextmanager
def _translated() -> Iterator[None]:
    """Stripe's exceptions as ours, by code only: their texts may quote the card.

    A request that Stripe finds invalid has had no effect, which is GatewayRefused, unless it is not about the order. A
    key that came with another request needs a person: this program has changed between two attempts, and what the
    first one did is not known. All else is GatewayUnavailable: a server error, no connection, a request with the same
    key that is still running (409), and a secret key that is wrong (401) or may not do this (403).
    https://docs.stripe.com/error-handling
    """
    try:
        yield
    except stripe.IdempotencyError:
        raise Unrecoverable("the provider knows the idempotency key from another request") from None
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        if error.code in _NOT_THE_ORDERS:
            raise GatewayUnavailable(error.code) from None
        raise GatewayRefused(error.code or type(error).__name__) from None
    except stripe.StripeError as error:
        raise GatewayUnavailable(error.code or type(error).__name__) from None


def _already(reference: str, status: IntentStatus, refused: GatewayRefused) -> Intent:
    """The intent, when it is where the refused call would have brought it: the key of an older call has expired.
    Raises what the call was refused with when it is not.
    """
    with _translated():
        intent = _intent(_client().v1.payment_intents.retrieve(reference))
    if intent.status != status:
        raise refused
    return intent


def _is_for(intent: stripe.PaymentIntent, charge: Charge) -> bool:
    currency = intent.currency.upper()
    return (
        "order_id" in intent.metadata
        and intent.metadata["order_id"] == charge.order_id
        and (from_stripe(intent.amount, currency), currency) == (charge.amount, charge.currency)
    )


def _made(refund: stripe.Refund, currency: str) -> MadeRefund:
    metadata = refund.metadata
    return_id = metadata["return_id"] if metadata and "return_id" in metadata else ""
    return MadeRefund(refund.id, return_id, from_stripe(refund.amount, currency), refund.status in _FAILED)


def _intent(intent: stripe.PaymentIntent) -> Intent:
    if intent.status not in get_args(IntentStatus):  # such as `processing`: whether it holds is not known yet
        raise GatewayUnavailable(intent.status)
    amount = intent.amount_received if intent.status == "succeeded" else intent.amount
    currency = intent.currency.upper()
    return Intent(intent.id, cast(IntentStatus, intent.status), from_stripe(amount, currency), currency)


def _to_stripe(amount: int, currency: str) -> int:
    """An amount by ISO 4217 as Stripe counts it. Raises GatewayRefused when Stripe has no coin that small."""
    whole, rest = divmod(amount * _units(currency), money.minor_units(currency))
    if rest:
        raise GatewayRefused("amount_too_precise")
    return whole


def from_stripe(amount: int, currency: str) -> int:
    """An amount as Stripe counts it, in the currency's minor units by ISO 4217."""
    return amount * money.minor_units(currency) // _units(currency)


def _units(currency: str) -> int:
    return _UNITS.get(currency, money.minor_units(currency))
