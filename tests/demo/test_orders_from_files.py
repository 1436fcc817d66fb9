"""Files as people have them: each becomes an order, or one line that says what is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from boto3.dynamodb.types import TypeSerializer

from demo import order_files
from local.stack import Problem

ORDER = {"order_id": "o-1", "note": "café", "total": 1780, "share": 0.1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_encoding_of_unicode_is_read(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "it's my order.json"
    file.write_bytes(json.dumps(ORDER, ensure_ascii=False).encode(encoding))
    assert order_files.read(file)["note"] == "café"


def test_what_is_read_can_be_stored(tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    deepest = "leaf"
    for _ in range(order_files.DEEPEST - 1):
        deepest = {"a": deepest}  # type: ignore[assignment]
    file.write_text(json.dumps(ORDER | {"deep": deepest, "long": int("9" * 38), "small": 1e-100}))
    assert TypeSerializer().serialize(order_files.read(file))["M"]["share"] == {"N": "0.1"}


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"", "nothing"),
        (b" \n\t", "nothing"),
        (b"{", "line 1, column 2"),
        (b'{"total": 1,}', "line 1"),
        ('{"note": "café"}'.encode("latin-1"), "UTF-8"),
        (b"\xff\xfe{", "UTF-8"),
        (b"\x00\x01\x02\x03", "JSON"),
        (b"[]", "object"),
        (b'"text"', "object"),
        (b"null", "object"),
        (b'{"total": NaN}', "NaN"),
        (b'{"total": -Infinity}', "Infinity"),
        (b'{"total": 1e400}', "38 digits"),
        (b'{"total": 0.' + b"1" * 40 + b"}", "38 digits"),
        (b'{"total": ' + b"9" * 39 + b"}", "38 digits"),
        (b'{"total": ' + b"9" * 5_000 + b"}", "38 digits"),
        (b'{"note": ' + b"[" * 32 + b"1" + b"]" * 32 + b"}", "32 levels"),
        (b'{"note": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "32 levels"),
        (b'{"note": ' + b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"}", "32 levels"),
        (b'{"total": 1, "total": 2}', '"total" stands there more than once'),
        (b'{"lines": [{"sku": "A", "sku": "B"}]}', '"sku" stands there more than once'),
        (b'{"note": "\\ud800"}', "half a character"),
        (b'{"\\udfff": 1}', "half a character"),
        (b'{"order_id": ""}', "from 1 to 2048 bytes"),
        (b'{"order_id": "' + b"o" * 2_049 + b'"}', "from 1 to 2048 bytes"),
        ('{"order_id": "' + "é" * 1_025 + '"}', "from 1 to 2048 bytes"),
        (b'{"order_id": 727}', "a text"),
        (b'{"order_id": null}', "a text"),
        (b" " * (order_files.LARGEST_FILE_BYTES + 1), "too large"),
    ],
    ids=range(29),
)
def test_what_cannot_be_an_order_is_told_in_one_line(raw: bytes | str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    file.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    with pytest.raises(Problem, match=complaint) as problem:
        order_files.read(file)
    assert "\n" not in str(problem.value)
    assert len(str(problem.value)) < 300


def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (
        tmp_path,
        tmp_path / "missing",
        tmp_path / ("n" * 300),
        tmp_path / "loop",
        Path("~nobody-is-called-so/a"),
    ):
        with pytest.raises(Problem, match="Cannot read"):
            order_files.read(path)
    with pytest.raises(Problem, match="too large"):
        order_files.read(Path("/dev/zero"))
    with pytest.raises(Problem, match="nothing"):
        order_files.read(Path(os.devnull))


def test_an_order_without_an_id_gets_one() -> None:
    first, second = order_files.parse("{}"), order_files.parse("{}")
    assert first["order_id"] != second["order_id"]
    assert order_files.parse('{"order_id": "mine"}')["order_id"] == "mine"
