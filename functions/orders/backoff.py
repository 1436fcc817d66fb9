"""When an open order's event is sent again: after 1, 2, 4, 8 minutes, then every 15.

An order is swept for as long as it is open, so the waits must not grow for ever: once a service is back, what waited
for it is finished within a quarter of an hour.
"""

MINUTES = (1, 2, 4, 8, 15)


def wait_seconds(sweeps: int) -> int:
    """Seconds from the sweep with this number (0: the order was opened) to the next one."""
    return 60 * MINUTES[min(sweeps, len(MINUTES) - 1)]


def tried_minutes(sweeps: int) -> int:
    """For how many minutes an order has been tried, at the least, when it has been swept so often.

    It counts the waits between tries and not the time since the order was placed: time in which nothing was tried, in
    a stream that stood still for instance, costs a customer nothing.
    """
    return sum(wait_seconds(number) for number in range(sweeps)) // 60
