"""`python -m console.lesson_run NUMBER`: runs both versions of a lesson and prints as JSON what a page shows of it.

In a process of its own: the simulation replaces the clock, the SDK and the functions' modules of its process.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.table import Table
from rich.text import Text

from lessons import harness, show
from lessons.harness import Finding, Lesson, Run

# What each style of the terminal says: for what it stands on a page, in light and in dark.
_MEANINGS = {"red": "bad", "yellow": "odd", "green": "good", "dim": "quiet"}


def describe(number: int) -> dict[str, Any]:
    """Run a lesson; answers its words and both of its runs. Raises KeyError for a number that is none."""
    lesson, folder = harness.load(number), harness.folders()[number]
    return {
        "number": number,
        "title": lesson.title,
        "schedule": lesson.schedule,
        "why": lesson.why,
        "runs": {
            variant: _run(lesson, harness.run(number, variant))
            | {"files": {path.name: path.read_text("utf-8") for path in sorted(folder.glob(f"{variant}.*"))}}
            for variant in harness.VARIANTS
        },
        "shared": {path.name: path.read_text("utf-8") for path in sorted(folder.glob("workflow.asl.json"))},
    }


def _run(lesson: Lesson, run: Run) -> dict[str, Any]:
    return {
        "survived": run.survived,
        "seconds": run.seconds,
        "rows": rows(show.timeline(lesson, run)),
        "findings": [_finding(found) for found in run.findings],
    }


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "what": found.measure.what,
        "was": found.text(found.was),
        "should_be": found.text(found.measure.should_be),
        "off": found.text(found.damage),
        "right": found.right,
    }


def rows(timeline: Any) -> list[dict[str, Any]]:
    """The lines of a timeline, each with its time, its lanes and its text in pieces of one meaning."""
    if not isinstance(timeline, Table):
        raise TypeError("a timeline is a table")
    times, lanes, texts = (list(column.cells) for column in timeline.columns)
    return [
        {"time": str(time), "lanes": pieces(lane), "text": pieces(text)}
        for time, lane, text in zip(times, lanes, texts, strict=True)
    ]


def pieces(cell: Any) -> list[tuple[str, str]]:
    """A text in pieces, each with what its style means: `bad`, `odd`, `good`, `quiet`, or nothing."""
    text = cell if isinstance(cell, Text) else Text(str(cell))
    plain, found = text.plain, list[tuple[str, str]]()
    meanings = [_meaning(str(text.style))] * len(plain)
    for span in text.spans:
        meanings[span.start : span.end] = [_meaning(str(span.style))] * (span.end - span.start)
    for character, meaning in zip(plain, meanings, strict=True):
        if found and found[-1][1] == meaning:
            found[-1] = (found[-1][0] + character, meaning)
        else:
            found.append((character, meaning))
    return found


def _meaning(style: str) -> str:
    return next((meaning for colour, meaning in _MEANINGS.items() if colour in style.split()), "")


if __name__ == "__main__":
    json.dump(describe(int(sys.argv[1])), sys.stdout)
