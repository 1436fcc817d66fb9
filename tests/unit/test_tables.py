"""The keys and attributes under which the domain is written down."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from orders import (
    NEXT,
    Charge,
    Line,
    OpenOrder,
    Outcome,
    Payment,
    PaymentStatus,
    Refund,
    RefundStatus,
    Reservation,
    ReservationStatus,
    Status,
)
from orders.approval import Approval, ApprovalStatus
from orders.tables import (
    approval_from,
    is_reservation,
    is_restock,
    is_shard,
    open_order_from,
    open_order_item,
    open_order_key,
    order_key,
    order_of_restock,
    payment_from,
    refund_attribute,
    reservation_from,
    reservation_item,
    reservation_key,
    restock_key,
    sku_of,
    stock_key,
)

SKUS = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
LINES = st.lists(st.builds(Line, SKUS, st.integers(1, 1000), st.integers(0, 10**12)), max_size=5).map(tuple)
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:#-]{0,20}", fullmatch=True)  # that an order may have


@given(st.builds(Reservation, SKUS, st.sampled_from(ReservationStatus), LINES, st.integers(0, 99), st.text()))
def test_a_reservation_is_read_as_it_was_written(reservation):
    item = reservation_item(reservation)

    assert is_reservation(item)
    assert not is_restock(item)
    assert reservation_from(item) == reservation


def test_a_price_that_nobody_gave_is_not_written_down():
    reservation = Reservation("o-1", ReservationStatus.RESERVED, (Line("TEA", 2), Line("POT", 1, 2900)))

    assert [line["M"].get("unit_price") for line in reservation_item(reservation)["lines"]["L"]] == [
        None,
        {"N": "2900"},
    ]


@given(IDS, st.text(min_size=1))
def test_what_says_that_a_return_was_put_back_lies_beside_its_orders_reservation_and_names_both(order_id, return_id):
    key = restock_key(order_id, return_id)

    assert key["pk"] == reservation_key(order_id)["pk"]
    assert is_restock(key)
    assert not is_reservation(key)
    assert order_of_restock(key) == (order_id, return_id)


@given(SKUS, st.integers(0, 99))
def test_a_counter_names_its_sku_whatever_is_in_it(sku, shard):
    key = stock_key(sku, shard)

    assert not is_reservation(key)
    assert not is_restock(key)
    assert sku_of(key) == sku


@given(SKUS, st.integers(0, 99))
def test_a_skus_first_counter_is_no_shard_and_every_further_one_is(sku, shard):
    assert is_shard(stock_key(sku, shard)) == (shard > 0)
    assert not is_shard(order_key(sku))


def test_a_payment_that_was_forbidden_before_it_was_asked_for_is_a_charge_of_nothing():
    item = {"order_id": {"S": "o-1"}, "status": {"S": "VOIDED"}, "reason": {"S": "OUT_OF_STOCK"}}

    assert payment_from(item) == Payment(PaymentStatus.VOIDED, Charge("o-1", 0, "", ""), reason="OUT_OF_STOCK")


def test_a_payment_is_read_with_what_was_given_back_of_it():
    item = {
        "order_id": {"S": "o-1"},
        "status": {"S": "CAPTURED"},
        "amount": {"N": "900"},
        "currency": {"S": "EUR"},
        "payment_method": {"S": "pm_card_visa"},
        "provider_reference": {"S": "pi_1"},
    }
    taken = Payment(PaymentStatus.CAPTURED, Charge("o-1", 900, "EUR", "pm_card_visa"), provider_reference="pi_1")
    given_back = {
        "refunded": {"N": "700"},
        "dispute": {"S": "OPEN"},
        refund_attribute("r-2"): {"M": {"status": {"S": "REFUNDING"}, "amount": {"N": "300"}}},
        refund_attribute("r-1"): {
            "M": {"status": {"S": "REFUNDED"}, "amount": {"N": "400"}, "provider_reference": {"S": "re_1"}}
        },
    }

    assert payment_from(item) == taken
    assert payment_from(item | given_back) == replace(
        taken,
        refunded=700,
        dispute="OPEN",
        refunds=(
            Refund("r-1", RefundStatus.REFUNDED, 400, "re_1"),
            Refund("r-2", RefundStatus.REFUNDING, 300),
        ),
    )


@given(st.builds(OpenOrder, st.text(min_size=1), st.text(), st.integers(0), st.integers(0), st.booleans()))
def test_an_open_order_is_read_as_it_was_written(order):
    assert open_order_from(open_order_item(order)) == order


@given(
    st.builds(
        OpenOrder,
        IDS,
        st.text(),
        st.integers(0),
        st.integers(0),
        what=st.sampled_from(["OrderConfirmed", "ReturnRequested"]),
        return_id=IDS | st.just(""),
    )
)
def test_what_is_open_after_the_sale_is_read_as_it_was_written(order):
    item = open_order_item(order)

    assert open_order_from(item) == order
    assert {"order_id": item["order_id"]} == open_order_key(order.order_id, order.return_id)


def test_an_order_and_each_of_its_returns_have_places_of_their_own_on_a_list():
    keys = [open_order_key("o-1"), open_order_key("o-1", "r-1"), open_order_key("o-1", "r-2"), open_order_key("o-2")]

    assert keys[0] == order_key("o-1")
    assert len({key["order_id"]["S"] for key in keys}) == len(keys)


@given(IDS, IDS, IDS)
def test_no_order_has_the_place_of_anothers_return(order_id, other, return_id):
    assert open_order_key(order_id) != open_order_key(other, return_id)


def test_what_the_pipeline_has_open_says_no_more_than_it_did():
    assert open_order_item(OpenOrder("o-1", "2026-01-01T09:00:00+00:00")).keys() == {
        "order_id",
        "occurred_at",
        "sweeps",
        "sweep_at",
    }


def test_an_open_order_says_that_a_person_has_to_approve_it_only_where_one_has_to():
    placed = OpenOrder("o-1", "2026-01-01T09:00:00+00:00")

    assert "review" not in open_order_item(placed)
    assert open_order_item(replace(placed, review=True)) == open_order_item(placed) | {"review": {"BOOL": True}}


def test_an_approval_is_read_whole():
    item = {
        "order_id": {"S": "o-1"},
        "status": {"S": "APPROVED"},
        "content": {"S": "a-digest"},
        "asked_at": {"S": "2026-01-01T09:00:00+00:00"},
        "expires_at": {"N": "1767344400"},
        "mail_at": {"N": "1767272400"},
        "waiter": {"S": "arn:execution"},
        "attempt": {"N": "0"},
        "task_token": {"S": "c2VjcmV0"},
    }
    asked = Approval(
        "o-1",
        ApprovalStatus.APPROVED,
        content="a-digest",
        asked_at="2026-01-01T09:00:00+00:00",
        expires_at=1767344400,
        mail_at=1767272400,
        waiter="arn:execution",
        task_token="c2VjcmV0",
    )
    later = {
        "links": {"SS": ["one", "two"]},
        "tried_minutes": {"N": "15"},
        "decided_at": {"S": "2026-01-01T10:00:00+00:00"},
    }

    assert approval_from(item) == asked
    assert approval_from(item | later) == replace(
        asked, links=frozenset({"one", "two"}), tried_minutes=15, decided_at="2026-01-01T10:00:00+00:00"
    )


def test_what_the_workflow_and_the_sweep_add_to_an_open_order_is_read_as_well():
    opened = OpenOrder("o-1", "2026-01-01T09:00:00+00:00", sweeps=2, sweep_at=1767258061)
    stuck = {"step": {"S": "Capture"}, "error": {"S": "Unrecoverable"}, "execution": {"S": "arn:execution"}}
    item = open_order_item(opened) | {"stuck": {"M": stuck}, "call_at": {"N": "1767344461"}}

    assert open_order_from(item) == replace(opened, stuck="Capture: Unrecoverable", call_at=1767344461)


def test_what_may_follow_is_said_of_every_status_and_nothing_goes_back():
    def reachable(status):
        return {later for one in NEXT[status] for later in {one} | reachable(one)}

    assert set(NEXT) == set(Status)
    assert not [status for status in Status if status in reachable(status)]
    assert reachable(Status.PLACED) >= set(Outcome)
