from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.money import MAX_AMOUNT, format_amount

PLACES = {"EUR": 2, "USD": 2, "JPY": 0, "KRW": 0, "KWD": 3, "TND": 3}


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
        (MAX_AMOUNT, "EUR", "999999.99 EUR"),
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
