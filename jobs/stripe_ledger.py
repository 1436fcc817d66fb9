"""The payment provider's ledger, where the provider is Stripe: its list of payment intents, as the simulated provider's
table would have them.

A segment is a slice of time by the intents' `created`. The list is of the whole account: what carries no order's id is
not the shop's, and left out. Stripe keeps everything, but a list goes back only as far as PROVIDER_DAYS.
https://docs.stripe.com/api/payment_intents/list
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import stripe

from aws import logger
from jobs import settings
from jobs.runs import Plan
from jobs.scan import Page
from jobs.services import secrets
from orders import epoch_seconds
from orders.tables import Item
from payment.stripe_gateway import MARGIN_SECONDS, from_stripe

TIMEOUT_SECONDS = (5.0, 60.0)
# A minute in all. Stripe allows 100 requests a second, 25 in a sandbox: https://docs.stripe.com/rate-limits
ATTEMPTS = 7
_DAY_SECONDS = 24 * 60 * 60


def reaches_back_to(as_of: str) -> float:
    """From when on the list of a run has the intents, in seconds since 1970. Raises Problem."""
    return epoch_seconds(as_of) - settings.number("PROVIDER_DAYS") * _DAY_SECONDS


def pages(plan: Plan, segment: int, start: dict[str, Any] | None) -> Iterator[Page]:
    """One segment of the list, page by page, from `start` on.

    Raises Problem when Stripe refuses the key or the request, or cannot be reached for a minute.
    """
    first, end = _slice(plan, segment)
    while True:
        listed = _listed(
            {
                "created": {"gte": first, "lt": end},
                "limit": 100,
                "expand": ["data.latest_charge"],
                **(start or {}),
            },
            spread=1 + segment / plan.segments,
        )
        start = {"starting_after": listed.data[-1].id} if listed.has_more else None
        yield Page([_item(intent) for intent in listed.data if _order_of(intent)], start)
        if start is None:
            return


def _slice(plan: Plan, segment: int) -> tuple[int, int]:
    """From when to when a segment is, in whole seconds. The last one ends a little later than the run began, by a clock
    that may differ from the provider's.
    """
    first = int(reaches_back_to(plan.as_of))
    seconds = int(epoch_seconds(plan.as_of)) + MARGIN_SECONDS - first
    return first + seconds * segment // plan.segments, first + seconds * (segment + 1) // plan.segments


def _listed(arguments: Any, spread: float) -> Any:
    """A page. What passes by itself is tried again, each time after twice as long; `spread` keeps segments apart."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return client().v1.payment_intents.list(arguments)
        except (stripe.AuthenticationError, stripe.PermissionError, stripe.InvalidRequestError) as error:
            raise settings.Problem(f"Stripe refuses to list payment intents: {_code(error)}") from None
        except stripe.StripeError as error:
            failure = error
        if attempt == ATTEMPTS:
            raise settings.Problem(f"Stripe cannot be reached: {_code(failure)}")
        logger.info("Stripe did not answer", error=_code(failure), attempt=attempt)
        time.sleep(spread * 2 ** (attempt - 2))
    raise AssertionError


def _code(error: stripe.StripeError) -> str:
    """By code only: the text may quote the card, or the key."""
    return error.code or type(error).__name__


@cache
def client() -> stripe.StripeClient:
    key = secrets().get_secret_value(SecretId=settings.text("STRIPE_SECRET_ARN"))["SecretString"]
    return stripe.StripeClient(key, max_network_retries=0, http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS))


def _order_of(intent: stripe.PaymentIntent) -> str:
    return str(intent.metadata["order_id"]) if "order_id" in intent.metadata else ""


def _item(intent: stripe.PaymentIntent) -> Item:
    """Amounts are the currency's minor units, of what was taken as soon as it is."""
    currency = intent.currency.upper()
    amount = intent.amount_received if intent.status == "succeeded" else intent.amount
    charge = intent.latest_charge
    refunded = charge.amount_refunded if isinstance(charge, stripe.Charge) else 0
    return {
        "id": {"S": intent.id},
        "order_id": {"S": _order_of(intent)},
        "amount": {"N": str(from_stripe(amount, currency))},
        "currency": {"S": currency},
        "status": {"S": intent.status},
        "amount_refunded": {"N": str(from_stripe(refunded, currency))},
    }
