"""Work that MiniStack and the SDK do again and again and that decides nothing, done once or not at all.

Whatever is replaced here answers what the original would: test_shortcuts.py holds the two against each other.
"""

from __future__ import annotations

import functools
import importlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import botocore.useragent

from simulation import ministack
from simulation.ministack import Change

_PATH = re.compile(r"\$([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)")  # a JSONata expression that names one thing
# What a JSONata expression may read that is another thing each time, beside its input and variables.
_EACH_TIME = re.compile(
    r"\$states\b(?!\.(input|result|errorOutput|context\.Execution\.Input)\b)|\$(now|millis|random|uuid|shuffle)\b"
)


# How the workflows write a moment down, which none of them then reads; in what is known it stands as `_HERE`, which no
# JSON has in it as it is.
_STAMP, _HERE = "{'S': $now()}", "\0"


def changes(now: Callable[[], float]) -> list[Change]:
    """What to set in MiniStack's modules for workflows and for DynamoDB, and elsewhere. `now` is the time in seconds
    since 1970.
    """
    states, tables = ministack.JSONATA.owner, ministack.TABLES.owner
    functions: Any = ministack.EXECUTE_FUNCTION.owner
    addresses: Any = importlib.import_module("orders.address")
    return [
        *(name.becomes(functools.cache(name.get())) for name in ministack.OF_TEXT),
        (functions, "parse_arn", functools.cache(functions.parse_arn)),
        ministack.ITEM_SIZE.becomes(lambda *_: 0),
        ministack.NESTING.becomes(lambda *_: 1),
        (tables, "copy", JsonCopies),
        (states, "copy", JsonCopies),
        (states, "now_iso", lambda: _iso_8601(now())),
        ministack.JSONATA.becomes(functools.partial(evaluate, ministack.JSONATA.get(), {})),
        *_expressions_parsed_once(states),
        (addresses, "validate_email", functools.cache(addresses.validate_email)),
        (botocore.useragent.UserAgentString, "to_string", lambda _: "simulation"),
        # Powertools would add one more hook to the same client for each sandbox.
        (
            importlib.import_module("aws_lambda_powertools.shared.user_agent"),
            "register_feature_to_client",
            lambda *_, **__: None,
        ),
    ]


@functools.lru_cache(100)
def _iso_8601(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


class JsonCopies:
    """In place of the module `copy`, where everything that is copied is JSON: no cycles, no classes."""

    @staticmethod
    def deepcopy(value: Any) -> Any:
        """As `copy.deepcopy`."""
        return json_copy(value)


def json_copy(value: Any) -> Any:
    """A copy of a JSON value that shares no object or array with it; `copy.deepcopy` takes ten times as long."""
    if isinstance(value, dict):
        return {name: json_copy(member) for name, member in value.items()}
    if isinstance(value, list):
        return [json_copy(member) for member in value]
    return value


def evaluate(  # noqa: PLR0917 - as the original, and what it needs besides
    original: Callable[..., Any],
    known: dict[tuple[str, str], str],
    expression: str,
    raw_input: Any,
    ctx: dict[str, Any],
    result: Any = None,
    error_output: Any = None,
) -> Any:
    """Around MiniStack's own. A path through objects to a value needs no interpreter, though one
    through an array does. And an expression comes to the same value for the same arguments, but for a moment that it
    writes down.
    """
    if path := _PATH.fullmatch(expression):
        first, *rest = path[1].split(".")
        value = ctx["variables"].get(first)
        if first == "states":
            value = {"input": raw_input, "result": result, "errorOutput": error_output, "context": ctx}
        for name in rest:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, str | dict | int):
            return value
    stamped = _STAMP in expression
    if _EACH_TIME.search(expression.replace(_STAMP, "")):
        return original(expression, raw_input, ctx, result, error_output)
    begun_with = ctx["Execution"]["Input"] if "context" in expression else None
    key = expression, json.dumps([raw_input, result, error_output, ctx["variables"], begun_with])
    now = ministack.JSONATA.owner.now_iso() if stamped else _HERE
    if now in key[1]:
        return original(expression, raw_input, ctx, result, error_output)
    if key not in known:
        known[key] = json.dumps(original(expression, raw_input, ctx, result, error_output)).replace(now, _HERE)
    return json.loads(known[key].replace(_HERE, now))


def _expressions_parsed_once(states: Any) -> list[Change]:
    """An expression, parsed and with the functions that Step Functions adds, serves for all its evaluations.

    It has no limit of time: on our clock, evaluating takes none.
    """
    language = states.jsonata.Jsonata
    prepare = ministack.JSONATA_FUNCTIONS.get()

    @functools.cache
    def parsed(expression: str) -> Any:
        compiled = language(expression)
        prepare(compiled)
        return compiled

    def compiled(expression: str, **_: Any) -> Any:
        language.CURRENT.jsonata = parsed(expression)  # as its constructor would
        return language.CURRENT.jsonata

    return [
        (language, "jsonata", staticmethod(compiled)),
        (language.Frame, "lookup", _lookup),
        ministack.JSONATA_FUNCTIONS.becomes(lambda _: None),
    ]


def _lookup(frame: Any, name: str) -> Any:
    """As `Frame.lookup`, which calls itself: the innermost value that is bound to a name."""
    while frame is not None:
        if name in frame.bindings:
            return frame.bindings[name]
        frame = frame.parent
    return None
