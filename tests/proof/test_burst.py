"""The large burst: part of `make prove`, because it takes as long as a hundred schedules."""

from __future__ import annotations

from simulation import burst
from tests.exhaustive import exhaustive

pytestmark = exhaustive


def test_of_a_thousand_orders_at_once_none_is_cancelled_and_nobody_is_called() -> None:
    done = burst.run(orders=1000, concurrency=10)

    assert done.violations == []
    print(  # noqa: T201
        f"{done.orders} orders through a concurrency of {done.concurrency}: {done.orders / done.seconds:.0f} a second,"
        f" {done.throttled} calls turned away, {done.sweeps} swept"
    )
