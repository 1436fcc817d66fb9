"""Bringing an order's items together: whatever there is of them, and in bounded memory."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from jobs import join, parquet
from jobs.cases import Night

NIGHT = Night(as_of=0.0, sources=frozenset({"orders", "states"}))
ORDERS = 60_000
LONG = {"note": {"S": "x" * 3000}}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """360 MB of items, of which each order has one in each of two sources; the last orders come first."""
    folder = tmp_path_factory.mktemp("extract")
    for source in ("orders", "states"):
        lines = (
            json.dumps({"key": f"o-{number:05}", "item": {"order_id": {"S": f"o-{number:05}"}, **LONG}})
            for number in reversed(range(ORDERS))
        )
        (folder / f"{source}.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode(), compresslevel=1))
    return {source: [folder / f"{source}.jsonl.gz"] for source in ("orders", "states")}


def test_what_does_not_fit_into_memory_is_put_on_the_disk(
    files: dict[str, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "MEMORY_BYTES", 256 * 1024**2)
    monkeypatch.setattr(join, "BUCKET_BYTES", 64 * 1024**2)
    with parquet.connect(tmp_path) as database:
        found = [(case.order_id, len(case.items)) for case in join.cases(database, files, NIGHT)]
    assert sorted(found) == [(f"o-{number:05}", 2) for number in range(ORDERS)]


def test_without_any_item_there_is_no_order(tmp_path: Path) -> None:
    with parquet.connect(tmp_path) as database:
        assert list(join.cases(database, {"orders": [], "states": []}, NIGHT)) == []
