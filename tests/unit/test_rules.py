import json
import traceback
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orders import rules
from orders.errors import OrderInvalid
from orders.money import MAX_AMOUNT
from orders.rules import Product
from tests.unit.builders import HUGE, a_line, an_order

CATALOGUE = {"TEA": Product(450, "EUR"), "POT": Product(2900, "EUR"), "RICE": Product(450, "JPY")}


def violations(item: Mapping[str, Any], catalogue: Mapping[str, Product] = CATALOGUE) -> list[str]:
    with pytest.raises(OrderInvalid) as refused:
        rules.accept(item, catalogue)
    assert json.loads(str(refused.value)) == refused.value.violations
    return refused.value.violations


def places(item: Mapping[str, Any], catalogue: Mapping[str, Product] = CATALOGUE) -> list[str]:
    """Where an order is wrong, in the order in which it is reported."""
    return [violation.partition(": ")[0] for violation in violations(item, catalogue)]


def test_an_order_at_the_catalogues_prices_is_accepted():
    order = rules.accept(an_order(lines=[a_line(), a_line(sku="POT", quantity=1, unit_price=2900)]), CATALOGUE)

    assert order.total == 2 * 450 + 2900


def test_numbers_are_accepted_as_dynamodb_returns_them():
    lines = [a_line(quantity=Decimal(2), unit_price=Decimal("4.5E+2"))]
    order = rules.accept(an_order(lines=lines, total=Decimal("900.0"), schema_version=Decimal(1)), CATALOGUE)

    assert (order.total, order.lines[0].quantity) == (900, 2)
    assert type(order.total) is int


def test_attributes_that_are_not_ours_are_let_through():
    assert rules.accept(an_order(channel="app", lines=[a_line(note="a gift")]), CATALOGUE)


BAD_AMOUNTS = {
    "nothing": 0,
    "negative": -900,
    "huge": MAX_AMOUNT + 1,
    "beyond any integer": Decimal("9E+125"),
    "a fraction": Decimal("900.5"),
    "text": "900",
    "true": True,
    "not a number": Decimal("NaN"),
    "a signalling not-a-number": Decimal("sNaN"),
    "infinite": Decimal("Infinity"),
    "null": None,
    "a list": [900],
    "bytes": b"900",
}


@pytest.mark.parametrize("amount", BAD_AMOUNTS.values(), ids=BAD_AMOUNTS.keys())
def test_a_total_that_is_no_amount_is_refused(amount):
    assert places(an_order() | {"total": amount}) == ["total"]


@pytest.mark.parametrize("amount", BAD_AMOUNTS.values(), ids=BAD_AMOUNTS.keys())
def test_a_price_that_is_no_amount_is_refused(amount):
    assert places(an_order() | {"lines": [a_line(unit_price=amount)]}) == ["lines[0].unit_price"]


@pytest.mark.parametrize("quantity", [0, -1, 1001, Decimal("1.5"), Decimal("NaN"), "2", True, None])
def test_a_quantity_that_is_none_is_refused(quantity):
    assert places(an_order() | {"lines": [a_line(quantity=quantity)]}) == ["lines[0].quantity"]


