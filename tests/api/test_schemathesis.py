"""Whatever a client sends, the API answers as its document says, and never with a fault of its own."""

from __future__ import annotations

import json

import pytest

from tests.api.fuzz import CUSTOMER, EMAIL, Statistics, fuzz
from tests.exhaustive import exhaustive

REQUESTS = 250  # as a start: `fuzz` takes as many as one has time for


@pytest.fixture(scope="module", params=["shop", pytest.param("customers", marks=exhaustive)])
def statistics(request: pytest.FixtureRequest) -> Statistics:
    """What came of the requests of one kind of callers, which are the same each time."""
    return fuzz(request.param, REQUESTS)


@pytest.fixture(autouse=True)
def _no_network(socket_disabled: None) -> None:
    pass


def test_every_answer_is_as_the_document_says(statistics: Statistics) -> None:
    assert statistics.failures == []
    assert statistics.requests >= 430


def test_no_request_is_a_fault_of_ours(statistics: Statistics) -> None:
    assert [answer for answer in statistics.answers if answer[2] >= 500] == []


def test_every_operation_was_seen_to_succeed_and_to_refuse(statistics: Statistics) -> None:
    assert statistics.count("POST", "/orders", 201) >= 10
    assert statistics.count("GET", "/orders", 200) >= 5
    assert statistics.count("GET", "/orders/{order_id}", 200) >= 20
    assert statistics.count("POST", "/orders/{order_id}/cancel", 200) >= 20
    assert statistics.count("POST", "/orders/{order_id}/returns", 201) >= 5
    assert statistics.count("POST", "/orders", 400, 415, 422) >= 100
    assert statistics.count("GET", "/orders", 400) >= 20
    assert statistics.count("GET", "/orders/{order_id}", 404)
    assert statistics.count("POST", "/orders/{order_id}/cancel", 404)
    assert statistics.count("POST", "/orders/{order_id}/cancel", 409)
    assert statistics.count("POST", "/orders/{order_id}/returns", 400, 415, 422) >= 50
    assert statistics.count("POST", "/orders/{order_id}/returns", 404)
    assert statistics.count("POST", "/orders/{order_id}/returns", 409)


def test_every_order_that_is_placed_is_one_that_the_pipeline_accepts_and_each_return_is_right(
    statistics: Statistics,
) -> None:
    assert statistics.placed >= 5
    assert statistics.returned >= 5
    assert statistics.unacceptable == []


def test_what_had_an_effect_is_logged_and_nothing_personal_is(statistics: Statistics) -> None:
    lines = [json.loads(line) for line in statistics.log.splitlines()]

    assert {line["message"] for line in lines} == {"order placed", "order cancelled", "return requested"}
    assert [word for word in (EMAIL, CUSTOMER) if word in statistics.log] == []
