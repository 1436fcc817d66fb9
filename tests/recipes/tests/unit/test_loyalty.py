"""A point for a confirmed order, and their count."""

from typing import Any

import pytest
from digest import app as digest
from loyalty import app as loyalty

from tests.unit.stack import MotoStack


@pytest.fixture(autouse=True)
def points(stack: MotoStack) -> Any:
    stack.run_as("LoyaltyFunction")
    return stack.table("PointsTable")


def test_a_duplicate_gives_no_second_point(stack, points):
    for _ in range(2):
        assert loyalty.handler({"order_id": "o-1"}, None) == {"points": 1}

    stack.run_as("DigestFunction")
    assert digest.handler({}, None) == {"points": 1}
