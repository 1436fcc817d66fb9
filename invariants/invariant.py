"""What an invariant is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Invariant:
    """`needs` names what of the books somebody must have watched for this to say anything."""

    sentence: str
    check: Callable[[Any], Iterator[str]]
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The check's name, by which a mutant says what kills it."""
        return self.check.__name__
