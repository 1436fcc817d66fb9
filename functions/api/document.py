"""The API's document, OpenAPI 3.1, as Powertools generates it.

Powertools makes it of the handlers' signatures. Ours have none to speak of: with one, Powertools would read the request
and answer what is wrong with it, in its words and not in the domain's. So the signatures are written down here, under
routes of their own that nobody calls, and a test holds them against the handlers' routes. What no signature can say is
added at the end, in `document`.
"""

from __future__ import annotations

import json
import os
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.openapi.models import (
    APIKey,
    HTTPBearer,
    SecurityScheme,
    Tag,
)
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse
from pydantic import create_model

from api.models import Decision, GatewayMessage, Order, Orders, Return
from api.requests import DEFAULT_LIMIT, MAX_CURSOR, MAX_CUSTOMER_ID, MAX_LIMIT
from aws import problems
from aws.problems import JSON, PROBLEM_JSON, Problem
from aws.requests import IDEMPOTENCY_KEY, MAX_BODY_BYTES
from orders import Status, address, order_id
from orders.model import NewOrder, NewReturn
from orders.money import CURRENCIES

VERSION = "1.0.0"

# ── What is answered ────────────────────────────────────────────────────────────────────────────────────────────────

MEMBERS: dict[type[Problem], dict[str, Any]] = {
    problems.InvalidOrder: {"violations": (list[str], ...)},
    problems.AlreadyDecided: {"decision": (Decision, ...)},
    problems.AlreadyShipped: {"order_status": (Status, ...)},
    problems.NotDelivered: {"order_status": (Status, ...)},
    problems.InvalidReturn: {"violations": (list[str], ...)},
}


def _model_of(problem: type[Problem]) -> Any:
    return create_model(
        problem.__name__,
        __doc__=problem.__doc__,
        type=(Literal[problem.uri()], ...),
        title=(Literal[problem.title], ...),
        status=(Literal[problem.status], ...),
        detail=(str, ...),
        **MEMBERS.get(problem, {}),
    )


# Each problem as it is answered.
PROBLEMS = {problem: _model_of(problem) for problem in Problem.__subclasses__()}


def refusals(*kinds: type[Problem], gateway: tuple[int, ...] = (403, 429, 500, 503)) -> dict[int, OpenAPIResponse]:
    """What is answered instead: these problems, those that may come at any time, and what API Gateway says itself."""
    by_status: dict[int, list[type[Problem]]] = {status: [] for status in gateway}
    possible: tuple[type[Problem], ...] = (*kinds, problems.Unforeseen)
    for kind in possible:
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _refusal(status, by_status[status], by_gateway=status in gateway) for status in sorted(by_status)}


def _refusal(status: int, kinds: list[type[Problem]], *, by_gateway: bool) -> OpenAPIResponse:
    content: dict[str, Any] = {}
    if kinds:
        content[PROBLEM_JSON] = {"model": reduce(or_, [PROBLEMS[kind] for kind in kinds])}
    if by_gateway:
        content[JSON] = {"model": GatewayMessage}
    described = " ".join(" ".join((kind.__doc__ or "").split()) for kind in kinds)
    response: OpenAPIResponse = {"description": described or GATEWAY[status], "content": content}
    if problems.Unavailable in kinds:
        response["headers"] = {"Retry-After": {"description": "In seconds.", "schema": {"type": "integer"}}}
    return response


GATEWAY = {
    401: "There is no token, or it is not valid.",
    403: "The request is not signed, or its caller may not.",
    429: "There are more requests than the API takes.",
    503: "The API is not there just now.",
}


def answers(status: int, description: str, model: Any, **more: Any) -> dict[int, OpenAPIResponse]:
    """What is answered when all is well."""
    response: Any = {"description": description, "content": {JSON: {"model": model}}, **more}
    return {status: response}


