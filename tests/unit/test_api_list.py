"""A customer's orders through the API: page by page, the newest first."""

import base64
import json
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aws import clients
from tests.unit.builders import CUSTOMER_ID, EMAIL, HUGE, a_state, an_order
from tests.unit.calling import follow, get, kind

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
