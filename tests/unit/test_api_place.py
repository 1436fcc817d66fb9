"""Orders through the API: placed once, whatever is repeated, races or dies."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from aws import clients, logger
from orders.order_id import is_order_id
from tests.unit.builders import CUSTOMER_ID, EMAIL, SHIP_TO
from tests.unit.calling import ORDER_ID, a_wish, get, kind, place, send, violations
from tests.unit.faults import fails, just_after, just_before
from validate import app as validate

# ── Once ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_placed_at_the_catalogues_prices(orders, item, sells):
    sells("TEA", unit_price=450)
    before = datetime.now(UTC)

    answer = place()

    placed_at = answer.body["placed_at"]
    assert answer.status == 201
    assert answer.body == {
        "order_id": ORDER_ID,
        "status": "PLACED",
        "decision": None,
        "lines": [{"sku": "TEA", "quantity": 2, "unit_price": 450}],
        "total": 900,
        "currency": "EUR",
        "placed_at": placed_at,
        "history": {"PLACED": placed_at},
    }
    assert abs((datetime.fromisoformat(placed_at) - before).total_seconds()) < 60
    assert (len(placed_at), placed_at[-5], placed_at[-1]) == (24, ".", "Z")
    assert item() == {
        "order_id": ORDER_ID,
        "customer": {"customer_id": CUSTOMER_ID, "email": EMAIL},
        "customer_id": CUSTOMER_ID,
        "currency": "EUR",
        "lines": [{"sku": "TEA", "quantity": Decimal(2), "unit_price": Decimal(450)}],
        "total": Decimal(900),
        "payment_method": "pm_card_visa",
        "ship_to": SHIP_TO,
        "placed_at": placed_at,
        "schema_version": Decimal(1),
    }


def test_an_order_need_not_say_where_it_is_shipped_to(orders, item, sells):
    sells("TEA")
    wish = a_wish()
    del wish["ship_to"]

    assert place(wish).status == place(wish).status == 201
    assert "ship_to" not in item()
    assert kind(place(a_wish())) == (422, "key-reused")


def test_the_answer_says_where_the_order_is(orders, sells):
    sells("TEA")

    location = place().headers["Location"]

    assert location == f"/orders/{ORDER_ID}"
    assert get(location).body["order_id"] == ORDER_ID


def test_the_pipeline_accepts_what_was_placed_here(orders, stack, sells):
    sells("TEA")
    place()
    stack.run_as("ValidateFunction")

    assert validate.handler({"order_id": ORDER_ID, "approved": ""}, None)["amount"] == 900


def test_a_placed_order_is_logged_once_and_by_its_id_alone(orders, sells, log, caplog):
    sells("TEA")
    place()
    place()
    assert [(line["message"], line["order_id"]) for line in log()] == [("order placed", ORDER_ID)]

    caplog.set_level("DEBUG", logger=logger.name)
    place()
    assert [line["message"] for line in log()] == ["order placed", "order was placed already"]


def test_ids_are_a_customers_own(orders, sells):
    sells("TEA")
    other = a_wish(customer={"customer_id": "customer-2", "email": EMAIL})

    ids = {place().body["order_id"], place(other).body["order_id"], place(key="key-2").body["order_id"]}

    assert len(ids) == 3
    assert all(is_order_id(order_id) for order_id in ids)


# ── Again ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_repeated_key_answers_the_same_order(orders, sells):
    sells("TEA")
    first, again = place(), place()

    assert (again.status, again.body) == (201, first.body)
    assert again.headers == first.headers | {"Idempotent-Replayed": "true"}
    assert orders.scan()["Count"] == 1


def test_a_repetition_answers_the_same_when_the_order_is_long_decided(orders, sells, stack):
    sells("TEA")
    first = place()
    state = {"order_id": ORDER_ID, "status": "CONFIRMED", "history": {}, "decision": {"outcome": "CONFIRMED"}}
    stack.table("OrderStatesTable").put_item(Item=state)

    assert place().body == first.body


@pytest.mark.parametrize(
    "product",
    [{"unit_price": 500}, {"currency": "USD"}, {"pk": "SKU#COFFEE"}, {"unit_price": "a mistake of ours"}],
    ids=["another price", "another currency", "another SKU", "malformed"],
)
def test_a_repetition_answers_the_same_whatever_the_catalogue_has_become(product, orders, sells, stack):
    sells("TEA")
    first = place()
    stack.table("InventoryTable").delete_item(Key={"pk": "SKU#TEA", "sk": "STOCK"})
    sells("TEA", **product)

    again = place()

    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"


OTHERS = {
    "another address": {"customer": {"customer_id": CUSTOMER_ID, "email": "ada@work.example"}},
    "another quantity": {"lines": [{"sku": "TEA", "quantity": 3}]},
    "another SKU": {"lines": [{"sku": "POT", "quantity": 2}]},
    "one line more": {"lines": [{"sku": "TEA", "quantity": 2}, {"sku": "POT", "quantity": 1}]},
    "another payment method": {"payment_method": "pm_card_mastercard"},
    "another place to ship it to": {"ship_to": "1 Elsewhere Street"},
    "what nobody sells": {"lines": [{"sku": "GHOST", "quantity": 2}]},
    "another currency": {"currency": "USD"},
    "nonsense": {"lines": "TEA"},
    "a number that only looks the same": {"lines": [{"sku": "TEA", "quantity": 2.0}]},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_another_order_under_the_same_key_is_refused(changes, orders, item, sells):
    sells("TEA")
    sells("POT")
    place()
    before = item()

    assert kind(place(a_wish(**changes))) == (422, "key-reused")
    assert item() == before


def test_the_same_lines_in_another_order_are_another_order(orders, sells):
    sells("TEA")
    sells("POT")
    lines = [{"sku": "TEA", "quantity": 1}, {"sku": "POT", "quantity": 1}]
    place(a_wish(lines=lines))

    assert kind(place(a_wish(lines=lines[::-1]))) == (422, "key-reused")


def test_the_same_order_written_differently_is_the_same_order(orders, sells):
    sells("TEA")
    first = place()
    backwards = json.dumps(dict(reversed(a_wish().items())), indent=4)

    assert send(backwards).body == first.body


def test_an_order_that_others_put_there_is_never_taken_for_ours(orders, sells):
    sells("TEA")
    orders.put_item(Item={"order_id": ORDER_ID, "lines": "nonsense"})

    assert kind(place()) == (422, "key-reused")


def test_an_order_that_was_refused_may_be_placed_under_the_same_key(orders, sells):
    assert violations(place()) == ["lines[0].sku: is not in the catalogue"]
    sells("TEA")

    assert place().status == 201


# ── Races and accidents ─────────────────────────────────────────────────────────────────────────────────────────────


def test_of_two_at_the_same_time_one_is_placed_and_both_answer_it(orders, sells, log):
    sells("TEA")
    answers = []

    with just_before(clients.dynamodb(), "put_item", lambda: answers.append(place())):
        answers.append(place())

    first, second = answers
    assert (first.status, second.status) == (201, 201)
    assert first.body == second.body
    assert ["Idempotent-Replayed" in answer.headers for answer in answers] == [False, True]
    assert [line["message"] for line in log()] == ["order placed"]


def test_of_two_at_the_same_time_that_see_different_prices_both_answer_what_was_written(orders, sells):
    sells("TEA", unit_price=450)
    answers = []

    def the_price_changes_and_another_is_first() -> None:
        sells("TEA", unit_price=500)
        answers.append(place())

    with just_before(clients.dynamodb(), "put_item", the_price_changes_and_another_is_first):
        answers.append(place())

    assert [answer.body["total"] for answer in answers] == [1000, 1000]


def test_of_two_different_ones_at_the_same_time_the_second_is_refused(orders, item, sells):
    sells("TEA")
    other = a_wish(lines=[{"sku": "TEA", "quantity": 3}])

    with just_before(clients.dynamodb(), "put_item", lambda: place(other)):
        assert kind(place()) == (422, "key-reused")

    assert item()["lines"][0]["quantity"] == 3


def test_the_condition_is_in_the_write(orders, sells):
    sells("TEA")
    with patch.object(clients.dynamodb(), "put_item", wraps=clients.dynamodb().put_item) as write:
        place()

    assert write.call_args.kwargs["ConditionExpression"] == "attribute_not_exists(order_id)"


def test_a_lost_answer_of_the_write_is_no_lost_order(orders, sells):
    sells("TEA")

    def the_line_breaks() -> None:
        raise ReadTimeoutError(endpoint_url=f"https://dynamodb/?{EMAIL}")

    with just_after(clients.dynamodb(), "put_item", the_line_breaks):
        lost = place()

    again = place()
    assert kind(lost) == (503, "unavailable")
    assert again.status == 201
    assert again.headers["Idempotent-Replayed"] == "true"
    assert orders.scan()["Count"] == 1


def test_an_order_that_was_placed_is_looked_for_consistently(orders, sells, stack):
    sells("TEA")
    place()
    stack.table("InventoryTable").delete_item(Key={"pk": "SKU#TEA", "sk": "STOCK"})

    with patch.object(clients.dynamodb(), "get_item", wraps=clients.dynamodb().get_item) as read:
        place()

    assert read.call_args.kwargs["ConsistentRead"] is True


@pytest.mark.parametrize("call", ["put_item", "batch_get_item"])
@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ThrottlingException", "Message": f"slow down, {EMAIL}"}}, "Any"),
        ReadTimeoutError(endpoint_url=f"https://dynamodb/{EMAIL}"),
        TimeoutError(EMAIL),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_database_that_is_away_says_when_to_come_again_and_is_logged_by_the_errors_type(
    call, error, orders, sells, log
):
    sells("TEA")
    with fails(clients.dynamodb(), call, error):
        answer = place()

    assert kind(answer) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert [(line["level"], line["message"], line["error"]) for line in log()] == [
        ("WARNING", "unavailable", type(error).__name__)
    ]
    assert orders.scan()["Count"] == 0


def test_a_catalogue_that_is_wrong_refuses_no_order_for_good(orders, sells, log):
    sells("TEA", unit_price="a mistake of ours")

    assert kind(place()) == (503, "unavailable")
    assert [line["error"] for line in log()] == ["Unrecoverable"]


def test_what_nobody_foresaw_is_answered_and_logged_by_its_type(orders, sells, log):
    sells("TEA")
    with fails(clients.dynamodb(), "put_item", ValueError(EMAIL)):
        answer = place()

    assert kind(answer) == (500, "unforeseen")
    assert EMAIL not in json.dumps(answer.body)
    assert [(line["level"], line["message"], line["error"]) for line in log()] == [
        ("ERROR", "unforeseen", "ValueError")
    ]