REPLAYED = {
    "Idempotent-Replayed": {
        "description": "true, when an earlier request had this effect.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}

# ── What is asked ───────────────────────────────────────────────────────────────────────────────────────────────────

OrderId = Annotated[
    str,
    Path(
        description="The order's id.",
        max_length=order_id.MAX_LENGTH,
        pattern=rf"^[A-Za-z0-9][A-Za-z0-9._:#-]{{0,{order_id.MAX_LENGTH - 1}}}$",
    ),
]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        description="Whatever names this one request for who sends it, such as a UUID. The same request with the same "
        "key does nothing more, whenever it comes.",
        min_length=1,
        max_length=128,
        pattern=f"^{IDEMPOTENCY_KEY}$",
    ),
]
CustomerId = Annotated[str, Query(description="Whose orders.", min_length=1, max_length=MAX_CUSTOMER_ID)]
Limit = Annotated[int, Query(description="How many at most.", ge=1, le=MAX_LIMIT)]
Cursor = Annotated[
    str,
    Query(description="That of the page before.", min_length=1, max_length=MAX_CURSOR, pattern="^[A-Za-z0-9_-]+$"),
]


def routes(callers: str, *, after_sale: bool) -> APIGatewayHttpResolver:
    """The operations, for these callers, and those that somebody who looks after the sale adds. A token that is missing
    is API Gateway's to refuse, with 401.
    """
    http = APIGatewayHttpResolver()
    gateway = (401, 403, 429, 500, 503) if callers == "customers" else (403, 429, 500, 503)
    nobody = (problems.Forbidden,) if callers == "customers" else ()

    @http.post(
        "/orders",
        operation_id="placeOrder",
        summary="Place an order",
        description="At the catalogue's prices. Once for each Idempotency-Key of a customer: the same order under the "
        "same key is answered again as it was placed, another order is refused.",
        tags=["orders"],
        responses=answers(
            201,
            "The order as it was placed, also when it comes again.",
            Order,
            headers={
                "Location": {"description": "Where the order is.", "schema": {"type": "string"}, "required": True},
                **REPLAYED,
            },
            links={
                "follow": {"operationId": "followOrder", "parameters": {"order_id": "$response.body#/order_id"}},
                "cancel": {"operationId": "cancelOrder", "parameters": {"order_id": "$response.body#/order_id"}},
            },
        )
        | refusals(
            *nobody,
            problems.MalformedRequest,
            problems.BodyTooLarge,
            problems.UnsupportedMediaType,
            problems.InvalidOrder,
            problems.KeyReused,
            problems.Unavailable,
            gateway=(*gateway, 413),
        ),
    )
    def place(idempotency_key: Key, order: NewOrder) -> None: ...

    @http.get(
        "/orders",
        operation_id="listOrders",
        summary="List a customer's orders",
        description="The newest first, page by page: those that were placed here. One that was placed this second may "
        "be missing.",
        tags=["orders"],
        responses=answers(200, "A page of them.", Orders)
        | refusals(*nobody, problems.MalformedRequest, problems.Unavailable, gateway=gateway),
    )
    def orders_of(customer_id: CustomerId, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT) -> None: ...

    @http.get(
        "/orders/<order_id>",
        operation_id="followOrder",
        summary="Follow an order",
        description="What has become of it so far.",
        tags=["orders"],
        responses=answers(200, "The order.", Order)
        | refusals(*nobody, problems.NotFound, problems.Unavailable, gateway=gateway),
    )
    def follow(order_id: OrderId) -> None: ...

    @http.post(
        "/orders/<order_id>/cancel",
        operation_id="cancelOrder",
        summary="Cancel an order",
        description=f"As long as it is not {'shipped' if after_sale else 'decided'}. No body is read. Sent again, it "
        "answers the same.",
        tags=["orders"],
        responses=answers(200, "The order, which is cancelled.", Order)
        | refusals(
            *nobody,
            problems.NotFound,
            problems.AlreadyDecided,
            *((problems.AlreadyShipped,) if after_sale else ()),
            problems.Unavailable,
            gateway=gateway,
        ),
    )
    def cancel(order_id: OrderId) -> None: ...

    if after_sale:
        _add_returns(http, nobody, gateway)

    @http.get(
        "/openapi.json",
        operation_id="readDocument",
        summary="Read this document",
        tags=["document"],
        responses=answers(200, "The document.", dict[str, Any]) | refusals(gateway=gateway),
    )
    def document() -> None: ...

    return http