BAD_ITEMS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an order for nothing": ({"lines": [], "total": 0}, ["lines", "total"]),
    "lines that are none": ({"lines": "TEA"}, ["lines"]),
    "a set of lines": ({"lines": {"TEA"}}, ["lines[0]"]),
    "a line that is none": ({"lines": [a_line(), "TEA"]}, ["lines[1]"]),
    "a line of nothing": ({"lines": [{}]}, ["lines[0].sku", "lines[0].quantity", "lines[0].unit_price"]),
    "the same SKU twice": ({"lines": [a_line(quantity=1), a_line(quantity=1)]}, ["lines[1].sku"]),
    "an unknown SKU": ({"lines": [a_line(sku="GHOST")]}, ["lines[0].sku"]),
    "a SKU that is none": ({"lines": [a_line(sku="T E A")]}, ["lines[0].sku"]),
    "a price of our own": ({"lines": [a_line(unit_price=449)], "total": 898}, ["lines[0].unit_price"]),
    "a wrong total": ({"total": 899}, ["total"]),
    "an unknown currency": ({"currency": "XXX"}, ["currency", "currency"]),
    "a currency in small letters": ({"currency": "eur"}, ["currency", "currency"]),
    "a currency and a half": ({"currency": "EUR\n"}, ["currency", "currency"]),
    "two currencies": (
        {"lines": [a_line(), a_line(sku="RICE")], "total": 1800, "currency": "JPY"},
        ["currency"],
    ),
    "no customer": ({"customer": None}, ["customer"]),
    "nobody": ({"customer": {"customer_id": "", "email": ""}}, ["customer.customer_id", "customer.email"]),
    "an address that is none": ({"customer": {"customer_id": "c", "email": "ada@home"}}, ["customer.email"]),
    "two addresses": ({"customer": {"customer_id": "c", "email": "a@b.example c@d.example"}}, ["customer.email"]),
    "an address without end": ({"customer": {"customer_id": "c", "email": f"a@{HUGE}.example"}}, ["customer.email"]),
    "an order id in Unicode": ({"order_id": "заказ-1"}, ["order_id"]),
    "an order id that is a query": ({"order_id": 'x" OR status:"y'}, ["order_id"]),
    "a payment method of another kind": ({"payment_method": "tok_visa"}, ["payment_method"]),
    "a card number": ({"payment_method": "4242424242424242"}, ["payment_method"]),
    "yesterday": ({"placed_at": "yesterday"}, ["placed_at"]),
    "a day without time": ({"placed_at": "2026-01-01"}, ["placed_at"]),
    "a time without zone": ({"placed_at": "2026-01-01T09:00:00"}, ["placed_at"]),
    "a time elsewhere": ({"placed_at": "2026-01-01T09:00:00+02:00"}, ["placed_at"]),
    "a time in seconds": ({"placed_at": 1767258000}, ["placed_at"]),
    "a time in seconds, as text": ({"placed_at": "1767258000"}, ["placed_at"]),
    "another version": ({"schema_version": 2}, ["schema_version"]),
    "a version that is true": ({"schema_version": True}, ["schema_version"]),
    "100 KB of text everywhere": (
        {
            "order_id": HUGE,
            "customer": {"customer_id": HUGE, "email": HUGE},
            "currency": HUGE,
            "lines": [a_line(sku=HUGE)],
            "payment_method": HUGE,
            "placed_at": HUGE,
        },
        [
            "order_id",
            "customer.customer_id",
            "customer.email",
            "currency",
            "lines[0].sku",
            "payment_method",
            "placed_at",
        ],
    ),
}


@pytest.mark.parametrize(("changes", "wrong"), BAD_ITEMS.values(), ids=BAD_ITEMS.keys())
def test_a_bad_order_is_refused_for_what_is_wrong_with_it(changes, wrong):
    assert places(an_order() | changes) == wrong


@pytest.mark.parametrize(
    ("price", "currency", "wrong"),
    [
        (30, "EUR", "total: is less than a card can be charged"),
        (999, "MXN", "total: is less than a card can be charged"),
        (49, "JPY", "total: is less than a card can be charged"),
        (10**10, "UGX", "total: is more than a card can be charged"),
        (5124, "KWD", "total: has more decimal places than a card can be charged"),
    ],
)
def test_what_no_card_can_be_charged_is_refused(price, currency, wrong):
    item = an_order(lines=[a_line(quantity=1, unit_price=price)], currency=currency)

    assert violations(item, {"TEA": Product(price, currency)}) == [wrong]


@pytest.mark.parametrize(
    ("price", "currency"), [(50, "EUR"), (1000, "MXN"), (50, "JPY"), (500, "UGX"), (5120, "KWD"), (150_000_000, "IDR")]
)
def test_what_a_card_can_be_charged_is_accepted(price, currency):
    item = an_order(lines=[a_line(quantity=1, unit_price=price)], currency=currency)

    assert rules.accept(item, {"TEA": Product(price, currency)}).total == price


@pytest.mark.parametrize("currency", ["XXX", "BTC", "IQD"])
def test_a_currency_without_cards_is_refused_although_the_catalogue_has_it(currency):
    assert places(an_order(currency=currency), {"TEA": Product(450, currency)}) == ["currency"]


def test_an_empty_item_is_refused_for_everything_that_it_lacks():
    assert sorted(places({})) == sorted(an_order().keys() - {"ship_to"})


