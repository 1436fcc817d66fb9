"""The carrier and Stripe, as the webhooks see them: what they tell, and how they sign it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.unit.builders import EMAIL
from tests.unit.stack import secret_of
from webhooks import app

CARRIER, STRIPE = "carrier", "stripe"
KEYS = {CARRIER: secret_of("CarrierSecret"), STRIPE: secret_of("StripeWebhookSecret")}
HEADERS = {CARRIER: "carrier-signature", STRIPE: "stripe-signature"}
OCCURRED_AT = "2026-01-01T08:59:00Z"
CREATED, CREATED_AT = 1767257940, "2026-01-01T08:59:00.000+00:00"  # when Stripe's events happened
INTENT = "pi_1"


@dataclass
class Answer:
    """What a sender gets."""

    status: int
    body: dict[str, str]


def signature(body: bytes, key: str, at: float) -> str:
    """https://docs.stripe.com/webhooks#verify-manually"""
    return hmac.new(key.encode(), f"{int(at)}.".encode() + body, hashlib.sha256).hexdigest()


def header(body: bytes, key: str, at: float) -> str:
    return f"t={int(at)},v1={signature(body, key, at)}"


def request(sender: str, body: bytes, signed: str | None, *, encoded: bool = False) -> dict[str, Any]:
    """What API Gateway makes of a sender's request.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    path = f"/webhooks/{sender}"
    return {
        "version": "2.0",
        "routeKey": f"POST {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"} | ({} if signed is None else {HEADERS[sender]: signed}),
        "requestContext": {"http": {"method": "POST", "path": path, "sourceIp": "192.0.2.1"}},
        "isBase64Encoded": encoded,
        "body": base64.b64encode(body).decode() if encoded else body.decode(),
    }


def call(event: dict[str, Any]) -> Answer:
    """Hand a request to the function. Every answer is a short JSON object, and kept by nobody."""
    answered = app.handler(event, None)
    assert answered["headers"] == {"Content-Type": "application/json", "Cache-Control": "no-store"}
    assert len(answered["body"]) < 100
    return Answer(answered["statusCode"], json.loads(answered["body"]))


class Senders:
    """Both of them, at a time that the tests choose."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def tell(self, sender: str, content: Any, **how: Any) -> Answer:
        """Send it, signed."""
        body = json.dumps(content).encode()
        return call(request(sender, body, header(body, KEYS[sender], self._now()), **how))

    def carrier(self, kind: str, reference: str, **changes: Any) -> Answer:
        return self.tell(CARRIER, of_a_parcel(kind, reference, **changes))

    def stripe(self, kind: str, event_id: str | None = None, **about: Any) -> Answer:
        return self.tell(STRIPE, of_money(kind, event_id, **about))


def of_a_parcel(kind: str, reference: str, **changes: Any) -> dict[str, Any]:
    """What the carrier tells. Its id is another one for each parcel and kind."""
    return {
        "id": f"news-{kind}-{reference}",
        "kind": f"parcel.{kind}",
        "reference": reference,
        "tracking": "SIM-1",
        "occurred_at": OCCURRED_AT,
    } | changes


def of_money(kind: str, event_id: str | None = None, **about: Any) -> dict[str, Any]:
    """An Event of Stripe's, of the payment of order-1: of all that its object has in truth, this is what matters, and
    what is nobody's business. `about` is of the object.

    https://docs.stripe.com/api/events/object
    """
    objects: dict[str, dict[str, Any]] = {
        "payment_intent.canceled": {
            "id": INTENT,
            "object": "payment_intent",
            "amount": 900,
            "cancellation_reason": "automatic",
            "metadata": {"order_id": "order-1"},
            "receipt_email": EMAIL,
            "status": "canceled",
        },
        "refund.failed": {
            "id": "re_1",
            "object": "refund",
            "amount": 450,
            "failure_reason": "expired_or_canceled_card",
            "metadata": {"order_id": "order-1", "return_id": "r-1"},
            "payment_intent": INTENT,
            "status": "failed",
        },
        "charge.dispute.created": {
            "id": "du_1",
            "object": "dispute",
            "amount": 900,
            "charge": "ch_1",
            "evidence": {"customer_email_address": EMAIL, "customer_name": "Ada Lovelace"},
            "metadata": {},
            "payment_intent": INTENT,
            "status": "needs_response",
        },
    }
    thing = objects.get(kind, objects["charge.dispute.created"] | {"status": "lost"}) | about
    return {
        "id": event_id or f"evt_{kind}_{thing['id']}",
        "object": "event",
        "type": kind,
        "created": CREATED,
        "data": {"object": thing, "previous_attributes": {}},
        "livemode": False,
        "pending_webhooks": 1,
    }
