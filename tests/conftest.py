"""What holds for all tests."""

import pytest

# Files for a copy of the tree: proof/test_recipes.py.
collect_ignore = ["recipes"]


def pytest_configure() -> None:
    """Refuse to run where an assert means nothing: everything would pass."""
    if not __debug__:
        raise pytest.UsageError(
            "Python is told to leave asserts out (-O, PYTHONOPTIMIZE): no test would prove anything."
        )
