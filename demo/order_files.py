"""Orders from JSON files, as people have them: each becomes an item that DynamoDB takes, or a Problem in one line."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import DYNAMODB_CONTEXT

from local.stack import Problem

# JSON is larger than the item of 400 KB that it becomes, by escapes and blanks.
LARGEST_FILE_BYTES = 4_000_000
LONGEST_KEY_BYTES = 2_048
DEEPEST = 32  # the item is the first; what stands in the last one counts as well
_TOO_DEEP = "That is nested too deeply: DynamoDB takes 32 levels."


def read(path: Path) -> dict[str, Any]:
    """The order in a JSON file, in any encoding of Unicode. Raises Problem when there is none, as `parse` does."""
    try:
        with path.expanduser().open("rb") as file:
            raw = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise Problem(f"Cannot read {path}: {error.strerror}.") from None
    except RuntimeError:  # `~name`, which expanduser does not know
        raise Problem(f"Cannot read {path}: there is no such user.") from None
    if len(raw) > LARGEST_FILE_BYTES:
        raise Problem(f"{path} is too large for an order: DynamoDB takes items of up to 400 KB.")
    try:
        text = raw.decode(json.detect_encoding(raw))
    except UnicodeDecodeError:
        raise Problem(f"{path} is not in UTF-8, as JSON has to be. Save it as UTF-8.") from None
    return parse(text.removeprefix("\N{BYTE ORDER MARK}"))


def parse(text: str) -> dict[str, Any]:
    """An order from JSON, with an id and a date where it has none.

    Raises Problem for what is not a JSON object, and for what DynamoDB can't store:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
    """
    try:
        item = json.loads(
            text, parse_float=_number, parse_int=_integer, parse_constant=_no_number, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        where = f": {error.msg} in line {error.lineno}, column {error.colno}" if text.strip() else ": there is nothing"
        raise Problem(f"That is not JSON{where}.") from None
    except RecursionError:
        raise Problem(_TOO_DEEP) from None
    if not isinstance(item, dict):
        raise Problem("An order is a JSON object; events/order.json is one.")
    if _depth(item) > DEEPEST:
        raise Problem(_TOO_DEEP)
    if re.search("[\ud800-\udfff]", json.dumps(item, default=str, ensure_ascii=False)):
        raise Problem("That holds half a character (a lone surrogate such as \\ud800), which nobody can store.")
    now = datetime.now(UTC)
    order = {"order_id": f"order-{now:%Y%m%d-%H%M%S-%f}", "placed_at": now.isoformat(timespec="seconds")} | item
    if not isinstance(order["order_id"], str):
        raise Problem('The order_id has to be a text, such as "order_id": "o-1".')
    if not 1 <= len(order["order_id"].encode()) <= LONGEST_KEY_BYTES:
        raise Problem(f"The order_id is the table's key, which takes from 1 to {LONGEST_KEY_BYTES} bytes.")
    return order


def _number(text: str) -> Decimal:
    try:
        return DYNAMODB_CONTEXT.create_decimal(text)
    except ArithmeticError:
        shown = text if len(text) <= 50 else f"{text[:40]}…"
        raise Problem(
            f"DynamoDB can't store {shown}: numbers have up to 38 digits, and 126 before the point."
        ) from None


def _integer(text: str) -> int:
    return int(_number(text))


def _no_number(text: str) -> Decimal:
    raise Problem(f"{text} is not a number that JSON or DynamoDB knows.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    repeated = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if repeated:
        raise Problem(f"{json.dumps(repeated[0])} stands there more than once in one object.")
    return dict(pairs)


def _depth(item: Any) -> int:
    """How many levels of maps and lists there are."""
    levels, level = 0, [item]
    while level := [value for value in level if isinstance(value, dict | list)]:
        levels += 1
        level = [child for value in level for child in (value.values() if isinstance(value, dict) else value)]
    return levels
