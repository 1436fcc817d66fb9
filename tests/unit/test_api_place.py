import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aws import clients, logger
from orders.order_id import for_key, is_order_id
from tests.unit.builders import CUSTOMER_ID, EMAIL, HUGE, an_order
from tests.unit.calling import KEY, a_wish, get, kind, place, send
from tests.unit.faults import fails, just_after, just_before
from tests.unit.stack import MotoStack
from validate import app as validate

ORDER_ID = for_key(CUSTOMER_ID, KEY)


@pytest.fixture
def orders(stack: MotoStack) -> Any:
    """The Orders table, and the API's environment."""
    stack.run_as("ApiFunction")
    return stack.table("OrdersTable")


@pytest.fixture
def item(orders: Any) -> Any:
    """The order that was placed under the key, if there is one."""
    return lambda order_id=ORDER_ID: orders.get_item(Key={"order_id": order_id}).get("Item")


def violations(answer: Any) -> list[str]:
    assert kind(answer) == (422, "invalid-order")
    return list(answer.body["violations"])


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
        "placed_at": placed_at,
        "schema_version": Decimal(1),
    }


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


# ── The key ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", [None, "", "   ", "k" * 129, "schlüssel", "a\tb", "a\nb", "a\x00", "\x7f", "\ud800"])
def test_an_order_without_a_proper_key_is_refused(key, orders, sells):
    sells("TEA")

    assert kind(place(key=key)) == (400, "malformed-request")
    assert orders.scan()["Count"] == 0


@pytest.mark.parametrize("key", ["k", "~" * 128, "a, b", "!", '"quoted"', " blanks are not the key's "])
def test_any_printable_ascii_is_a_key(key, orders, sells):
    sells("TEA")

    assert place(key=key).status == 201


@pytest.mark.parametrize("name", ["Idempotency-Key", "IDEMPOTENCY-KEY"])
def test_headers_are_read_in_any_case(name, orders, sells):
    sells("TEA")

    assert place(key=None, headers={name: KEY}).body["order_id"] == ORDER_ID


# ── The body ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind_of", ["text/plain", "", "application/jsonx", "application/json,application/json"])
def test_a_body_that_is_not_said_to_be_json_is_refused(kind_of, orders):
    assert kind(place(headers={"content-type": kind_of})) == (415, "unsupported-media-type")


@pytest.mark.parametrize("kind_of", ["application/json; charset=utf-8", "Application/JSON", " application/json "])
def test_json_may_be_called_so_in_many_ways(kind_of, orders, sells):
    sells("TEA")

    assert place(headers={"content-type": kind_of}).status == 201


def test_a_body_larger_than_any_order_is_refused_before_it_is_read(orders):
    assert kind(send("[" * (64 * 1024 + 1))) == (413, "body-too-large")
    assert kind(send("[" * (64 * 1024))) == (400, "malformed-request")
    assert kind(send("é" * (32 * 1024 + 1))) == (413, "body-too-large")


NO_JSON = {
    "nothing": "",
    "half of it": '{"customer": ',
    "two of them": "{} {}",
    "not a number": '{"total": NaN}',
    "infinity": '{"total": -Infinity}',
    "half a character": '{"currency": "\\ud800"}',
    "half a character, not escaped": '{"currency": "\ud800"}',
    "a control character": '{"currency": "\x01"}',
    "a number without end": '{"total": ' + "1" * 50_000 + "}",
    "nesting without end": "[" * 60_000,
    "a byte order mark": "\ufeff{}",
    "single quotes": "{'a': 1}",
}


