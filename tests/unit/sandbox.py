"""What one sandbox keeps between invocations, and the next one does not have."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aws import clients

FUNCTIONS = Path(clients.__file__).parents[1]


def _cached() -> Iterator[Any]:
    """Every `functools.cache` of the functions, but botocore's session: that one only keeps the parsed models of the
    services, and to parse them again for each test would take longer than the tests.
    """
    for path in sorted(FUNCTIONS.glob("*/*.py")):
        module = importlib.import_module(".".join(path.relative_to(FUNCTIONS).with_suffix("").parts))
        for function in vars(module).values():
            if hasattr(function, "cache_clear") and function is not clients._session:
                yield function


CACHED = list(_cached())


def forget() -> None:
    """Be a new sandbox."""
    for function in CACHED:
        function.cache_clear()
