"""What a client sends to place an order: the key, the body, the content."""

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.builders import EMAIL, HUGE, an_order
from tests.unit.calling import KEY, ORDER_ID, a_wish, kind, place, send, violations

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
    "nowhere to ship it to": ({"ship_to": ""}, ["ship_to"]),
    "no text for an address": ({"ship_to": None}, ["ship_to"]),
    "too long an address": ({"ship_to": "x" * 501}, ["ship_to"]),
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
