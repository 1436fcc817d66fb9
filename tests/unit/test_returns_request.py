"""A customer asks to send something back: what is taken, what is refused, and what is answered."""

import json
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from aws import clients, logger
from orders import iso_8601
from orders.order_id import return_for_key
from returns import app
from returns.http import MAX_RETURNS
from tests.unit.builders import CUSTOMER_ID, EMAIL, an_order
from tests.unit.bus import Bus
from tests.unit.calling import Answer, an_event, call, kind
from tests.unit.faults import fails
from tests.unit.returning import KEY, RETURN, TEA, ask, deliver, left, on_the_list, one, send, stands
from tests.unit.shipping import DAY, POT, a_return, everything
from tests.unit.stack import template_of
from tests.unit.sweeping import MINUTE, OPENED

NOW = iso_8601(OPENED)
POTS = {"sku": "POT", "quantity": 1}


@pytest.fixture
def parameters() -> dict[str, str]:
    return {"ReturnExpiryDays": "1.5"}


@pytest.fixture
def bus(stack: Any, clock: Any) -> Bus:
    deliver(stack)
    return Bus()


def violations(answer: Answer) -> list[str]:
    assert kind(answer) == (422, "invalid-return")
    return list(answer.body["violations"])


# ── Taken ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_customer_sends_back_is_off_what_is_left_at_its_price(bus, stack):
    answer = ask(POTS, TEA)

    assert answer.status == 201
    assert answer.body == {
        "return_id": RETURN,
        "status": "REQUESTED",
        "lines": [{"sku": "POT", "quantity": 1}, {"sku": "TEA", "quantity": 1}],
        "amount": 2900 + 450,
        "currency": "EUR",
        "requested_at": NOW,
    }
    assert (left(stack), stands(stack)["open"]) == ({"TEA": 1, "POT": 0}, 1)
    assert one(stack) == {
        "status": "REQUESTED",
        "units": {"POT": Decimal(1), "TEA": Decimal(1)},
        "amount": Decimal(3350),
        "requested_at": NOW,
        "expires_at": Decimal(OPENED + DAY + DAY // 2),
    }


@pytest.mark.parametrize(("quantity", "amount"), [(1, 450), (2, 900)])
def test_a_return_is_worth_what_its_units_were_sold_for(quantity, amount, bus, stack):
    """Whatever the order says they cost by now."""
    dearer = [TEA | {"quantity": 2, "unit_price": 9_000}]
    stack.table("OrdersTable").put_item(Item=an_order(lines=dearer))

    assert ask(TEA | {"quantity": quantity}).body["amount"] == amount


def test_it_is_on_the_list_and_on_the_bus(bus, stack):
    ask()

    assert on_the_list(stack) == {
        "order_id": f"order-1/{RETURN}",
        "return_id": RETURN,
        "what": "ReturnRequested",
        "occurred_at": NOW,
        "sweeps": Decimal(0),
        "sweep_at": Decimal(OPENED + MINUTE),
    }
    [entry] = bus.taken
    assert entry["DetailType"] == "ReturnRequested"
    assert bus.details == [
        {
            "version": 1,
            "event_id": f"order-1:returnrequested:{RETURN}",
            "order_id": "order-1",
            "occurred_at": NOW,
            "return_id": RETURN,
        }
    ]


def test_the_sweep_comes_to_it_after_this_invocation_has_ended(bus, stack):
    """Else it could find nothing to return, and take it off the list while it is being written."""
    ask()

    seconds = template_of("ReturnsFunction")["Resources"]["ReturnsFunction"]["Properties"]["Timeout"]
    assert on_the_list(stack)["sweep_at"] - OPENED > seconds


def test_an_order_comes_back_in_as_many_returns_as_it_has_units(bus, stack):
    answers = [ask(TEA, key="1"), ask(TEA, key="2"), ask(POTS, key="3"), ask(TEA, key="4")]

    assert [answer.status for answer in answers] == [201, 201, 201, 422]
    assert (
        sum(answer.body["amount"] for answer in answers[:3])
        == an_order(lines=[TEA | {"quantity": 2, "unit_price": 450}, POT])["total"]
    )
    assert (left(stack), stands(stack)["open"]) == ({"TEA": 0, "POT": 0}, 3)


def test_a_return_is_logged_once_and_by_its_ids_alone(bus, log, caplog):
    ask()
    ask()
    assert [(line["message"], line["order_id"], line["return_id"]) for line in log()] == [
        ("return requested", "order-1", RETURN)
    ]

    caplog.set_level("DEBUG", logger=logger.name)
    ask()
    assert "return was requested already" in [line["message"] for line in log()]


# ── Again ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_repeated_key_answers_the_same_return_and_takes_nothing_more(bus, stack):
    first = ask()
    before = everything(stack)
    again = ask()

    assert (again.status, again.body) == (201, first.body)
    assert again.headers == first.headers | {"Idempotent-Replayed": "true"}
    assert everything(stack) == before
    assert len(bus.taken) == 1


def test_a_repetition_is_answered_as_the_return_stands_by_then(stack, clock):
    returns = {RETURN: a_return(status="REFUNDED", tracking="SIM-1", refunded_at="2026-01-20T12:00:00.000+00:00")}
    deliver(stack, closed="2026-01-20T12:00:00.000+00:00", returns=returns, left={"TEA": 0, "POT": 0})
    clock.now += 100 * DAY
    answer = ask()

    assert (answer.status, answer.body["status"], answer.body["amount"]) == (201, "REFUNDED", 450)
    assert on_the_list(stack) is None


def test_the_same_lines_in_another_sequence_are_the_same_return(bus):
    first = ask(TEA, POTS)

    assert ask(POTS, TEA).body == first.body


@pytest.mark.parametrize("lines", [[TEA | {"quantity": 2}], [POTS], [TEA, POTS], [{"sku": "GHOST", "quantity": 1}]])
def test_another_return_under_the_same_key_is_refused(lines, bus, stack):
    ask()
    before = everything(stack)

    assert kind(ask(*lines)) == (422, "key-reused")
    assert everything(stack) == before


def test_a_key_names_a_return_of_one_order(bus):
    assert return_for_key("order-1", KEY) == RETURN
    assert len({RETURN, return_for_key("order-2", KEY), return_for_key("order-1", "another")}) == 3


def test_a_return_that_was_refused_may_be_asked_for_under_the_same_key(bus, stack):
    assert kind(ask(TEA | {"quantity": 3})) == (422, "invalid-return")

    assert ask(TEA).status == 201


# ── Refused ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order_id", ["order-2", "%", "☕", "o" * 129, "order-1%20", "a%2Fb"])
def test_what_is_no_order_is_not_found(order_id, bus, stack):
    assert kind(ask(order_id=order_id)) == (404, "not-found")
    assert stack.table("ReturnsTable").scan()["Count"] == 1


def test_an_order_with_a_number_sign_in_its_id_may_come_back(stack, clock):
    deliver(stack)
    stack.table("OrdersTable").put_item(Item=an_order(order_id="o#1"))
    stack.table("ReturnsTable").put_item(Item=stands(stack) | {"order_id": "o#1"})

    assert ask(order_id="o#1").status == 201


def test_an_order_that_was_deleted_is_nobodys(bus, stack):
    stack.table("OrdersTable").delete_item(Key={"order_id": "order-1"})

    assert kind(ask()) == (404, "not-found")


def test_customers_send_back_what_is_theirs_and_nothing_else(bus, stack, monkeypatch):
    monkeypatch.setenv("CALLERS", "customers")
    theirs, nobodys = ask(customer="customer-grace-1906"), ask(customer="customer-grace-1906", order_id="o-unknown")

    assert (theirs.status, theirs.headers, theirs.body) == (404, nobodys.headers, nobodys.body)
    assert one(stack) is None
    assert kind(ask()) == (403, "forbidden")
    assert ask(customer=CUSTOMER_ID).status == 201


@pytest.mark.parametrize("customer", [None, "ada", {"customer_id": 7}])
def test_an_order_that_belongs_to_nobody_is_no_customers(customer, bus, stack, monkeypatch):
    monkeypatch.setenv("CALLERS", "customers")
    stack.table("OrdersTable").put_item(Item=an_order(customer=customer))

    assert kind(ask(customer=CUSTOMER_ID)) == (404, "not-found")


@pytest.mark.parametrize("status", ["CONFIRMED", "SHIPPING", "CANCELLED", "REJECTED", None])
def test_what_is_not_delivered_cannot_come_back(status, bus, stack):
    stack.table("ReturnsTable").delete_item(Key={"order_id": "order-1"})
    if status:
        stack.table("OrderStatesTable").update_item(
            Key={"order_id": "order-1"},
            UpdateExpression="SET #status = :status",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":status": status},
        )
    else:
        stack.table("OrderStatesTable").delete_item(Key={"order_id": "order-1"})

    answer = ask()

    assert kind(answer) == (409, "not-delivered")
    assert answer.body["order_status"] == (status or "PLACED")
    assert on_the_list(stack) is None