def test_an_order_has_at_most_fifty_lines():
    catalogue = {f"SKU-{n}": Product(450, "EUR") for n in range(51)}
    lines = [a_line(sku=sku) for sku in catalogue]

    assert rules.accept(an_order(lines=lines[:50]), catalogue)
    assert places(an_order(lines=lines), catalogue) == ["lines"]


def test_all_of_fifty_lines_are_held_against_the_catalogue():
    lines = [a_line(sku=f"GHOST-{n}") for n in range(50)]

    assert places(an_order(lines=lines)) == [f"lines[{n}].sku" for n in range(50)]


def test_more_violations_than_a_person_reads_are_counted():
    said = violations(an_order() | {"lines": [{} for _ in range(50)]})

    assert len(said) == rules.MAX_VIOLATIONS + 1
    assert said[-1] == f"and {150 - rules.MAX_VIOLATIONS} more"


def test_the_longest_refusal_fits_into_an_error_of_step_functions():
    lines = [a_line(sku="~" * 64, quantity=0, unit_price="x", note=HUGE) for _ in range(50)]
    with pytest.raises(OrderInvalid) as refused:
        rules.accept(dict.fromkeys(an_order(), HUGE) | {"lines": lines}, CATALOGUE)

    trace = traceback.format_exception(refused.value)
    cause = json.dumps({"errorMessage": str(refused.value), "errorType": "OrderInvalid", "stackTrace": trace})
    assert len(cause) < 32_768 / 2  # the trace quotes the message again, and a longer path than ours


def test_more_lines_than_an_order_may_have_are_not_looked_up():
    item = an_order(lines=[a_line(sku=f"SKU-{n}") for n in range(51)])

    assert rules.skus_of(item) == set()
    assert places(item, {}) == ["lines"]


def test_every_violation_is_reported_and_not_only_the_first():
    lines = [a_line(unit_price=1), a_line(sku="GHOST"), a_line(unit_price=2), a_line(sku="POT", quantity=0)]
    item = an_order(lines=lines, currency="USD", payment_method="cash", total=0)

    assert places(item) == [
        "lines[3].quantity",
        "total",
        "payment_method",
        "lines[0].unit_price",
        "lines[1].sku",
        "lines[2].sku",
        "lines[2].unit_price",
        "currency",
    ]


def test_a_wrong_total_is_reported_beside_what_else_is_wrong():
    item = an_order(customer=None, currency="USD", total=1)

    assert places(item) == ["customer", "currency", "total"]


def test_nothing_of_the_order_is_quoted_also_not_by_the_errors_behind_the_error():
    with pytest.raises(OrderInvalid) as refused:
        rules.accept(an_order(payment_method="4242424242424242"), CATALOGUE)

    assert "4242" not in str(refused.value)
    assert refused.value.__context__ is None


PLANTED = "planted-5150"

TEXTS = st.sampled_from([PLANTED, f"pm_{PLANTED}", f"{PLANTED}@home.example", f"2026-{PLANTED}", f"☃{PLANTED}" * 9, ""])

SCALARS = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(),
    st.just(PLANTED.encode()),
    st.sets(TEXTS, min_size=1),
    st.sets(st.integers(), min_size=1),
)

GARBAGE = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4))