def _add_returns(http: APIGatewayHttpResolver, nobody: tuple[type[Problem], ...], gateway: tuple[int, ...]) -> None:
    @http.post(
        "/orders/<order_id>/returns",
        operation_id="returnOrder",
        summary="Return some of an order, or all of it",
        description="Once it is delivered, and as long as it is taken back. Once for each Idempotency-Key of an order: "
        "the same return under the same key is answered again as it stands by then, another one is refused.",
        tags=["orders"],
        responses=answers(201, "The return, also when it comes again.", Return, headers=REPLAYED)
        | refusals(
            *nobody,
            problems.MalformedRequest,
            problems.NotFound,
            problems.NotDelivered,
            problems.ReturnsClosed,
            problems.BodyTooLarge,
            problems.UnsupportedMediaType,
            problems.InvalidReturn,
            problems.KeyReused,
            problems.Unavailable,
            gateway=(*gateway, 413),
        ),
    )
    def take_back(order_id: OrderId, idempotency_key: Key, wanted: NewReturn) -> None: ...


# ── The document ────────────────────────────────────────────────────────────────────────────────────────────────────

SECURITY: dict[str, dict[str, SecurityScheme]] = {
    "shop": {
        "sigv4": APIKey.model_validate(
            {
                "name": "Authorization",
                "in": "header",
                "description": "AWS Signature Version 4, with credentials that may execute-api:Invoke.",
                # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authtype.html
                "x-amazon-apigateway-authtype": "awsSigv4",
            }
        )
    },
    "customers": {
        "token": HTTPBearer(bearerFormat="JWT", description="A customer's token; its `sub` is the customer's id.")
    },
}


@cache
def document() -> dict[str, Any]:
    """The document, for the callers that this function has."""
    callers, after_sale = os.environ["CALLERS"], os.environ["AFTER_SALE"] == "yes"
    schemes = SECURITY[callers]
    written: dict[str, Any] = json.loads(
        routes(callers, after_sale=after_sale).get_openapi_json_schema(
            title="Orders",
            version=VERSION,
            description="Place orders, follow them, and cancel them while there is time"
            f"{', or send back what was delivered' if after_sale else ''}. Amounts are whole numbers in minor units of "
            "the currency (cents, yen, fils).",
            tags=[
                Tag(name="orders", description="A customer's orders"),
                Tag(name="document", description="This document"),
            ],
            security_schemes=schemes,
            security=[{name: []} for name in schemes],
        )
    )
    schemas = written["components"]["schemas"]
    # What Powertools would answer, did it read the requests.
    del schemas["HTTPValidationError"], schemas["ResponseValidationError"], schemas["ValidationError"]
    # What validators know, and no type says.
    schemas["NewOrder"]["properties"]["currency"]["enum"] = sorted(CURRENCIES)
    schemas["NewCustomer"]["properties"]["email"] |= {"format": "email", "maxLength": address.MAX_LENGTH}
    schemas["NewOrder"]["examples"] = [EXAMPLE]
    del schemas["NewOrder"]["properties"]["ship_to"]["default"]  # which is none
    quantity = schemas["NewLine"]["properties"]["quantity"]
    quantity |= {"minimum": quantity.pop("ge"), "maximum": quantity.pop("le")}
    # A parameter may be left out, and is never null.
    cursor = next(each for each in written["paths"]["/orders"]["get"]["parameters"] if each["name"] == "cursor")
    cursor["schema"] = cursor["schema"]["anyOf"][0]
    for operation in (each["post"] for each in written["paths"].values() if "requestBody" in each.get("post", {})):
        operation["requestBody"]["description"] = f"At most {MAX_BODY_BYTES} bytes."
    return written


EXAMPLE = {
    "customer": {"customer_id": "customer-1", "email": "ada@example.com"},
    "currency": "EUR",
    "lines": [{"sku": "TEA-100", "quantity": 2}, {"sku": "MUG-BLUE", "quantity": 1}],
    "payment_method": "pm_card_visa",
}
