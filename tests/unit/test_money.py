from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.money import CURRENCIES, MAX_AMOUNT, format_amount, format_total, minor_units, obstacle

PLACES = {"EUR": 2, "USD": 2, "HUF": 2, "MGA": 2, "JPY": 0, "KRW": 0, "ISK": 0, "UGX": 0, "KWD": 3, "TND": 3}


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        (1999, "EUR", "19.99 EUR"),
        (5, "EUR", "0.05 EUR"),
        (100, "USD", "1.00 USD"),
        (1999, "JPY", "1999 JPY"),
        (1999, "KWD", "1.999 KWD"),
        (5, "BHD", "0.005 BHD"),
        (0, "EUR", "0.00 EUR"),
        (500, "UGX", "500 UGX"),
        (500, "ISK", "500 ISK"),
        (500, "MGA", "5.00 MGA"),
        (MAX_AMOUNT, "EUR", "9999999999.99 EUR"),
    ],
)
def test_an_amount_is_written_in_the_currencys_own_places(amount, currency, written):
    assert format_amount(amount, currency) == written


@given(st.integers(0, MAX_AMOUNT), st.sampled_from(sorted(PLACES)))
def test_what_is_written_is_the_amount_to_the_last_unit(amount, currency):
    number, unit = format_amount(amount, currency).split()

    assert unit == currency
    assert Decimal(number).scaleb(PLACES[currency]) == amount
    assert len(number.partition(".")[2]) == PLACES[currency]


@pytest.mark.parametrize(
    ("smallest", "currency"),
    [
        (50, "USD"),
        (50, "EUR"),
        (30, "GBP"),
        (50, "JPY"),
        (400, "HKD"),
        (1000, "MXN"),
        (1500, "CZK"),
        (17500, "HUF"),
        (1, "UGX"),
        (1, "VND"),
        (10, "KWD"),
        (100, "MGA"),
    ],
)
def test_the_smallest_charge_that_stripe_documents_is_the_smallest(smallest, currency):
    assert obstacle(smallest, currency) is None
    assert obstacle(smallest - 1, currency) in ("amount_too_small", "amount_too_precise")
    assert obstacle(0, currency) == "amount_too_small"


@pytest.mark.parametrize(
    ("largest", "currency"), [(10**12 - 1, "EUR"), (10**12 - 1, "IDR"), (10**10 - 1, "UGX"), (10**10 - 1, "ISK")]
)
def test_a_charge_has_at_most_twelve_digits_as_stripe_counts(largest, currency):
    assert obstacle(largest, currency) is None
    assert obstacle(largest + 1, currency) == "amount_too_large"


@pytest.mark.parametrize(
    ("amount", "currency"), [(5124, "KWD"), (5129, "BHD"), (11, "JOD"), (15, "OMR"), (101, "TND"), (1250, "MGA")]
)
def test_what_cannot_be_charged_to_the_last_unit_is_not_rounded(amount, currency):
    assert obstacle(amount, currency) == "amount_too_precise"


@pytest.mark.parametrize("currency", ["XXX", "XTS", "XAU", "BTC", "eur", "", "EUR\n", "IQD", "LYD"])
def test_a_currency_that_stripe_does_not_charge_cards_in_is_unsupported(currency):
    assert obstacle(900, currency) == "currency_unsupported"


def test_every_currency_can_be_charged_something():
    assert [currency for currency in CURRENCIES if obstacle(200 * minor_units(currency), currency)] == []


@pytest.mark.parametrize("total", [1999, Decimal(1999)])
def test_the_total_of_an_order_is_written_as_an_amount(total):
    assert format_total({"total": total, "currency": "EUR"}) == "19.99 EUR"


@pytest.mark.parametrize("order", [{}, {"total": 1999}, {"currency": "EUR"}], ids=str)
def test_an_order_that_lacks_a_part_of_its_total_has_none(order):
    assert format_total(order) == "an amount that is not readable"


@pytest.mark.parametrize("total", ["x", None, [], {}, b"x"])
def test_a_total_that_makes_no_sense_is_called_that(total):
    assert format_total({"total": total, "currency": "EUR"}) == "an amount that is not readable"


GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.fixed_dictionaries({}, optional={"total": GARBAGE, "currency": GARBAGE}))
def test_a_total_is_written_whatever_the_order_holds(order):
    assert isinstance(format_total(order), str)
