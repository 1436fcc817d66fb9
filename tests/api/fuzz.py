"""Requests that the API's own document allows, and many that it doesn't, against the real handlers: that of the API,
and that of returns, which stands beside it.

Schemathesis makes them of the document that the API serves, and holds each answer against it. What stands between the
two here is API Gateway, as far as a client notices it.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema_rs
import pytest
import schemathesis
from requests.adapters import HTTPAdapter
from schemathesis.engine import events, from_schema
from urllib3 import HTTPResponse

from api import app
from aws import logger
from aws.catalogue import read_catalogue
from orders import Reason, rules
from orders.errors import OrderInvalid
from orders.model import MAX_LINES
from orders.order_id import is_order_id
from orders.shipping import Returns, returns_from, returns_item
from returns import app as returns_app
from tests.unit import sandbox
from tests.unit.account import account
from tests.unit.builders import a_product, a_state, an_order, as_image
from tests.unit.calling import CONTEXT, an_event, get
from tests.unit.stack import REGION, MotoStack, aws

CUSTOMER = "customer-1"
EMAIL = "ada@example.com"
CREDENTIALS = {"shop": "AWS4-HMAC-SHA256 Credential=shop", "customers": f"Bearer {CUSTOMER}"}
SEED = 1
# An example becomes so many requests: one of each operation, four of an order that is placed, and what follows from it.
PER_EXAMPLE = 10

# By id, what became of the orders that are there before the first request.
THERE = {
    "o-open": "",
    "o-confirmed": "CONFIRMED",
    "o-rejected": "REJECTED",
    "o#odd:id.": "",
    "o-malformed": "",
    "o-delivered": "CONFIRMED",
}
DELIVERED = "o-delivered"
# More of everything than can be sent back here.
LEFT, PRICE = 1_000_000, 450


@dataclass
class Statistics:
    """What was answered how often, by method, path and status; what was not as the document says; what was logged.
    `placed` is how many orders there are by the end, `returned` how many returns, and `unacceptable` what the pipeline
    would not take of the orders, and what is not right about the returns.
    """

    answers: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    log: str = ""
    placed: int = 0
    returned: int = 0
    unacceptable: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return self.answers.total()

    def count(self, method: str, path: str, *statuses: int) -> int:
        """How many of an operation's requests were answered with one of these statuses."""
        return sum(self.answers[method, path, status] for status in statuses)


def fuzz(callers: str, requests: int) -> Statistics:
    """Send some `requests` requests as these callers ("shop" or "customers"), on top of the 430 that it takes to try
    every word of the document once. They are always the same.
    """
    statistics = Statistics()
    with _an_api(callers) as (stack, document, log):
        config = schemathesis.Config.from_dict(_settings(CREDENTIALS[callers], requests))
        schema = schemathesis.openapi.from_dict(document, config=config)
        schema.hook("map_body")(functools.partial(_sellable, _validator(document, "/orders")))
        schema.hook("map_body")(functools.partial(_returnable, _validator(document, "/orders/{order_id}/returns")))
        schema.hook("map_path_parameters")(_known)
        for event in from_schema(schema).execute():
            _count(event, statistics)
        statistics.log = log.getvalue()
        _look_at_what_is_stored(stack, statistics)
    return statistics


def _look_at_what_is_stored(stack: MotoStack, statistics: Statistics) -> None:
    """Every order that came through the door is one that the pipeline accepts, and what was decided here is what may
    be.
    """
    for item in stack.table("OrdersTable").scan()["Items"]:
        if item["order_id"] in THERE:
            continue
        statistics.placed += 1
        try:
            rules.accept(item, read_catalogue(rules.skus_of(item)))
        except OrderInvalid as invalid:
            statistics.unacceptable += [f"{item['order_id']}: {violation}" for violation in invalid.violations]
    for state in stack.table("OrderStatesTable").scan()["Items"]:
        if not THERE.get(state["order_id"]) and state["decision"]["reason"] != Reason.CANCELLED_BY_CUSTOMER:
            statistics.unacceptable.append(f"{state['order_id']}: {state['decision']}")
    _look_at_what_comes_back(returns_from(as_image(stack.table("ReturnsTable").scan()["Items"][0])), statistics)


