"""What a section of the benchmark found, in the one shape that the table, the JSON file and the plots are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Progress = Callable[[str], None]  # called with what is being done now


@dataclass(frozen=True)
class Figure:
    """One figure: `value` in `unit`, at most `target` if there is one, and what people would use instead.

    `spread` is the lowest and the highest, in the same unit; the section's notes say of what. Counts have none.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    compared: float | None = None
    compared_with: str = ""
    spread: tuple[float, float] | None = None

    @property
    def missed(self) -> bool:
        """Whether there is a target and it was not reached."""
        return self.target is not None and self.value > self.target


@dataclass
class Section:
    """One table of figures. `series` holds what the plots draw and the JSON file keeps; `notes` are for the reader."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    series: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