@pytest.mark.parametrize(
    ("moment", "answered"),
    [(-1, (201, "")), (0, (409, "returns-closed")), (DAY, (409, "returns-closed"))],
    ids=["a second before", "at the end", "a day later"],
)
def test_a_return_may_be_asked_for_until_the_time_is_over(moment, answered, stack, clock):
    deliver(stack, until=iso_8601(OPENED + DAY))
    clock.now += DAY + moment

    assert kind(ask()) == answered
    assert (on_the_list(stack) is None) == (answered[0] == 409)


def test_nothing_comes_back_of_what_is_closed(stack, clock):
    deliver(stack, closed=NOW)

    assert kind(ask()) == (409, "returns-closed")
    assert on_the_list(stack) is None


def test_an_order_has_only_so_many_returns(stack, clock):
    many = {f"r-{number}": a_return(status="EXPIRED") for number in range(MAX_RETURNS - 1)}
    deliver(stack, returns=many)

    assert ask(key="the last").status == 201
    assert kind(ask(key="one more")) == (409, "returns-closed")
    assert ask(key="the last").status == 201


WRONG: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "more than is left": ([TEA | {"quantity": 3}], ["lines[0].quantity: is more than is left"]),
    "more of one": ([POTS, TEA | {"quantity": 3}], ["lines[1].quantity: is more than is left"]),
    "what was not bought": ([TEA, {"sku": "GHOST", "quantity": 1}], ["lines[1].sku: was not in the order"]),
    "a SKU twice": ([TEA, TEA], ["lines[1].sku: appears in an earlier line"]),
}


