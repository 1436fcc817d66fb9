"""What pages share is read while somebody looks, whatever happens to it meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from botocore.exceptions import EndpointConnectionError

from console import reading
from console.reading import Reader
from console.watch import Watch
from tests.console.a_place import until, visitor
from tests.console.breakable import breakable


@pytest.mark.parametrize(
    "error", [EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), ZeroDivisionError("nobody has thought of it")]
)
def test_what_can_not_be_read_is_said_and_read_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_RESTING", (0.01, 0.01))
    failing = [error]

    def read() -> str:
        if failing:
            raise failing[0]
        return "all is well"

    async def look() -> None:
        async with visitor():
            place = breakable()
            reader = Reader(place, Watch(place), read, lambda _: False)
            stop = reader.subscribe(lambda: None)
            await until(lambda: str(error) in reader.trouble)
            failing.clear()
            await until(lambda: reader.latest == "all is well" and not reader.trouble)
            stop()

    asyncio.run(look())


def test_nothing_is_read_while_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_RESTING", (0.01, 0.01))
    reads: list[int] = []

    async def look() -> None:
        async with visitor():
            place = breakable()
            reader = Reader(place, Watch(place), lambda: reads.append(1), lambda _: False)
            stop = reader.subscribe(lambda: None)
            await until(lambda: reads)
            stop()
            assert reader._task
            await reader._task
            before = len(reads)
            await asyncio.sleep(0.1)
            assert len(reads) == before

    asyncio.run(look())
