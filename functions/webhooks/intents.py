"""Which order a payment intent is of, at the payment provider.

Some of what the provider tells names the intent only: a dispute has no metadata of ours.
https://docs.stripe.com/api/disputes/object
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from aws import clients
from webhooks.inbox import NotOurs, NotYet

if TYPE_CHECKING:
    import stripe

# To connect, and between two bytes of an answer. The sender waits for as long.
TIMEOUT_SECONDS = (1.0, 3.0)


class ProviderUnavailable(Exception):
    """The provider did not say. The message is its error code."""


def order_of(intent: str) -> str:
    """The order that an intent was made for. Raises NotOurs for somebody else's, NotYet where the provider knows of
    none, and ProviderUnavailable.
    """
    if not intent:
        raise NotOurs("no payment intent")
    if os.environ["STRIPE_SECRET_ARN"]:
        return _at_stripe(intent)
    answer = clients.dynamodb().get_item(
        TableName=os.environ["SIMULATED_GATEWAY_TABLE"], Key={"id": {"S": intent}}, ConsistentRead=True
    )
    if "Item" not in answer:
        raise NotYet("no such payment intent")
    return str(answer["Item"]["order_id"]["S"])


def _at_stripe(intent: str) -> str:
    import stripe  # large, and only disputes need it

    try:
        found = _client().v1.payment_intents.retrieve(intent)
    except stripe.InvalidRequestError as error:
        if error.code != "resource_missing":
            raise ProviderUnavailable(error.code or "invalid_request") from None
        raise NotYet("no such payment intent") from None
    except stripe.StripeError as error:
        raise ProviderUnavailable(error.code or type(error).__name__) from None
    if "order_id" not in found.metadata:
        raise NotOurs("a payment of somebody else's")
    return str(found.metadata["order_id"])


@cache
def _client() -> stripe.StripeClient:
    """One client per sandbox, with the key that the payment function has."""
    import stripe

    key = clients.secrets().get_secret_value(SecretId=os.environ["STRIPE_SECRET_ARN"])["SecretString"]
    return stripe.StripeClient(
        key,
        max_network_retries=0,  # the sender repeats, and so does the schedule
        http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
    )
