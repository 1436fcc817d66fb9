"""Batch's names in its API (`jobQueue`), and in templates and workflows (`JobQueue`)."""

from __future__ import annotations

from typing import Any

# Whoever deploys or submits has named what is in these.
_NAMED_BY_OTHERS = {"parameters", "tags", "options"}


def camel(value: Any) -> Any:
    """What a template or a workflow says, as the API spells it."""
    return _spelled(value, str.lower)


def pascal(value: Any) -> Any:
    """What the API answers, as a workflow spells it."""
    return _spelled(value, str.upper)


def _spelled(value: Any, case: Any) -> Any:
    if isinstance(value, list):
        return [_spelled(one, case) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        case(name[:1]) + name[1:]: one if name.lower() in _NAMED_BY_OTHERS else _spelled(one, case)
        for name, one in value.items()
    }
