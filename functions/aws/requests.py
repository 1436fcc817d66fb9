"""What clients send, as far as it is the same at every route: who asks, for which order, under which key, and a body of
JSON. What is not of the form that the API's document gives is refused here.
"""

from __future__ import annotations

import base64
import os
import re
from typing import Any
from urllib.parse import quote, unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic_core import from_json

from aws.problems import JSON, BodyTooLarge, Forbidden, MalformedRequest, NotFound, UnsupportedMediaType
from orders.errors import OrderInvalid
from orders.order_id import is_order_id

MAX_BODY_BYTES = 64 * 1024
# Printable ASCII. Blanks at the ends are none of a header's: https://www.rfc-editor.org/rfc/rfc9110#section-5.5
IDEMPOTENCY_KEY = "[!-~]([ -~]{0,126}[!-~])?"


def resolve(http: APIGatewayHttpResolver, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request of API Gateway, in its payload format 2.0.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    # Powertools' routes know fewer characters than an order's id, `#` for one. Percent-encoded, they know all.
    path = quote(event["rawPath"], safe="/%", errors="replace")
    return http.resolve(event | {"rawPath": path}, context)


def caller(event: APIGatewayProxyEventV2) -> str | None:
    """The customer who asks; None where callers are the shop's own, who may see every order. Raises Forbidden."""
    if os.environ["CALLERS"] == "shop":
        return None
    match event.raw_event:
        case {"requestContext": {"authorizer": {"jwt": {"claims": {"sub": str(customer)}}}}} if customer:
            return customer
    raise Forbidden("The token does not say who its customer is.")


def customer_id(customer: object) -> str | None:
    """The id in an order's `customer`, as far as there is one."""
    match customer:
        case {"customer_id": str(found)}:
            return found
    return None


def order_id(quoted: str) -> str:
    """The id of an order, in a path that came through `resolve`. Raises NotFound for what is none's."""
    unquoted = unquote(quoted)
    if not is_order_id(unquoted):
        raise unknown_order()
    return unquoted


def unknown_order() -> NotFound:
    """The order is not there, or another customer's: nobody is told which."""
    return NotFound("No order has such an id.")


def idempotency_key(event: APIGatewayProxyEventV2) -> str:
    """The header Idempotency-Key. Raises MalformedRequest."""
    key = event.headers.get("Idempotency-Key", "").strip(" ")
    if not re.fullmatch(IDEMPOTENCY_KEY, key):
        raise MalformedRequest("Idempotency-Key: must be 1 to 128 printable ASCII characters")
    return key


def json_object(event: APIGatewayProxyEventV2, what: str) -> dict[str, Any]:
    """The body, which has to be a JSON object. Raises what kind of problem it is, and OrderInvalid for JSON that is no
    `what`.
    """
    content_type = event.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type != JSON:
        raise UnsupportedMediaType(f"Content-Type: must be {JSON}")
    try:
        encoded = (event.get("body") or "").encode()
        body = base64.b64decode(encoded, validate=True) if event.get("isBase64Encoded") else encoded
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge(f"body: must be at most {MAX_BODY_BYTES} bytes")
        # It refuses what json.loads lets through: NaN, half a character, numbers and nesting without end.
        content = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise MalformedRequest("body: must be JSON, in UTF-8") from None
    if not isinstance(content, dict):
        raise OrderInvalid([f"{what}: must be a JSON object"])
    return content