@pytest.mark.parametrize(("lines", "wrong"), WRONG.values(), ids=WRONG)
def test_a_return_is_refused_for_what_is_wrong_with_it(lines, wrong, bus, stack):
    before = everything(stack)

    assert violations(ask(*lines)) == wrong
    assert everything(stack) == before
    assert bus.taken == []


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({}, ["lines"]),
        ({"lines": []}, ["lines"]),
        ({"lines": [TEA] * 51}, ["lines"]),
        ({"lines": [{"sku": "TEA", "quantity": 0}]}, ["lines[0].quantity"]),
        ({"lines": [{"sku": "TEA", "quantity": 1.0}]}, ["lines[0].quantity"]),
        ({"lines": [{"sku": "TEA", "quantity": True}]}, ["lines[0].quantity"]),
        ({"lines": [{"sku": "TEA"}]}, ["lines[0].quantity"]),
        ({"lines": [TEA | {"unit_price": 9_000}]}, ["lines[0].unit_price"]),
        ({"lines": [TEA], "amount": 9_000}, ["amount"]),
        ([], ["return"]),
    ],
)
def test_a_body_that_is_no_return_is_refused_for_all_that_is_wrong(body, places, bus):
    assert [violation.partition(":")[0] for violation in violations(send(json.dumps(body)))] == places


def test_no_value_of_a_refused_return_is_quoted(bus):
    assert EMAIL not in str(ask({"sku": EMAIL, "quantity": 1}).body)


@pytest.mark.parametrize("key", [None, "", "k" * 129, "schlüssel"])
def test_a_return_without_a_proper_key_is_refused(key, bus, stack):
    assert kind(ask(key=key)) == (400, "malformed-request")
    assert stands(stack)["open"] == 0


def test_what_is_no_json_is_refused(bus):
    assert kind(send("{")) == (400, "malformed-request")
    assert kind(send("{}", headers={"content-type": "text/plain"})) == (415, "unsupported-media-type")
    assert kind(send("[" * 100_000)) == (413, "body-too-large")


@pytest.mark.parametrize("currency", [None, 7])
def test_a_currency_that_is_not_readable_is_null(currency, bus, stack):
    stack.table("OrdersTable").put_item(Item=an_order(currency=currency))

    assert ask().body["currency"] is None


# ── When something is away ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("request_to", ["batch_get_item", "put_item", "update_item"])
def test_a_database_that_is_away_says_when_to_come_again(request_to, bus, stack):
    with fails(clients.dynamodb(), request_to, ReadTimeoutError(endpoint_url=f"https://dynamodb/{EMAIL}")):
        answer = ask()

    assert kind(answer) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert (stands(stack)["open"], bus.taken) == (0, [])
    assert ask().status == 201


@pytest.mark.parametrize(("method", "path"), [("GET", "/orders/order-1/returns"), ("POST", "/orders"), ("POST", "/")])
def test_what_there_is_not_is_not_found(method, path, bus):
    assert kind(call(an_event(method, path), app.handler)) == (404, "not-found")
