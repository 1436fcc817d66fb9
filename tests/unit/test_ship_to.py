"""Where an order is shipped to: an address that an order may have, and that only the carrier sees."""

import json

import pytest

from orders import rules
from orders.errors import OrderInvalid
from orders.rules import Product
from tests.unit.builders import SHIP_TO, an_order
from tests.unit.calling import a_wish, cancel, follow, get, place

CATALOGUE = {"TEA": Product(450, "EUR")}
NO_ADDRESSES = ["", "x" * 501, 12, None, ["12 St James's Square"]]


@pytest.mark.parametrize("ship_to", ["x", "x" * 500, "☕ 12\n\nLondon"])
def test_an_address_is_any_text_of_up_to_five_hundred_characters(ship_to):
    assert rules.accept(an_order(ship_to=ship_to), CATALOGUE).ship_to == ship_to
    assert rules.accept_new(a_wish(ship_to=ship_to), CATALOGUE).ship_to == ship_to


@pytest.mark.parametrize("ship_to", NO_ADDRESSES)
def test_an_address_that_no_label_takes_is_refused_before_anything_is_paid(ship_to):
    with pytest.raises(OrderInvalid) as refused:
        rules.accept(an_order(ship_to=ship_to), CATALOGUE)

    [violation] = refused.value.violations
    assert violation.startswith("ship_to: ")
    assert not rules.is_what_was_asked_for(an_order(ship_to=ship_to), a_wish())


def test_an_order_without_an_address_is_what_was_asked_for_without_one_and_no_other():
    item, wanted = an_order(), a_wish()
    del item["ship_to"], wanted["ship_to"]

    assert rules.accept(item, CATALOGUE)
    assert rules.is_what_was_asked_for(item, wanted)
    assert not rules.is_what_was_asked_for(item, a_wish())
    assert not rules.is_what_was_asked_for(an_order(), wanted)


def test_no_answer_says_where_an_order_is_shipped_to(orders, sells):
    sells("TEA")
    placed = place()
    order_id = placed.body["order_id"]
    orders_of = get("/orders", {"customer_id": a_wish()["customer"]["customer_id"]})

    said = [placed.body, place().body, follow(order_id), orders_of.body, cancel(order_id).body]
    assert [line for line in SHIP_TO.splitlines() if line in json.dumps(said)] == []


def test_no_refusal_quotes_an_address(orders, sells):
    sells("TEA")

    assert "Square" not in json.dumps(place(a_wish(ship_to=f"{SHIP_TO}{'x' * 500}")).body)
