import base64
import json
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aws import clients
from tests.unit.builders import CUSTOMER_ID, EMAIL, HUGE, a_line, a_state, an_order
from tests.unit.calling import get, kind
from tests.unit.stack import MotoStack


@pytest.fixture
def orders(stack: MotoStack) -> Any:
    """The Orders table, and the API's environment."""
    stack.run_as("ApiFunction")
    return stack.table("OrdersTable")


@pytest.fixture
def states(orders: Any, stack: MotoStack) -> Any:
    return stack.table("OrderStatesTable")


@pytest.fixture
def approvals(orders: Any, stack: MotoStack) -> Any:
    return stack.table("ApprovalsTable")


def follow(order_id: str = "order-1") -> dict[str, Any]:
    answer = get(f"/orders/{order_id}")
    assert answer.status == 200
    return dict(answer.body)


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


# ── A customer's orders ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def placed(orders: Any) -> Any:
    """`placed(3)` places orders, one a second."""

    def put(number: int, **changes: Any) -> None:
        for n in range(number):
            at = f"2026-01-01T09:{n // 60:02}:{n % 60:02}.000Z"
            orders.put_item(Item=an_order(order_id=f"o-{n}", placed_at=at, customer_id=CUSTOMER_ID) | changes)

    return put


def listed(**query: str) -> dict[str, Any]:
    answer = get("/orders", {"customer_id": CUSTOMER_ID} | query)
    assert answer.status == 200
    return dict(answer.body)


def test_a_customers_orders_are_listed_the_newest_first(placed, states):
    placed(2)
    states.put_item(Item=a_state(order_id="o-0"))

    assert listed() == {
        "orders": [
            {
                "order_id": "o-1",
                "status": "PLACED",
                "total": 900,
                "currency": "EUR",
                "placed_at": "2026-01-01T09:00:01.000Z",
            },
            {
                "order_id": "o-0",
                "status": "CONFIRMED",
                "total": 900,
                "currency": "EUR",
                "placed_at": "2026-01-01T09:00:00.000Z",
            },
        ],
        "cursor": None,
    }


def test_a_list_has_twenty_orders_unless_it_is_told_otherwise(placed):
    placed(21)

    assert len(listed()["orders"]) == 20
    assert len(listed(limit="100")["orders"]) == 21


def test_page_by_page_every_order_is_listed_once(placed):
    placed(7)
    pages, cursor = [], ""
    while cursor is not None:
        page = listed(limit="3", **({"cursor": cursor} if cursor else {}))
        pages.append([order["order_id"] for order in page["orders"]])
        cursor = page["cursor"]

    assert pages == [["o-6", "o-5", "o-4"], ["o-3", "o-2", "o-1"], ["o-0"]]


def test_orders_of_the_same_moment_are_all_listed(placed):
    placed(5, placed_at="2026-01-01T09:00:00Z")
    first = listed(limit="2")
    second = listed(limit="3", cursor=first["cursor"])

    assert {order["order_id"] for order in first["orders"] + second["orders"]} == {f"o-{n}" for n in range(5)}


def test_a_customer_without_orders_has_an_empty_list(placed):
    placed(1)

    assert get("/orders", {"customer_id": "somebody else"}).body == {"orders": [], "cursor": None}


def test_a_cursor_opens_nobody_elses_list(placed):
    placed(3)
    cursor = listed(limit="1")["cursor"]

    answer = get("/orders", {"customer_id": "somebody else", "cursor": cursor})

    assert answer.body["orders"] == []
    assert CUSTOMER_ID not in base64.urlsafe_b64decode(cursor + "==").decode()


def test_a_cursor_survives_its_order(placed, orders):
    placed(3)
    cursor = listed(limit="1")["cursor"]
    orders.delete_item(Key={"order_id": "o-2"})

    assert [order["order_id"] for order in listed(cursor=cursor)["orders"]] == ["o-1", "o-0"]


def test_malformed_orders_are_listed_as_far_as_they_are_readable(placed, orders):
    placed(1, total="much", currency=1)
    orders.put_item(Item={"order_id": "☕", "customer_id": CUSTOMER_ID, "placed_at": "once"})

    assert [(order["order_id"], order["total"], order["placed_at"]) for order in listed(limit="2")["orders"]] == [
        ("☕", None, None),
        ("o-0", None, "2026-01-01T09:00:00.000Z"),
    ]
    first = listed(limit="1")
    assert listed(limit="1", cursor=first["cursor"])["orders"][0]["order_id"] == "o-0"


