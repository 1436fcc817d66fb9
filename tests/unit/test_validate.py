from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest

from aws import clients, logger
from orders import approval
from orders.errors import OrderDecided, OrderInvalid, ReviewNeeded, Unrecoverable
from tests.unit.builders import CUSTOMER_ID, HUGE, a_line, a_product, a_state, an_order
from tests.unit.stack import MotoStack
from validate import app


@pytest.fixture
def orders(stack: MotoStack) -> Any:
    stack.run_as("ValidateFunction")
    return stack.table("OrdersTable")


def validate(order_id: str = "order-1", approved: str = "") -> dict[str, Any]:
    return app.handler({"order_id": order_id, "approved": approved}, None)


@contextmanager
def reads_of(table: str) -> Iterator[list[Any]]:
    """The reads of a table in here, as they are requested."""
    read, requests = clients.dynamodb().batch_get_item, []

    def batch_get_item(RequestItems: Any) -> Any:  # noqa: N803
        requests.extend([RequestItems[table]] if table in RequestItems else [])
        return read(RequestItems=RequestItems)

    with patch.object(clients.dynamodb(), "batch_get_item", batch_get_item):
        yield requests


def test_what_was_checked_goes_on_and_nothing_else(orders, sells):
    sells("TEA")
    orders.put_item(Item=an_order())

    assert validate() == {
        "lines": [{"sku": "TEA", "quantity": 2, "unit_price": 450}],
        "amount": 900,
        "currency": "EUR",
        "payment_method": "pm_card_visa",
    }


def test_the_order_is_checked_as_it_is_now_and_not_as_the_event_says(orders, sells):
    sells("TEA")
    orders.put_item(Item=an_order())
    event = {"order_id": "order-1", "approved": "", **an_order(lines=[a_line(quantity=1)])}
    orders.put_item(Item=an_order(lines=[a_line(quantity=3)]))

    assert app.handler(event, None)["lines"] == [{"sku": "TEA", "quantity": 3, "unit_price": 450}]


def test_the_order_is_read_once_so_that_what_goes_on_is_what_was_checked(orders, sells, stack):
    sells("TEA")
    orders.put_item(Item=an_order())

    with reads_of(stack["OrdersTable"]) as requests:
        validate()

    assert len(requests) == 1


@pytest.mark.parametrize("table", ["OrdersTable", "OrderStatesTable", "InventoryTable"])
def test_the_order_its_state_and_its_prices_are_read_consistently(table, orders, sells, stack):
    sells("TEA")
    orders.put_item(Item=an_order())

    with reads_of(stack[table]) as requests:
        validate()

    assert [request["ConsistentRead"] for request in requests] == [True]


def test_a_price_that_has_changed_meanwhile_is_refused(orders, sells):
    sells("TEA", unit_price=500)
    orders.put_item(Item=an_order())

    with pytest.raises(OrderInvalid) as refused:
        validate()

    assert refused.value.violations == ["lines[0].unit_price: is not the catalogue's"]


def test_a_product_without_stock_is_still_in_the_catalogue(orders, sells):
    sells("TEA", available=0)
    orders.put_item(Item=an_order())

    assert validate()["amount"] == 900


NO_PRODUCT = r"^SKU#TEA: unit_price or currency is missing or malformed$"

MALFORMED = {
    "a price in words": {"unit_price": "450"},
    "a price with a fraction": {"unit_price": Decimal("4.5")},
    "a price below zero": {"unit_price": -450},
    "a price of nothing": {"unit_price": None},
    "a currency that is a number": {"currency": 978},
}


