"""What the container's variables say (stacks/books.yaml)."""

from __future__ import annotations

import os
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class Problem(Exception):
    """Something that an operator can put right; the message says what, in one line."""


def table(variable: str) -> str:
    """The name of the table that a variable names; empty where its stack is not there."""
    return os.environ.get(variable, "")


def text(variable: str) -> str:
    """A variable that has to be there. Raises Problem."""
    value = os.environ.get(variable, "")
    if not value:
        raise Problem(f"the variable {variable} is not set")
    return value


def number(variable: str) -> int:
    """A variable that has to be a whole number above zero. Raises Problem."""
    value = text(variable)
    if not value.isdecimal() or int(value) < 1:
        raise Problem(f"the variable {variable} is not a whole number above zero: {value}")
    return int(value)


def time_zone() -> ZoneInfo:
    """The shop's time zone, by its IANA name in TIME_ZONE. Raises Problem."""
    name = text("TIME_ZONE")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Problem(f"the variable TIME_ZONE names no time zone that is known here: {name}") from None


def array_index() -> int:
    """Which job of its array this one is, as AWS Batch says. Raises Problem where it is none of an array.

    https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html
    """
    value = text("AWS_BATCH_JOB_ARRAY_INDEX")
    if not value.isdecimal():
        raise Problem(f"the variable AWS_BATCH_JOB_ARRAY_INDEX is no index: {value}")
    return int(value)
