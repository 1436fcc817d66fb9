"""An order as a client sees it: what is readable, and nothing personal."""

from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aws import clients
from tests.unit.builders import a_line, a_state, an_order
from tests.unit.calling import follow, get, kind
from tests.unit.stack import MotoStack


@pytest.fixture
def approvals(orders: Any, stack: MotoStack) -> Any:
    return stack.table("ApprovalsTable")


# ── One order ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_shown_with_nothing_personal(orders):
    orders.put_item(Item=an_order())

    assert follow() == {
        "order_id": "order-1",
        "status": "PLACED",
        "decision": None,
        "lines": [{"sku": "TEA", "quantity": 2, "unit_price": 450}],
        "total": 900,
        "currency": "EUR",
        "placed_at": "2026-01-01T09:00:00Z",
        "history": {"PLACED": "2026-01-01T09:00:00Z"},
    }


def test_an_order_shows_how_it_was_decided_and_not_by_which_execution(orders, states):
    orders.put_item(Item=an_order())
    states.put_item(Item=a_state("REJECTED", "ORDER_INVALID"))
    decided_at = "2026-01-01T09:00:05Z"

    shown = follow()

    assert shown["status"] == "REJECTED"
    assert shown["decision"] == {"outcome": "REJECTED", "reason": "ORDER_INVALID", "decided_at": decided_at}
    assert shown["history"] == {"PLACED": "2026-01-01T09:00:00Z", "REJECTED": decided_at}


def test_a_rejected_order_says_what_is_wrong_with_it(orders, states):
    orders.put_item(Item=an_order())
    state = a_state("REJECTED", "ORDER_INVALID")
    state["decision"]["violations"] = ["total: is not the sum of the lines"]
    states.put_item(Item=state)

    assert follow()["decision"]["violations"] == ["total: is not the sum of the lines"]


@pytest.mark.parametrize("status", ["APPROVED", "DENIED", "EXPIRED"])
def test_the_history_tells_of_an_approval_in_the_order_of_time(status, orders, states, approvals):
    orders.put_item(Item=an_order())
    states.put_item(Item=a_state())
    asked_at, decided_at = "2026-01-01T09:00:02+00:00", "2026-01-01T11:00:04+02:00"
    approvals.put_item(Item={"order_id": "order-1", "status": status, "asked_at": asked_at, "decided_at": decided_at})

    assert list(follow()["history"].items()) == [
        ("PLACED", "2026-01-01T09:00:00Z"),
        ("IN_REVIEW", asked_at),
        (status, decided_at),
        ("CONFIRMED", "2026-01-01T09:00:05Z"),
    ]


def test_an_approval_that_is_pending_is_a_review_and_no_more(orders, approvals):
    orders.put_item(Item=an_order())
    approvals.put_item(Item={"order_id": "order-1", "status": "PENDING", "asked_at": "2026-01-01T09:00:02+00:00"})

    shown = follow()

    assert (shown["status"], list(shown["history"])) == ("PLACED", ["PLACED", "IN_REVIEW"])


def test_an_order_is_read_as_it_is_now(orders, stack):
    orders.put_item(Item=an_order())
    with patch.object(clients.dynamodb(), "batch_get_item", wraps=clients.dynamodb().batch_get_item) as read:
        follow()

    read.assert_called_once()
    assert all(keys["ConsistentRead"] for keys in read.call_args.kwargs["RequestItems"].values())


@pytest.mark.parametrize(
    "path",
    [
        "unknown",
        "%",
        "%zz",
        "%00",
        "%ff",
        "%ed%a0%80",
        "a%2Fb",
        "☕",
        "o-1\n",
        "-",
        "o" * 129,
        "o" * 5000,
        "\ud800",
        "a b",
    ],
)
def test_what_is_no_order_is_not_found(path, orders):
    assert kind(get(f"/orders/{path}")) == (404, "not-found")


@pytest.mark.parametrize("order_id", ["o#1", "a.b:c_d-e#", "0" * 128])
def test_an_order_is_found_by_any_id_that_it_may_have(order_id, orders):
    orders.put_item(Item=an_order(order_id=order_id))

    assert follow(order_id)["order_id"] == order_id
    assert follow(order_id.replace("#", "%23").replace(":", "%3A"))["order_id"] == order_id


READABLE = {
    "nothing but an id": (set(an_order()) - {"order_id"}, {}),
    "no total": ({"total"}, {}),
    "a total in words": (set(), {"total": "900"}),
    "a total that is a fraction": (set(), {"total": Decimal("9.5")}),
    "a total that is true": (set(), {"total": True}),
    "a list for a currency": (set(), {"currency": ["EUR"]}),
    "a day that is none": (set(), {"placed_at": "2026-02-31T09:00:00Z"}),
    "yesterday": (set(), {"placed_at": "yesterday"}),
    "a time without a zone": (set(), {"placed_at": "2026-01-01T09:00:00"}),
}


@pytest.mark.parametrize(("lacks", "changes"), READABLE.values(), ids=READABLE)
def test_of_a_malformed_order_what_is_readable_is_shown(lacks, changes, orders):
    item = {name: value for name, value in (an_order() | changes).items() if name not in lacks}
    orders.put_item(Item=item)

    shown = follow()

    unreadable = lacks | set(changes)
    for name in ("total", "currency", "placed_at"):
        assert (shown[name] is None) == (name in unreadable)
    assert shown["history"] == ({} if "placed_at" in unreadable else {"PLACED": "2026-01-01T09:00:00Z"})
    assert shown["lines"] == ([] if "lines" in unreadable else [{"sku": "TEA", "quantity": 2, "unit_price": 450}])


def test_lines_that_are_not_readable_are_left_out(orders):
    bad = ["TEA", {}, {"sku": 1}, a_line(quantity="2"), a_line(unit_price=None), a_line(sku=b"TEA")]
    orders.put_item(Item=an_order(total=900) | {"lines": [*bad, a_line(note="a gift")]})

    assert follow()["lines"] == [{"sku": "TEA", "quantity": 2, "unit_price": 450}]


def test_the_largest_number_that_a_table_takes_is_shown(orders):
    orders.put_item(Item=an_order(total=Decimal("9E+125")))

    assert follow()["total"] == 9 * 10**125


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.integers(-(10**30), 10**30)
    | st.just(Decimal("1.5"))
    | st.just({"a set"})
    | st.just({1, 2}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=9), inner, max_size=3),
)


# The index refuses an order whose `placed_at` is no string.
CHANGES = {name: VALUES for name in an_order() if name != "order_id"} | {"placed_at": st.text(min_size=1)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(changes=st.fixed_dictionaries({}, optional=CHANGES))
def test_whatever_others_put_into_the_table_it_is_shown(changes, orders):
    orders.put_item(Item=an_order() | changes)

    assert set(follow()) == {"order_id", "status", "decision", "lines", "total", "currency", "placed_at", "history"}