def _look_at_what_comes_back(standing: Returns, statistics: Statistics) -> None:
    """Each unit is left or on its way back, once, and each return is worth what its units were sold for."""
    under_way = [*standing.returns.values()]
    statistics.returned = len(under_way)
    for sku, count in standing.left.items():
        if count + sum(one.units.get(sku, 0) for one in under_way) != LEFT:
            statistics.unacceptable.append(f"{sku}: {count} are left")
    if standing.open != len(under_way):
        statistics.unacceptable.append(f"{standing.open} of {len(under_way)} returns are open")
    wrong = [one.return_id for one in under_way if one.amount != PRICE * sum(one.units.values())]
    statistics.unacceptable += [f"{return_id}: is not worth that" for return_id in wrong]


def _settings(credentials: str, requests: int) -> dict[str, Any]:
    examples = max(1, requests // PER_EXAMPLE)
    generation = {
        "deterministic": True,
        "max-examples": examples,
        "no-shrink": True,
        # What lets a caller in is API Gateway's, and no data to make up.
        "with-security-parameters": False,
    }
    return {
        "seed": SEED,
        "headers": {"Authorization": credentials},
        "base-url": "https://api.example",
        "generation": generation,
        "operations": [
            # An order that is well-formed may be one that cannot be sold, for its SKU or for its total. No schema says
            # which, and 422 is what tells.
            _may_also_answer("placeOrder", 422) | {"generation": generation | {"max-examples": 4 * examples}},
            _may_also_answer("returnOrder", 422),
            # Nor does one say which text is the cursor of a page.
            _may_also_answer("listOrders", 400),
        ],
    }


def _may_also_answer(operation_id: str, status: int) -> dict[str, Any]:
    expected = ["2xx", "403", "404", "409", str(status)]
    return {
        "include-operation-id": operation_id,
        "checks": {"positive_data_acceptance": {"expected-statuses": expected}},
    }


def _count(event: Any, statistics: Statistics) -> None:
    match event:
        case events.ScenarioFinished(recorder=recorder):
            for case_id, interaction in recorder.interactions.items():
                case = recorder.cases[case_id].value
                if interaction.response is not None:
                    statistics.answers[case.method, case.path, interaction.response.status_code] += 1
            for checks in recorder.checks.values():
                statistics.failures += [
                    f"{recorder.label}: {check.name}: {check.failure_info.failure}\n{check.failure_info.code_sample}"
                    for check in checks
                    if check.failure_info is not None
                ]
        case events.NonFatalError() | events.FatalError():
            statistics.failures.append(str(event))


# ── What is asked ───────────────────────────────────────────────────────────────────────────────────────────────────


def _validator(document: dict[str, Any], path: str) -> Any:
    """What says whether the document allows a body there."""
    wanted = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return jsonschema_rs.validator_for(wanted | {"components": document["components"]}, validate_formats=True)


def _sellable(allows: Any, _: object, body: Any) -> Any:
    """An order that the document allows becomes one that can be sold: of what the catalogue has, by the customer who
    asks, at an address that SES takes. JSON Schema has 2.0 for a whole number, which the domain has not. What the
    document does not allow stays as it is, for it has to be refused.
    """
    if not isinstance(body, dict) or not allows.is_valid(body):
        return body
    lines = [_whole(line) | {"sku": f"SKU-{position}"} for position, line in enumerate(body["lines"])]
    return body | {"currency": "EUR", "lines": lines, "customer": {"customer_id": CUSTOMER, "email": EMAIL}}


def _returnable(allows: Any, _: object, body: Any) -> Any:
    """The same for a return: of what was bought."""
    if not isinstance(body, dict) or not allows.is_valid(body):
        return body
    return {"lines": [_whole(line) | {"sku": f"SKU-{position}"} for position, line in enumerate(body["lines"])]}


def _whole(line: Any) -> Any:
    match line:
        case {"quantity": float(quantity)} if quantity.is_integer():
            return line | {"quantity": int(quantity)}
    return line


def _known(context: Any, parameters: Any) -> Any:
    """Of the ids that an order may have, most become one that an order has; for a return, mostly one that has come."""
    order_id = (parameters or {}).get("order_id")
    if not isinstance(order_id, str) or not is_order_id(order_id) or len(order_id) % 7 == 0:
        return parameters
    if context.operation.path.endswith("/returns") and len(order_id) % 4:
        return parameters | {"order_id": DELIVERED}
    return parameters | {"order_id": list(THERE)[len(order_id) % len(THERE)]}


# ── Who answers ─────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _an_api(callers: str) -> Iterator[tuple[MotoStack, dict[str, Any], io.StringIO]]:
    """The API with its tables, some products and some orders, in the place of the network; its document and its log."""
    with pytest.MonkeyPatch.context() as patch, account():
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        sandbox.forget()
        issuer = "https://issuer.example" if callers == "customers" else ""
        stack = MotoStack(patch, JwtIssuer=issuer, Callers=callers, AfterSale="yes")
        for function in ("ReturnsFunction", "ApiFunction"):
            stack.run_as(function)
        _fill(stack)

        def send(adapter: HTTPAdapter, request: Any, **_: Any) -> Any:
            event = _event(request, callers)
            answered = _refused(callers) if event is None else _handler(event)(event, CONTEXT)
            body = io.BytesIO(answered["body"].encode())
            raw = HTTPResponse(body, answered["headers"], answered["statusCode"], preload_content=False)
            return adapter.build_response(request, raw)

        patch.setattr(HTTPAdapter, "send", send)
        log = io.StringIO()
        for handler in logger.handlers:
            patch.setattr(handler, "stream", log)
        yield stack, get("/openapi.json").body, log
    sandbox.forget()


def _handler(event: dict[str, Any]) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """Whom API Gateway hands a request to: each route its function, and the API all that has no route."""
    is_return = re.fullmatch("/orders/[^/]+/returns", event["rawPath"], re.DOTALL)
    return returns_app.handler if is_return and event["requestContext"]["http"]["method"] == "POST" else app.handler


def _fill(stack: MotoStack) -> None:
    for number in range(MAX_LINES):
        stack.table("InventoryTable").put_item(Item=a_product(f"SKU-{number}"))
    for order_id, outcome in THERE.items():
        item = an_order(order_id=order_id, customer_id=CUSTOMER, customer={"customer_id": CUSTOMER, "email": EMAIL})
        stack.table("OrdersTable").put_item(Item=item | ({"total": "x", "lines": 1} if "malformed" in order_id else {}))
        if outcome:
            came_to = {"status": "DELIVERED"} if order_id == DELIVERED else {}
            stack.table("OrderStatesTable").put_item(Item=a_state(outcome, order_id=order_id) | came_to)
    skus = [f"SKU-{number}" for number in range(MAX_LINES)]
    returns = Returns(
        DELIVERED, dict.fromkeys(skus, LEFT), dict.fromkeys(skus, PRICE), 0, "9999-12-31T00:00:00.000+00:00"
    )
    aws("dynamodb").put_item(TableName=stack["ReturnsTable"], Item=returns_item(returns))


def _event(request: Any, callers: str) -> dict[str, Any] | None:
    """What API Gateway makes of a request; None for one that it does not let in."""
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    if headers.get("authorization") != CREDENTIALS[callers]:
        return None
    url = urlsplit(request.url)
    query: dict[str, str] = {}
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    body = request.body or b""
    try:
        text, encoded = _text(body), False
    except UnicodeDecodeError:
        text, encoded = base64.b64encode(body).decode(), True
    return an_event(
        request.method,
        unquote(url.path),
        text,
        headers=headers,
        query=query,
        customer=CUSTOMER if callers == "customers" else None,
        base64=encoded,
    )


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


def _refused(callers: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html"""
    status, message = (401, "Unauthorized") if callers == "customers" else (403, "Forbidden")
    headers = {"Content-Type": "application/json"}
    return {"statusCode": status, "headers": headers, "body": json.dumps({"message": message})}
