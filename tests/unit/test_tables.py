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
    Reservation,
    ReservationStatus,
    Status,
)
from orders.approval import Approval, ApprovalStatus
from orders.tables import (
    approval_from,
    is_reservation,
    is_shard,
    open_order_from,
    open_order_item,
    order_key,
    payment_from,
    reservation_from,
    reservation_item,
    sku_of,
    stock_key,
)

SKUS = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
LINES = st.lists(st.builds(Line, SKUS, st.integers(1, 1000)), max_size=5).map(tuple)


@given(st.builds(Reservation, SKUS, st.sampled_from(ReservationStatus), LINES, st.integers(0, 99), st.text()))
def test_a_reservation_is_read_as_it_was_written(reservation):
    item = reservation_item(reservation)

    assert is_reservation(item)
    assert reservation_from(item) == reservation


@given(SKUS, st.integers(0, 99))
def test_a_counter_names_its_sku_whatever_is_in_it(sku, shard):
    key = stock_key(sku, shard)

    assert not is_reservation(key)
    assert sku_of(key) == sku


@given(SKUS, st.integers(0, 99))
def test_a_skus_first_counter_is_no_shard_and_every_further_one_is(sku, shard):
    assert is_shard(stock_key(sku, shard)) == (shard > 0)
    assert not is_shard(order_key(sku))


def test_a_payment_that_was_forbidden_before_it_was_asked_for_is_a_charge_of_nothing():
    item = {"order_id": {"S": "o-1"}, "status": {"S": "VOIDED"}, "reason": {"S": "OUT_OF_STOCK"}}

    assert payment_from(item) == Payment(PaymentStatus.VOIDED, Charge("o-1", 0, "", ""), reason="OUT_OF_STOCK")


@given(st.builds(OpenOrder, st.text(min_size=1), st.text(), st.integers(0), st.integers(0), st.booleans()))
def test_an_open_order_is_read_as_it_was_written(order):
    assert open_order_from(open_order_item(order)) == order


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
