"""A burst through a concurrency of ten, which is what a new AWS account has. tests/proof has a larger one."""

from __future__ import annotations

from simulation import burst


def test_of_two_hundred_orders_at_once_none_is_cancelled_and_nobody_is_called() -> None:
    done = burst.run(orders=200, concurrency=10)

    assert done.violations == []
    assert done.throttled > done.orders  # more was turned away than orders were placed
