"""What DynamoDB says of a transaction that it cancelled, and what that means."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from aws import clients
from orders.errors import TransactionConflict, Unrecoverable
from orders.tables import reservation_key, restock_key
from tests.unit.stocking import HELD, RESTOCKED, release, reserve, restock

pytestmark = pytest.mark.usefixtures("inventory")


@contextmanager
def transactions_cancelled_with(*reasons: dict[str, Any]) -> Iterator[None]:
    """DynamoDB cancels every transaction with these reasons. moto knows neither conflicts nor throttling."""
    response: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": list(reasons)}
    error = clients.dynamodb().exceptions.TransactionCanceledException(response, "TransactWriteItems")
    with patch.object(clients.dynamodb(), "transact_write_items", side_effect=error):
        yield


OK = {"Code": "None"}
FAILED = {"Code": "ConditionalCheckFailed"}
CONFLICT = {"Code": "TransactionConflict"}
THROTTLED = {"Code": "ThrottlingError"}
REFUSED = {"Code": "ValidationError"}
EARLIER_RESERVATION = {
    "Code": "ConditionalCheckFailed",
    "Item": {
        **reservation_key("order-1"),
        "status": {"S": "RESERVED"},
        "lines": {"L": [{"M": {"sku": {"S": "TEA"}, "quantity": {"N": "4"}}}]},
    },
}


@pytest.mark.parametrize(
    "reasons", [(OK, CONFLICT), (CONFLICT, OK), (OK, FAILED, CONFLICT), (CONFLICT, FAILED), (OK, THROTTLED, CONFLICT)]
)
def test_a_reserve_in_the_way_of_another_transaction_is_a_conflict_and_no_refusal(reasons):
    with transactions_cancelled_with(*reasons), pytest.raises(TransactionConflict):
        reserve(TEA=4, POT=1)


@pytest.mark.parametrize("reason", [OK, CONFLICT, FAILED, THROTTLED, REFUSED])
def test_an_earlier_reservation_stands_whatever_the_stock_says(reason):
    with transactions_cancelled_with(EARLIER_RESERVATION, reason):
        assert reserve(TEA=4) == HELD


@pytest.mark.parametrize("reasons", [(OK, CONFLICT), (OK, FAILED, CONFLICT), (FAILED, CONFLICT), (FAILED, OK)])
def test_a_release_in_the_way_of_another_transaction_is_a_conflict_and_needs_nobody(reasons, sells):
    sells("TEA")
    reserve(TEA=4)

    with transactions_cancelled_with(*reasons), pytest.raises(TransactionConflict):
        release()


@pytest.mark.parametrize("reasons", [(OK, CONFLICT), (OK, FAILED, CONFLICT), (CONFLICT, OK)])
def test_a_restock_in_the_way_of_another_transaction_is_a_conflict_and_needs_nobody(reasons, sells):
    sells("TEA")
    reserve(TEA=4)

    with transactions_cancelled_with(*reasons), pytest.raises(TransactionConflict):
        restock(TEA=1)


@pytest.mark.parametrize("reason", [OK, CONFLICT, FAILED, THROTTLED, REFUSED])
def test_what_was_put_back_before_stands_whatever_its_counter_says(reason, sells):
    sells("TEA")
    reserve(TEA=4)
    earlier = {**FAILED, "Item": {**restock_key("order-1", "r-1"), "units": {"M": {"TEA": {"N": "1"}}}}}

    with transactions_cancelled_with(earlier, reason):
        assert restock(TEA=1) == RESTOCKED


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded", "InventedLater"])
@pytest.mark.parametrize("action", [reserve, release, restock])
def test_a_transaction_that_is_throttled_is_retried_as_what_it_is(action, code, sells):
    if action is not reserve:
        sells("TEA")
        reserve(TEA=4)

    cancelled = clients.dynamodb().exceptions.TransactionCanceledException
    with transactions_cancelled_with(OK, {"Code": code}), pytest.raises(cancelled):
        action(**({"TEA": 4} if action is reserve else {}))


@pytest.mark.parametrize("code", ["ValidationError", "ItemCollectionSizeLimitExceeded", "DuplicateItem"])
@pytest.mark.parametrize("other", [OK, FAILED, CONFLICT, THROTTLED])
def test_a_write_that_can_never_succeed_is_for_a_person_at_once(code, other):
    refused = rf"^DynamoDB refuses the write: {code} for SKU#POT$"
    with transactions_cancelled_with(OK, other, {"Code": code}), pytest.raises(Unrecoverable, match=refused):
        reserve(TEA=4, POT=1)


def test_a_reservation_that_can_never_be_written_is_for_a_person_at_once():
    refused = r"^DynamoDB refuses the write: ValidationError for ORDER#order-1$"
    with transactions_cancelled_with(REFUSED, OK), pytest.raises(Unrecoverable, match=refused):
        reserve(TEA=4)


@pytest.mark.parametrize("action", [release, restock])
def test_what_can_never_be_put_back_is_for_a_person_at_once(action, sells):
    sells("TEA")
    reserve(TEA=4)

    refused = r"^DynamoDB refuses the write: ValidationError for SKU#TEA$"
    with transactions_cancelled_with(OK, REFUSED), pytest.raises(Unrecoverable, match=refused):
        action()


NO_NUMBERS = {"text": {"S": "5"}, "nothing": {"NULL": True}, "half a unit": {"N": "0.5"}}


@pytest.mark.parametrize("available", [*NO_NUMBERS.values(), None], ids=[*NO_NUMBERS, "no stock"])
def test_a_sku_without_a_whole_number_in_stock_is_named_and_not_sold_out(available):
    counter = {"pk": {"S": "SKU#TEA"}, "sk": {"S": "STOCK"}} | ({"available": available} if available else {})

    # DynamoDB's answer: a condition that compares text with a number just fails. moto refuses the comparison.
    with (
        transactions_cancelled_with(OK, {**FAILED, "Item": counter}),
        pytest.raises(Unrecoverable, match=r"^SKU#TEA: available is no whole number$"),
    ):
        reserve(TEA=4)
