"""Take what the carrier and the payment provider tell, and apply it.

Pattern: the inbox (inbox.py). A sender learns that its news is taken once it is written down; what it means is applied
at once if it can be, and otherwise by the schedule. Whatever fails on our side is answered with 500, and the sender
repeats it.

What is told by somebody else, or too long ago, is answered with 400 and leaves no trace (signatures.py). Senders have
more to tell than we want to know: other kinds are answered with 200 and not kept.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from aws import logger
from orders import epoch_seconds
from webhooks import carrier, inbox, provider, signatures
from webhooks.inbox import Malformed, News, NewsStatus, NotOurs, NotYet, Sender
from webhooks.intents import ProviderUnavailable
from webhooks.signatures import NotGenuine

# Stripe's largest are disputes, with up to 150,000 characters of evidence.
# https://docs.stripe.com/api/disputes/update#update_dispute-evidence
MAX_BODY_BYTES = 1024 * 1024
DAY = 24 * 60 * 60
# What came a moment ago is being applied by who has taken it.
A_MOMENT = 60
RUN_SECONDS = 15  # in which the schedule's run begins with one more; the rest of the timeout is for that one

ROUTES = {"POST /webhooks/carrier": Sender.CARRIER, "POST /webhooks/stripe": Sender.STRIPE}
READ: dict[Sender, Callable[[bytes], News | None]] = {Sender.CARRIER: carrier.read, Sender.STRIPE: provider.read}
APPLY: dict[Sender, Callable[[News], tuple[str, bool]]] = {
    Sender.CARRIER: carrier.apply,
    Sender.STRIPE: provider.apply,
}


# What passes, sooner or later: AWS or the provider did not do it, or not in full.
FAILURES = (ClientError, BotoCoreError, ProviderUnavailable, TimeoutError)


class TooLarge(Exception):
    """No sender has so much to say."""


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer a sender's request, as API Gateway hands it over (payload format 2.0): 200 if the news is kept, or none of
    ours; 400 if it is not genuine or malformed, 413 if it is absurdly long, 500 if it has to come again.

    Or `{"action": "apply"}`, from the schedule: take up what could not be applied when it came, and answer how much of
    that is `applied`, still `waiting` or `unknown` now, and how much has `failed`.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    if event.get("action") == "apply":
        return dict(apply_what_waits())
    status, body = answer(event)
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}


def answer(event: dict[str, Any]) -> tuple[int, dict[str, str]]:
    """What a sender is told: the HTTP status, and a word more for people who read logs."""
    sender = ROUTES.get(event["routeKey"])
    if sender is None:
        return 404, {"error": "there is nobody of that name"}
    try:
        body = body_of(event)
        headers = {name.lower(): value for name, value in event["headers"].items()}
        signatures.check(sender, body, headers.get(signatures.HEADERS[sender], ""))
        news = READ[sender](body)
        status = receive(news) if news else "IGNORED"
    except TooLarge:
        return 413, {"error": "too large"}
    except (NotGenuine, Malformed) as refused:
        logger.info("news refused", sender=sender, reason=str(refused))
        return 400, {"error": str(refused)}
    except FAILURES as error:
        # The name only: what AWS says may quote the request.
        logger.error("news not taken", sender=sender, error=type(error).__name__)
        return 500, {"error": "please send it again"}
    return 200, {"status": status}


def body_of(event: dict[str, Any]) -> bytes:
    """The body as it was sent. Raises TooLarge, before anything is done with it, and Malformed."""
    text = event.get("body") or ""
    encoded = bool(event.get("isBase64Encoded"))
    if len(text) > (MAX_BODY_BYTES * 4 // 3 + 4 if encoded else MAX_BODY_BYTES):
        raise TooLarge
    try:
        return base64.b64decode(text, validate=True) if encoded else text.encode()
    except (binascii.Error, ValueError):
        raise Malformed("not as it was sent") from None


def receive(news: News) -> NewsStatus:
    """Keep it, and apply it unless that was done before; answers how far it has come."""
    kept, status = inbox.keep(news, time.time())
    if status != NewsStatus.RECEIVED:
        logger.debug("news came again", sender=kept.sender, kind=kept.kind, order_id=kept.order_id)
        return status
    return apply(kept)


def apply(news: News) -> NewsStatus:
    """Apply what is kept, if it can be by now; answers how far it has come. Raises ProviderUnavailable, and what AWS
    raises: then nothing is settled, and whoever comes next begins anew.
    """
    order_id, changed = news.order_id, False
    try:
        order_id, changed = APPLY[news.sender](news)
        status = NewsStatus.APPLIED
    except NotYet as reason:
        if time.time() - epoch_seconds(news.received_at) < DAY:
            logger.debug("news waits", sender=news.sender, kind=news.kind, order_id=order_id, reason=str(reason))
            return NewsStatus.RECEIVED
        status = NewsStatus.UNKNOWN
    except NotOurs:
        status = NewsStatus.UNKNOWN
    inbox.settle(news, status, order_id)
    if status == NewsStatus.UNKNOWN:
        logger.warning("news of nothing that is ours", sender=news.sender, kind=news.kind, event_id=news.event_id)
    else:
        log = logger.info if changed else logger.debug
        log("news applied", sender=news.sender, kind=news.kind, order_id=order_id)
    return status


def apply_what_waits() -> dict[str, int]:
    """Take up what is not settled. One piece that fails holds up no other."""
    began = time.time()
    counts = {"applied": 0, "waiting": 0, "unknown": 0, "failed": 0}
    names = {NewsStatus.APPLIED: "applied", NewsStatus.RECEIVED: "waiting", NewsStatus.UNKNOWN: "unknown"}
    # Every other run begins at the other end, so that what will never be applied keeps nothing from its turn.
    newest_first = int(began // 300) % 2 == 1
    for news in inbox.waiting(began - A_MOMENT, newest_first=newest_first):
        try:
            counts[names[apply(news)]] += 1
        except FAILURES as error:
            counts["failed"] += 1
            logger.warning("news not applied", sender=news.sender, kind=news.kind, error=type(error).__name__)
        if time.time() - began > RUN_SECONDS:
            break
    return counts
