"""When an open order is tried again."""

from hypothesis import given
from hypothesis import strategies as st

from orders import backoff

SWEEPS = st.integers(0, 5_000)  # of two months


def test_the_waits_in_minutes():
    assert [backoff.wait_seconds(sweeps) / 60 for sweeps in range(8)] == [1, 2, 4, 8, 15, 15, 15, 15]


def test_how_long_an_order_has_been_tried_when_it_is_swept():
    assert [backoff.tried_minutes(sweeps) for sweeps in range(10)] == [0, 1, 3, 7, 15, 30, 45, 60, 75, 90]


@given(SWEEPS)
def test_every_sweep_has_tried_for_longer_by_the_wait_before_it(sweeps):
    longer = backoff.tried_minutes(sweeps + 1) - backoff.tried_minutes(sweeps)

    assert longer * 60 == backoff.wait_seconds(sweeps)


@given(SWEEPS)
def test_the_waits_never_grow_beyond_a_quarter_of_an_hour_and_never_shrink(sweeps):
    assert backoff.wait_seconds(sweeps) <= backoff.wait_seconds(sweeps + 1) <= 15 * 60