@pytest.mark.parametrize("changes", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_product_needs_a_person_and_rejects_no_order(changes, orders, sells):
    sells("TEA", **changes)
    orders.put_item(Item=an_order())

    with pytest.raises(Unrecoverable, match=NO_PRODUCT):
        validate()


@pytest.mark.parametrize("attribute", ["unit_price", "currency"])
def test_a_product_that_lacks_something_needs_a_person_and_rejects_no_order(attribute, orders, stack):
    product = a_product()
    del product[attribute]
    stack.table("InventoryTable").put_item(Item=product)
    orders.put_item(Item=an_order())

    with pytest.raises(Unrecoverable, match=NO_PRODUCT):
        validate()


def test_an_order_that_was_deleted_is_refused_and_needs_nobody(orders):
    with pytest.raises(OrderInvalid) as refused:
        validate("order-2")

    assert refused.value.violations == ["order: was deleted"]


def test_an_order_of_fifty_lines_is_looked_up_whole(orders, sells):
    lines = [a_line(sku=f"SKU-{n}") for n in range(50)]
    for line in lines:
        sells(line["sku"])
    orders.put_item(Item=an_order(lines=lines))

    assert len(validate()["lines"]) == 50


@pytest.mark.parametrize(
    "changes",
    [
        {"lines": [a_line(sku="☕" * 10_000)], "total": 900},
        {"customer": {"customer_id": HUGE, "email": HUGE}},
        {"lines": [a_line(sku=f"SKU-{n}") for n in range(51)]},
        {"total": "900"},
        {"lines": {"TEA", "POT"}},
        {"customer": b"\xff"},
    ],
    ids=["Unicode", "100 KB", "51 lines", "a string amount", "a set", "bytes"],
)
def test_a_malformed_item_is_refused_as_it_comes_out_of_its_table(changes, orders, sells):
    sells("TEA")
    orders.put_item(Item=an_order() | changes)

    with pytest.raises(OrderInvalid):
        validate()


def test_a_catalogue_that_comes_in_parts_is_read_to_its_end(orders, sells, stack):
    sells("TEA")
    sells("POT", unit_price=2900)
    orders.put_item(Item=an_order(lines=[a_line(), a_line(sku="POT", quantity=1, unit_price=2900)]))
    table, read = stack["InventoryTable"], clients.dynamodb().batch_get_item

    def one_key_at_a_time(**request: Any) -> Any:
        if table not in request["RequestItems"]:
            return read(**request)
        first, *rest = request["RequestItems"][table]["Keys"]
        answer = read(RequestItems={table: request["RequestItems"][table] | {"Keys": [first]}})
        unprocessed = {table: request["RequestItems"][table] | {"Keys": rest}} if rest else {}
        return answer | {"UnprocessedKeys": unprocessed}

    with patch.object(clients.dynamodb(), "batch_get_item", one_key_at_a_time):
        assert validate()["amount"] == 2 * 450 + 2900


@pytest.mark.parametrize("unread", ["OrdersTable", "OrderStatesTable", "InventoryTable"])
def test_what_cannot_be_read_is_no_reason_to_refuse_the_order(unread, orders, sells, stack):
    sells("TEA")
    orders.put_item(Item=an_order())
    table, client = stack[unread], clients.dynamodb()
    read: Any = client.batch_get_item

    def all_but_one_table(RequestItems: Any) -> Any:  # noqa: N803
        others = {name: keys for name, keys in RequestItems.items() if name != table}
        answer = read(RequestItems=others) if others else {"Responses": {}}
        return answer | {"UnprocessedKeys": {name: RequestItems[name] for name in RequestItems.keys() - others.keys()}}

    with patch.object(client, "batch_get_item", all_but_one_table), pytest.raises(TimeoutError):
        validate()


def test_an_acceptance_is_logged_for_debugging_only_and_in_numbers(orders, sells, log, caplog):
    sells("TEA")
    orders.put_item(Item=an_order())
    validate()
    assert log() == []

    caplog.set_level("DEBUG", logger=logger.name)
    validate()
    assert [(line["message"], line["order_id"], line["lines"]) for line in log()] == [("order valid", "order-1", 1)]


def test_a_refusal_is_logged_with_its_violations_and_nothing_of_the_order(orders, sells, log):
    orders.put_item(Item=an_order(customer={"customer_id": CUSTOMER_ID, "email": f"{CUSTOMER_ID} at home"}))
    with pytest.raises(OrderInvalid) as refused:
        validate()

    (line,) = log()
    assert (line["message"], line["order_id"], line["violations"]) == (
        "order invalid",
        "order-1",
        refused.value.violations,
    )
    assert CUSTOMER_ID not in str(refused.value)


# ── Decided already ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("outcome", ["CANCELLED", "REJECTED"])
@pytest.mark.parametrize("item", [an_order(), None], ids=["there", "deleted"])
def test_an_order_that_comes_to_nothing_is_not_tried_any_more(outcome, item, orders, sells, stack):
    sells("TEA")
    if item:
        orders.put_item(Item=item)
    stack.table("OrderStatesTable").put_item(Item=a_state(outcome, "CANCELLED_BY_CUSTOMER"))

    with pytest.raises(OrderDecided):
        validate()


def test_what_was_approved_does_not_bring_back_an_order_that_comes_to_nothing(orders, sells, stack):
    sells("TEA")
    orders.put_item(Item=an_order())
    stack.table("OrderStatesTable").put_item(Item=a_state("CANCELLED", "CANCELLED_BY_CUSTOMER"))

    with pytest.raises(OrderDecided):
        validate(approved=approval.digest(an_order()))


def test_an_order_that_is_confirmed_is_finished_by_whoever_comes_again(orders, sells, stack):
    sells("TEA")
    orders.put_item(Item=an_order())
    stack.table("OrderStatesTable").put_item(Item=a_state("CONFIRMED"))

    assert validate()["amount"] == 900


# ── Approved ────────────────────────────────────────────────────────────────────────────────────────────────────────

OVER_899 = pytest.mark.parametrize("parameters", [{"ApprovalLimit": "899"}])


def approved(orders: Any, order_id: str = "order-1") -> str:
    """What an approver of the order as it is now has approved."""
    return approval.digest(orders.get_item(Key={"order_id": order_id})["Item"])


@pytest.mark.parametrize("parameters", [{"ApprovalLimit": "0"}, {"ApprovalLimit": "900"}], ids=["no limit", "at it"])
def test_an_order_that_is_not_over_the_limit_needs_nobody(orders, sells):
    sells("TEA")
    orders.put_item(Item=an_order())

    assert validate()["amount"] == 900


@OVER_899
def test_an_order_over_the_limit_needs_a_review(orders, sells):
    sells("TEA")
    orders.put_item(Item=an_order())

    with pytest.raises(ReviewNeeded):
        validate()


@OVER_899
def test_an_order_over_the_limit_that_was_approved_goes_on(orders, sells):
    sells("TEA")
    orders.put_item(Item=an_order())

    assert validate(approved=approved(orders))["amount"] == 900


@OVER_899
def test_an_order_over_the_limit_that_is_confirmed_needs_nobody_any_more(orders, sells, stack):
    sells("TEA")
    orders.put_item(Item=an_order())
    stack.table("OrderStatesTable").put_item(Item=a_state("CONFIRMED"))

    assert validate()["amount"] == 900


@OVER_899
def test_a_malformed_order_over_the_limit_is_refused_and_nobody_is_asked(orders, sells):
    sells("TEA")
    orders.put_item(Item=an_order(total=10**9))

    with pytest.raises(OrderInvalid):
        validate()


@pytest.mark.parametrize("parameters", [{"ApprovalLimit": "899"}, {"ApprovalLimit": "0"}], ids=["over it", "no limit"])
@pytest.mark.parametrize(
    "changes",
    [{"lines": [a_line(quantity=3)]}, {"lines": [a_line(quantity=1)]}, {"payment_method": "pm_card_of_another"}],
    ids=["more", "less", "another card"],
)
def test_an_order_that_was_changed_after_it_was_approved_is_refused(changes, orders, sells):
    sells("TEA")
    orders.put_item(Item=an_order())
    digest = approved(orders)
    orders.put_item(Item=an_order(**changes))

    with pytest.raises(OrderInvalid) as refused:
        validate(approved=digest)

    assert refused.value.violations == ["order: was changed after it was approved"]


@OVER_899
def test_what_an_order_says_of_its_approval_itself_counts_for_nothing(orders, sells):
    sells("TEA")
    orders.put_item(Item=an_order(approved=approval.digest(an_order()), review=False, status="APPROVED"))

    with pytest.raises(ReviewNeeded):
        validate()
