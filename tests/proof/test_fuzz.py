"""Thousands of requests to the API, those that its document allows and many that it doesn't."""

from __future__ import annotations

import pytest

from tests.api.fuzz import fuzz
from tests.exhaustive import exhaustive

pytestmark = exhaustive
REQUESTS = 2_000


@pytest.mark.parametrize("callers", ["shop", "customers"])
def test_two_thousand_requests_are_answered_as_the_document_says_and_break_nothing(callers: str) -> None:
    found = fuzz(callers, REQUESTS)
    print(f"{found.requests:,} requests, {found.placed:,} orders")  # noqa: T201 - a figure that is asked for
    assert found.failures == [], "\n\n".join(found.failures)
    assert found.requests >= REQUESTS
    assert [answer for answer in found.answers if answer[2] >= 500] == []
    assert found.unacceptable == []