@pytest.mark.parametrize("text", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json_is_refused(text, orders):
    assert kind(send(text)) == (400, "malformed-request")


@pytest.mark.parametrize("text", ["null", "true", "[]", '"order"', "1", "1e999"])
def test_json_that_is_no_object_is_no_order(text, orders):
    assert violations(send(text)) == ["order: must be a JSON object"]


def test_a_body_may_come_in_base64(orders, sells):
    sells("TEA")
    encoded = base64.b64encode(json.dumps(a_wish()).encode()).decode()

    assert send(encoded, base64=True).status == 201


@pytest.mark.parametrize("text", ["no base64!", "e30", base64.b64encode(b'{"\xff": 1}').decode(), "\ud800"])
def test_base64_that_holds_no_json_is_refused(text, orders):
    assert kind(send(text, base64=True)) == (400, "malformed-request")


# ── The content ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_everything_that_is_wrong_is_said_at_once_and_nothing_is_stored(orders, sells):
    sells("TEA")
    wish = a_wish(
        lines=[{"sku": "TEA", "quantity": 0}, {"sku": "GHOST", "quantity": 1}],
        currency="EURO",
        customer={"customer_id": "", "email": "ada at home"},
        total=900,
    )

    assert [violation.partition(":")[0] for violation in violations(place(wish))] == [
        "customer.customer_id",
        "customer.email",
        "currency",
        "lines[0].quantity",
        "total",
        "lines[1].sku",
    ]
    assert orders.scan()["Count"] == 0


WRONG = {
    "a price of their own": ({"lines": [{"sku": "TEA", "quantity": 2, "unit_price": 1}]}, ["lines[0].unit_price"]),
    "true for a number": ({"lines": [{"sku": "TEA", "quantity": True}]}, ["lines[0].quantity"]),
    "a float": ({"lines": [{"sku": "TEA", "quantity": 1.0}]}, ["lines[0].quantity"]),
    "a huge number": ({"lines": [{"sku": "TEA", "quantity": 10**4000}]}, ["lines[0].quantity"]),
    "text for a number": ({"lines": [{"sku": "TEA", "quantity": "2"}]}, ["lines[0].quantity"]),
    "a SKU twice": ({"lines": [{"sku": "TEA", "quantity": 1}] * 2}, ["lines[1].sku"]),
    "NUL in a SKU": ({"lines": [{"sku": "TEA\x00", "quantity": 1}]}, ["lines[0].sku"]),
    "no lines": ({"lines": []}, ["lines"]),
    "fifty-one lines": ({"lines": [{"sku": f"S{n}", "quantity": 1} for n in range(51)]}, ["lines"]),
    "lines of anything": ({"lines": [None, 1, "TEA", []]}, ["lines[0]", "lines[1]", "lines[2]", "lines[3]"]),
    "an object for lines": ({"lines": {}}, ["lines"]),
    "nobody": ({"customer": None}, ["customer"]),
    "a number for a customer": ({"customer": {"customer_id": 1, "email": EMAIL}}, ["customer.customer_id"]),
    "too long a customer": ({"customer": {"customer_id": "c" * 129, "email": EMAIL}}, ["customer.customer_id"]),
    "another currency": ({"currency": "USD"}, ["currency"]),
    "a card number": ({"payment_method": "4242424242424242"}, ["payment_method"]),
    "a schema version": ({"schema_version": 1}, ["schema_version"]),
    "an id of their own": ({"order_id": "mine"}, ["order_id"]),
    "too much for a card": ({"lines": [{"sku": "GOLD", "quantity": 1000}]}, ["total"]),
    "too little for a card": ({"lines": [{"sku": "PIN", "quantity": 1}]}, ["total"]),
}


@pytest.mark.parametrize(("changes", "places"), WRONG.values(), ids=WRONG)
def test_an_order_is_refused_for_what_is_wrong_with_it(changes, places, orders, sells):
    sells("TEA")
    sells("GOLD", unit_price=10**12)
    sells("PIN", unit_price=1)

    assert [violation.partition(":")[0] for violation in violations(place(a_wish(**changes)))] == places
    assert orders.scan()["Count"] == 0


def test_of_a_name_that_comes_twice_the_last_one_counts(orders, sells):
    sells("TEA")
    text = json.dumps(a_wish()).replace("{", '{"currency": "USD", ', 1)

    assert send(text).body["currency"] == "EUR"


def test_a_customer_id_may_be_any_text(orders, sells):
    sells("TEA")
    wish = a_wish(customer={"customer_id": "☕\x00" * 64, "email": EMAIL})

    assert place(wish).status == 201


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just(HUGE[:300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(changes=st.dictionaries(st.sampled_from([*a_wish(), "more"]), JSONS))
def test_no_content_is_a_fault_of_ours(changes, orders, sells):
    sells("TEA")

    assert place(a_wish(**changes), key=f"{len(str(changes))}").status in (201, 422)


def test_an_item_from_here_is_as_one_that_others_put(orders, item, sells):
    sells("TEA")
    place()

    assert set(item()) == {*an_order(), "customer_id"}
