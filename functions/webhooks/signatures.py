"""Whether a sender is who they say, and says it now.

A header holds `t=<seconds since 1970>,v1=<hex>`, and `v1` is the HMAC-SHA256 of `<t>.<body>` under a key that only the
sender and we have. It is over the body's bytes, as they came: JSON that was read and written again is another text. Of
several `v1` one has to be right, for a sender that changes its key signs with both for a while.

Somebody who listens can send the same again. So a signature is good for five minutes, and whatever comes twice within
these is applied once (inbox.py).

Stripe's is checked by Stripe's own library: https://docs.stripe.com/webhooks#verify-official-libraries. The carrier's
has the same form, https://docs.stripe.com/webhooks#verify-manually, under a name of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import time
from functools import cache

from aws import clients
from webhooks.inbox import Sender

TOLERANCE_SECONDS = 5 * 60

# API Gateway writes the names of headers in lower case.
HEADERS = {Sender.CARRIER: "carrier-signature", Sender.STRIPE: "stripe-signature"}


class NotGenuine(Exception):
    """Nobody knows who sent this, or when. The message says what is wrong and quotes nothing."""


def check(sender: Sender, body: bytes, header: str) -> None:
    """See that the body is the sender's, and not older than five minutes. Raises NotGenuine, and what AWS raises."""
    # What is not ASCII is no signature, and comparing it would be an error.
    if not header or not header.isascii():
        raise NotGenuine("no signature")
    match sender:
        case Sender.CARRIER:
            _check_carrier(body, header, _key(os.environ["CARRIER_SECRET_ARN"]))
        case Sender.STRIPE:
            _check_stripe(body, header, _key(os.environ["STRIPE_WEBHOOK_SECRET_ARN"]))


@cache
def _key(secret: str) -> str:
    """A sender's key, read once per sandbox. One that was changed reaches a sandbox when it is replaced, within hours:
    until then the sender has to sign with the old one as well. https://docs.stripe.com/webhooks#roll-endpoint-secrets
    """
    return clients.secrets().get_secret_value(SecretId=secret)["SecretString"]


def _check_carrier(body: bytes, header: str, key: str) -> None:
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if not times or not re.fullmatch("[0-9]{1,12}", times[0]):
        raise NotGenuine("no signature")
    expected = hmac.new(key.encode(), times[0].encode() + b"." + body, hashlib.sha256).hexdigest()
    signatures = [value for name, _, value in parts if name == "v1"]
    if not any(hmac.compare_digest(expected, signature) for signature in signatures):
        raise NotGenuine("another signature")
    # In either direction: what says that it comes from tomorrow could be sent again until then.
    if abs(time.time() - int(times[0])) > TOLERANCE_SECONDS:
        raise NotGenuine("not of this time")


def _check_stripe(body: bytes, header: str, key: str) -> None:
    import stripe  # large, and the carrier's news does without it

    try:
        stripe.WebhookSignature.verify_header(body, header, key, TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        # The exception quotes the body and what was signed, so nothing of it goes any further.
        raise NotGenuine("another signature, or not of this time") from None
