"""Who may ask what: the shop, and customers with their tokens."""

from typing import Any

import pytest

from tests.unit.builders import CUSTOMER_ID, EMAIL, an_order
from tests.unit.calling import a_wish, an_event, call, cancel, get, kind, place, send
from tests.unit.stack import MotoStack

OTHER = "customer-grace-1906"


@pytest.fixture
def parameters() -> dict[str, str]:
    return {"JwtIssuer": "https://issuer.example", "JwtAudience": "shop"}


@pytest.fixture
def orders(stack: MotoStack, sells: Any) -> Any:
    """The Orders table, and the environment of an API that customers call."""
    stack.run_as("ApiFunction")
    sells("TEA")
    return stack.table("OrdersTable")


@pytest.fixture
def states(orders: Any, stack: MotoStack) -> Any:
    return stack.table("OrderStatesTable")


def test_customers_place_follow_list_and_cancel_their_own_orders(orders):
    order_id = place(customer=CUSTOMER_ID).body["order_id"]

    assert get(f"/orders/{order_id}", customer=CUSTOMER_ID).status == 200
    assert len(get("/orders", {"customer_id": CUSTOMER_ID}, customer=CUSTOMER_ID).body["orders"]) == 1
    assert cancel(order_id, customer=CUSTOMER_ID).status == 200


def test_customers_place_nothing_for_others(orders):
    assert kind(place(customer=OTHER)) == (403, "forbidden")
    assert orders.scan()["Count"] == 0


def test_whoever_says_nobody_is_told_what_is_wrong(orders):
    assert kind(place(a_wish(customer={"email": EMAIL}), customer=OTHER)) == (422, "invalid-order")
    assert kind(send("{}", customer=OTHER)) == (422, "invalid-order")


def test_anothers_order_looks_as_if_there_were_none(orders, states):
    order_id = place(customer=CUSTOMER_ID).body["order_id"]

    for ask in (lambda an_id: get(f"/orders/{an_id}", customer=OTHER), lambda an_id: cancel(an_id, customer=OTHER)):
        theirs, nobodys = ask(order_id), ask("o-unknown")
        assert (theirs.status, theirs.headers, theirs.body) == (404, nobodys.headers, nobodys.body)
    assert states.scan()["Count"] == 0


def test_anothers_list_looks_as_if_it_were_empty(orders):
    place(customer=CUSTOMER_ID)

    assert get("/orders", {"customer_id": CUSTOMER_ID}, customer=OTHER).body == {"orders": [], "cursor": None}
    assert get("/orders", {"customer_id": CUSTOMER_ID, "limit": "0"}, customer=OTHER).status == 400


@pytest.mark.parametrize("customer", [None, "", {}, [], "ada", {"customer_id": 7}, {"customer_id": None}])
def test_an_order_that_belongs_to_nobody_is_no_customers(customer, orders):
    orders.put_item(Item=an_order(customer_id=OTHER) | {"customer": customer})

    assert kind(get("/orders/order-1", customer=OTHER)) == (404, "not-found")


def test_an_order_is_its_customers_also_when_others_put_it_there(orders):
    orders.put_item(Item=an_order())

    assert get("/orders/order-1", customer=CUSTOMER_ID).status == 200
    assert get("/orders/order-1", customer=OTHER).status == 404


AUTHORIZERS: list[Any] = [
    None,
    {},
    {"jwt": None},
    {"jwt": {"claims": {}}},
    {"jwt": {"claims": {"sub": ""}}},
    {"jwt": {"claims": {"sub": 7}}},
    {"iam": {"userArn": "arn"}},
]


@pytest.mark.parametrize("authorizer", AUTHORIZERS)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/orders"), ("GET", "/orders"), ("GET", "/orders/order-1"), ("POST", "/orders/order-1/cancel")],
)
def test_a_token_that_says_no_customer_opens_nothing(method, path, authorizer, orders):
    orders.put_item(Item=an_order(customer={"customer_id": "", "email": EMAIL}))
    event = an_event(method, path)
    event["requestContext"]["authorizer"] = authorizer

    assert kind(call(event)) == (403, "forbidden")


def test_the_shop_sees_and_cancels_every_order(orders, monkeypatch):
    monkeypatch.setenv("CALLERS", "shop")
    order_id = place().body["order_id"]

    assert get(f"/orders/{order_id}").status == 200
    assert len(get("/orders", {"customer_id": CUSTOMER_ID}).body["orders"]) == 1
    assert cancel(order_id).status == 200
