"""Parcels and returns: what they add up to, what they are called, and how they are written down."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.order_id import is_order_id, return_for_key
from orders.shipping import (
    CANCELLATION,
    Parcel,
    ParcelStatus,
    Return,
    Returns,
    ReturnStatus,
    Shipment,
    counted,
    counts,
    parcel_reference,
    read_reference,
    return_item,
    return_reference,
    returns_from,
    returns_item,
    shipment_from,
    shipment_item,
)

ORDER_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:#-]{0,127}", fullmatch=True)
SKUS = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
UNITS = st.dictionaries(SKUS, st.integers(1, 1000), max_size=5)
NAMES = st.text(min_size=1, max_size=20)  # of warehouses, and whatever else people name

MAIN = Parcel("main", {"TEA": 2})
NORTH = Parcel("north", {"POT": 1})
SHIPMENT = Shipment("order-1", (MAIN, NORTH), {"TEA": 450, "POT": 2900})
RETURNS = Returns("order-1", {"TEA": 2, "POT": 1}, {"TEA": 450, "POT": 2900}, open=0, until="2026-01-15T09:00:00+00:00")
ASKED = Return("r-1", ReturnStatus.REQUESTED, {"TEA": 1}, 450, "2026-01-03T12:00:00.000+00:00", 1769858401)


# ── What a shipment is ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("main", ParcelStatus)
@pytest.mark.parametrize("north", ParcelStatus)
def test_an_order_is_delivered_when_its_last_parcel_is(main, north):
    shipment = replace(SHIPMENT, parcels=(replace(MAIN, status=main), replace(NORTH, status=north)))

    assert shipment.delivered == (main == north == ParcelStatus.DELIVERED)


def test_what_a_customer_gets_is_in_all_their_parcels_together():
    assert SHIPMENT.units == {"TEA": 2, "POT": 1}


# ── What still may come back ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("left", "under_way", "everything"),
    [
        ({"TEA": 0, "POT": 0}, 0, True),
        ({"TEA": 0, "POT": 1}, 0, False),
        ({"TEA": 0, "POT": 0}, 1, False),
        ({"TEA": 2, "POT": 1}, 2, False),
    ],
    ids=["nothing kept", "a pot kept", "the last on its way", "all open"],
)
def test_everything_came_back_when_nothing_is_kept_and_nothing_is_under_way(left, under_way, everything):
    assert replace(RETURNS, left=left, open=under_way).everything_came_back is everything


# ── What a carrier calls a parcel by ────────────────────────────────────────────────────────────────────────────────


@given(ORDER_IDS, NAMES)
def test_a_reference_says_which_order_and_which_of_its_parcels(order_id, name):
    assert is_order_id(order_id)
    assert read_reference(parcel_reference(order_id, name)) == (order_id, False, name)
    assert read_reference(return_reference(order_id, name)) == (order_id, True, name)


@given(ORDER_IDS, NAMES, ORDER_IDS, NAMES)
def test_no_two_parcels_share_a_reference(order_id, name, other, theirs):
    references = {parcel_reference(order_id, name), return_reference(order_id, name)}
    others = {parcel_reference(other, theirs), return_reference(other, theirs)}

    assert len(references) == 2
    assert bool(references & others) == ((order_id, name) == (other, theirs))


@pytest.mark.parametrize(
    "reference", ["", "/", "//", "order-1", "order-1/out", "order-1/up/main", "/out/main", "order-1/out/", "order-1//x"]
)
def test_what_is_no_reference_of_ours_is_none(reference):
    with pytest.raises(ValueError, match=r"not (a reference|enough values)"):
        read_reference(reference)


def test_a_cancellation_is_no_customers_return():
    assert return_for_key("order-1", CANCELLATION) != CANCELLATION


# ── How they are written down ───────────────────────────────────────────────────────────────────────────────────────


@given(st.dictionaries(st.text(), st.integers()))
def test_numbers_are_read_as_they_were_written(numbers):
    assert counts(counted(numbers)) == numbers


@given(
    ORDER_IDS,
    st.lists(st.builds(Parcel, NAMES, UNITS), max_size=4, unique_by=lambda parcel: parcel.warehouse),
    st.dictionaries(SKUS, st.integers(1, 10**12), max_size=5),
)
def test_a_shipment_that_is_planned_is_read_as_it_was_written(order_id, parcels, prices):
    in_order = tuple(sorted(parcels, key=lambda parcel: parcel.warehouse))
    planned = Shipment(order_id, in_order, prices)

    assert shipment_from(shipment_item(planned)) == planned


def test_what_is_added_to_a_shipment_on_its_way_is_read_as_well():
    item = shipment_item(SHIPMENT)
    item["parcels"]["M"]["main"]["M"] |= {"status": {"S": "SHIPPED"}, "tracking": {"S": "T-1"}}
    item |= {"waiter": {"S": "arn:execution"}, "task_token": {"S": "c2VjcmV0"}, "deliver_by": {"N": "1768122001"}}

    assert shipment_from(item) == replace(
        SHIPMENT,
        parcels=(replace(MAIN, status=ParcelStatus.SHIPPED, tracking="T-1"), NORTH),
        waiter="arn:execution",
        task_token="c2VjcmV0",
        deliver_by=1768122001,
    )


@given(ORDER_IDS, UNITS, UNITS, st.integers(0, 9), st.text())
def test_what_may_come_back_is_read_as_it_was_written(order_id, left, prices, under_way, until):
    returns = Returns(order_id, left, prices, under_way, until)

    assert returns_from(returns_item(returns)) == returns


@given(st.sampled_from(ReturnStatus), UNITS, st.integers(0, 10**12), st.integers(0, 10**10))
def test_a_return_is_read_as_it_was_written_into_its_orders_item(status, units, amount, expires_at):
    one = replace(ASKED, status=status, units=units, amount=amount, expires_at=expires_at)
    item = returns_item(RETURNS)
    item["returns"]["M"]["r-1"] = return_item(one)

    assert returns_from(item) == replace(RETURNS, returns={"r-1": one})


def test_what_is_added_to_a_return_on_its_way_is_read_as_well():
    item = returns_item(RETURNS) | {"closed": {"S": "2026-01-20T09:00:00.000+00:00"}}
    item["returns"]["M"]["r-1"] = return_item(ASKED)
    item["returns"]["M"]["r-1"]["M"] |= {
        "tracking": {"S": "T-9"},
        "waiter": {"S": "arn:execution"},
        "task_token": {"S": "c2VjcmV0"},
        "refunded_at": {"S": "2026-01-19T09:00:00.000+00:00"},
    }
    added = replace(
        ASKED,
        tracking="T-9",
        waiter="arn:execution",
        task_token="c2VjcmV0",
        refunded_at="2026-01-19T09:00:00.000+00:00",
    )

    assert returns_from(item) == replace(
        RETURNS,
        closed="2026-01-20T09:00:00.000+00:00",
        returns={"r-1": added},
    )