@pytest.mark.parametrize(
    "limit", ["0", "101", "-1", "", "1.0", "1e1", "+5", " 5", "٣", "5,6", "0x5", "9" * 5000, "true", "5\n"]
)
def test_a_limit_that_is_none_is_refused(limit, orders):
    assert kind(get("/orders", {"customer_id": CUSTOMER_ID, "limit": limit})) == (400, "malformed-request")


@pytest.mark.parametrize(
    "query", [{}, {"customer_id": ""}, {"customer_id": "c" * 129}, {"customer_id": "\ud800"}, {"limit": "5"}]
)
def test_a_list_of_nobodys_orders_is_refused(query, orders):
    assert kind(get("/orders", query)) == (400, "malformed-request")


def test_parameters_that_nobody_knows_are_ignored(placed):
    placed(1)

    assert len(listed(page="7", sort="total")["orders"]) == 1


def coded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


NO_CURSORS = {
    "empty": "",
    "no base64": "…",
    "half of base64": "a",
    "blanks in it": "WyJh IiwiYiJd",
    "no JSON": coded(b"order"),
    "no UTF-8": coded(b'["\xff", "o-1"]'),
    "half a character": coded(b'["\\ud800", "o-1"]'),
    "no list": coded(b'{"placed_at": "x"}'),
    "null": coded(b"null"),
    "one of them": coded(b'["2026"]'),
    "three of them": coded(b'["2026", "o-1", "o-2"]'),
    "numbers": coded(b"[1, 2]"),
    "empty ones": coded(b'["", ""]'),
    "too long a time": coded(json.dumps(["x" * 1025, "o-1"]).encode()),
    "too long an id": coded(json.dumps(["x", "☕" * 700], ensure_ascii=False).encode()),
    "too long for a URL": coded(b" " * 9000 + b'["2026", "o-1"]'),
    "nested without end": coded(b"[" * 5000),
    "huge": HUGE,
}


@pytest.mark.parametrize("cursor", NO_CURSORS.values(), ids=NO_CURSORS)
def test_a_cursor_that_is_none_is_refused(cursor, orders):
    assert kind(get("/orders", {"customer_id": CUSTOMER_ID, "cursor": cursor})) == (400, "malformed-request")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    cursor=st.text(max_size=60) | st.binary(max_size=60).map(coded),
    customer=st.text(max_size=140),
    limit=st.text(max_size=4),
)
def test_no_query_is_a_fault_of_ours(cursor, customer, limit, orders):
    query = {"customer_id": customer, "cursor": cursor, "limit": limit}

    assert get("/orders", query).status in (200, 400)
    assert get("/orders", {"customer_id": CUSTOMER_ID, "cursor": cursor}).status in (200, 400)


def test_statuses_that_come_in_parts_are_read_to_their_end(placed, states, stack):
    placed(3)
    for n in range(3):
        states.put_item(Item=a_state(order_id=f"o-{n}"))
    table, read = stack["OrderStatesTable"], clients.dynamodb().batch_get_item

    def one_key_at_a_time(**request: Any) -> Any:
        first, *rest = request["RequestItems"][table]["Keys"]
        answer = read(RequestItems={table: request["RequestItems"][table] | {"Keys": [first]}})
        return answer | {"UnprocessedKeys": {table: request["RequestItems"][table] | {"Keys": rest}} if rest else {}}

    with patch.object(clients.dynamodb(), "batch_get_item", one_key_at_a_time):
        assert [order["status"] for order in listed()["orders"]] == ["CONFIRMED"] * 3


@pytest.mark.parametrize("path", ["/orders", "/orders/o-0"])
def test_what_cannot_be_read_whole_may_be_asked_for_again(path, placed, log):
    placed(1)

    def nothing(RequestItems: Any) -> Any:  # noqa: N803
        return {"Responses": {}, "UnprocessedKeys": RequestItems}

    with patch.object(clients.dynamodb(), "batch_get_item", nothing):
        assert kind(get(path, {"customer_id": CUSTOMER_ID})) == (503, "unavailable")
    assert [line["error"] for line in log()] == ["TimeoutError"]


def test_nothing_is_logged_of_what_is_only_read(placed, log):
    placed(1)
    listed()
    follow("o-0")

    assert log() == []


def test_nothing_personal_is_in_any_answer(placed, states):
    placed(1)
    states.put_item(Item=a_state(order_id="o-0"))

    answered = json.dumps([listed(), follow("o-0")])

    assert [word for word in (CUSTOMER_ID, EMAIL, "pm_card_visa", "arn:") if word in answered] == []