def partly_garbage(good: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The good mapping with some of its values replaced, and some left out."""
    return st.fixed_dictionaries({}, optional={name: st.just(value) | GARBAGE for name, value in good.items()})


ITEMS = partly_garbage(an_order()) | st.builds(
    lambda item, customer, lines: item | {"customer": customer, "lines": lines},
    partly_garbage(an_order()),
    partly_garbage(an_order()["customer"]),
    st.lists(partly_garbage(a_line()), max_size=3),
)


@given(item=ITEMS)
@settings(max_examples=100)
def test_whatever_the_item_holds_it_is_accepted_or_refused_without_quoting_it(item):
    rules.skus_of(item)
    try:
        rules.accept(item, CATALOGUE)
    except OrderInvalid as refused:
        said = str(refused)
    else:
        said = ""

    assert PLANTED not in said


SKUS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)


@st.composite
def valid_orders(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Product]]:
    """An order, and the catalogue that sells what it asks for."""
    skus = draw(st.lists(SKUS, min_size=1, max_size=8, unique=True))
    catalogue = {sku: Product(draw(st.integers(50, 100_000)), "EUR") for sku in skus}
    lines = [a_line(sku=sku, quantity=draw(st.integers(1, 20)), unit_price=catalogue[sku].unit_price) for sku in skus]
    return an_order(lines=lines), catalogue


@given(valid_orders())
def test_every_valid_order_is_accepted_as_it_is(valid):
    item, catalogue = valid

    assert rules.accept(item, catalogue).model_dump()["lines"] == item["lines"]


@given(valid_orders(), st.integers(-1000, 1000))
def test_a_total_that_is_off_by_anything_is_refused(valid, off_by):
    item, catalogue = valid
    assume(off_by)

    assert places(item | {"total": item["total"] + off_by}, catalogue) == ["total"]


@given(valid_orders(), st.data(), st.integers(1, 200_000))
def test_a_price_that_is_not_the_catalogues_is_refused_also_when_the_total_fits_it(valid, data, price):
    item, catalogue = valid
    position = data.draw(st.integers(0, len(item["lines"]) - 1))
    line = item["lines"][position]
    assume(price != line["unit_price"])
    lines = [*item["lines"][:position], line | {"unit_price": price}, *item["lines"][position + 1 :]]

    assert f"lines[{position}].unit_price" in places(an_order(lines=lines), catalogue)


# ── What a customer asks for ────────────────────────────────────────────────────────────────────────────────────────


def a_wish(**changes: Any) -> dict[str, Any]:
    order = an_order()
    names = ("customer", "currency", "payment_method", "ship_to")
    return {name: order[name] for name in names} | {"lines": [{"sku": "TEA", "quantity": 2}]} | changes


def refused(wanted: Mapping[str, Any], catalogue: Mapping[str, Product] = CATALOGUE) -> list[str]:
    with pytest.raises(OrderInvalid) as error:
        rules.accept_new(wanted, catalogue)
    return error.value.violations


def test_what_a_customer_asks_for_costs_what_the_catalogue_says():
    order = rules.accept_new(a_wish(), CATALOGUE)

    assert rules.total_of(order, CATALOGUE) == 900


@pytest.mark.parametrize(
    ("price", "currency", "wrong"),
    [
        (10, "EUR", "total: is less than a card can be charged"),
        (MAX_AMOUNT, "EUR", "total: is more than a card can be charged"),
        (10**36, "EUR", "total: is more than a card can be charged"),
        (10**10, "UGX", "total: is more than a card can be charged"),
        (5122, "KWD", "total: has more decimal places than a card can be charged"),
    ],
)
def test_a_new_order_that_no_card_can_be_charged_for_is_refused(price, currency, wrong):
    assert refused(a_wish(currency=currency), {"TEA": Product(price, currency)}) == [wrong]


def test_what_has_no_price_is_not_sold_for_nothing():
    assert refused(a_wish(), {"TEA": Product(0, "EUR")}) == ["lines[0].sku: has no price"]


def test_a_new_order_may_cost_as_much_as_a_card_can_be_charged():
    wanted = a_wish(lines=[{"sku": "TEA", "quantity": 1}])

    assert rules.accept_new(wanted, {"TEA": Product(MAX_AMOUNT, "EUR")})


def test_a_new_order_is_refused_for_all_that_is_wrong_with_it():
    lines = [{"sku": "GHOST", "quantity": 1}, {"sku": "POT", "quantity": 0, "unit_price": 1}]

    assert [violation.partition(": ")[0] for violation in refused(a_wish(lines=lines, total=1))] == [
        "lines[1].quantity",
        "lines[1].unit_price",
        "total",
        "lines[0].sku",
    ]


def test_an_item_is_what_was_asked_for_whatever_it_costs():
    assert rules.is_what_was_asked_for(an_order(customer_id="c", lines=[a_line(unit_price=1)]), a_wish())


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        ({"currency": "USD"}, {}),
        ({"lines": "nonsense"}, {"lines": "nonsense"}),
        ({"placed_at": "yesterday"}, {}),
        ({}, {"lines": [{"sku": "TEA", "quantity": True}]}),
        ({}, {"gift": True}),
    ],
)
def test_what_differs_or_is_malformed_was_not_asked_for(item, wanted):
    assert not rules.is_what_was_asked_for(an_order() | item, a_wish(**wanted))
