"""Clients of the API: requests as API Gateway hands them over, and the function's answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from api import app
from orders.order_id import for_key
from tests.unit.builders import CUSTOMER_ID, EMAIL, SHIP_TO

CONTEXT: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 5_000)
KEY = "key-1"
ORDER_ID = for_key(CUSTOMER_ID, KEY)


@dataclass
class Answer:
    """What a client gets. `body` is what the JSON says."""

    status: int
    headers: dict[str, str]
    body: Any


def an_event(
    method: str,
    path: str,
    body: str | None = None,
    *,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    customer: str | None = None,
    base64: bool = False,
) -> dict[str, Any]:
    """A request in payload format 2.0; `customer` is the `sub` of its token, if it has one.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    context: dict[str, Any] = {"http": {"method": method, "path": path}, "stage": "$default", "requestId": "request-1"}
    if customer is not None:
        context["authorizer"] = {"jwt": {"claims": {"sub": customer}, "scopes": None}}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers or {},
        "requestContext": context,
        "isBase64Encoded": base64,
    }
    if query:
        event["queryStringParameters"] = query
    return event if body is None else event | {"body": body}


def call(event: dict[str, Any], handler: Callable[[dict[str, Any], Any], dict[str, Any]] = app.handler) -> Answer:
    """Hand an event to the function. Every answer is JSON, is kept by nobody, and says what it is."""
    answered = handler(event, CONTEXT)
    headers = answered["headers"]
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert headers["Content-Type"] == (
        "application/json" if answered["statusCode"] < 400 else "application/problem+json"
    )
    answer = Answer(answered["statusCode"], headers, json.loads(answered["body"]))
    if answer.status >= 400:
        assert answer.body["status"] == answer.status
        assert {"type", "title", "detail"} < set(answer.body)
    return answer


def a_wish(**changes: Any) -> dict[str, Any]:
    """What a customer asks for: two packets of tea."""
    return {
        "customer": {"customer_id": CUSTOMER_ID, "email": EMAIL},
        "currency": "EUR",
        "lines": [{"sku": "TEA", "quantity": 2}],
        "payment_method": "pm_card_visa",
        "ship_to": SHIP_TO,
    } | changes


def send(text: str, *, key: str | None = KEY, headers: dict[str, str] | None = None, **how: Any) -> Answer:
    """POST a body to /orders, whatever it is."""
    named = {} if key is None else {"idempotency-key": key}
    return call(
        an_event("POST", "/orders", text, headers={"content-type": "application/json"} | named | (headers or {}), **how)
    )


def place(wish: Any = None, **how: Any) -> Answer:
    """Place an order."""
    return send(json.dumps(a_wish() if wish is None else wish), **how)


def get(path: str, query: dict[str, str] | None = None, customer: str | None = None) -> Answer:
    """GET a path."""
    return call(an_event("GET", path, query=query, customer=customer))


def cancel(order_id: str, customer: str | None = None) -> Answer:
    """Cancel an order."""
    return call(an_event("POST", f"/orders/{order_id}/cancel", customer=customer))


def kind(answer: Answer) -> tuple[int, str]:
    """An answer's status and, of a problem, its type."""
    return answer.status, answer.body.get("type", "").removeprefix("/problems/")


def violations(answer: Answer) -> list[str]:
    """What an order was refused for."""
    assert kind(answer) == (422, "invalid-order")
    return list(answer.body["violations"])


def follow(order_id: str = "order-1") -> dict[str, Any]:
    """An order, as it is shown."""
    answer = get(f"/orders/{order_id}")
    assert answer.status == 200
    return dict(answer.body)
