"""Every lesson has a page: both of its runs, its code, and the workshop's text with its answers folded."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from nicegui import ui
from rich.text import Text

from console import lesson_run, lessons, lessons_page, workshop
from console.lessons import Runs
from console.place import Place
from console.watch import Watch
from console.workshop import Part
from lessons import harness, show
from local.stack import Problem
from tests.console.a_place import until, visitor

PLACE = Place("orders", {}, embedded=False, may_write=False, endpoint_url=None, stacks=())
WORKSHOP = """# Lessons

## How a lesson works

You see:

- Time runs down.

## 1 Read, then write

**The story.** See [the handler](../functions/notify/app.py).

<!-- make lesson N=1 -->
```text
printed
```

**The exercise.** As in [lesson 5](#5-a-fresh-id).

<details><summary>Hints</summary>

- Which row?

</details>

<details><summary>The answer</summary>

<!-- from lessons/x.py -->
```python
answer()
```

</details>

## What to take home

1. One write.
"""


# ── The workshop's text ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_text_is_taken_apart_and_its_answers_are_folded() -> None:
    read = workshop.read(WORKSHOP)
    story, *folds = read.lessons[1]
    assert story == Part(
        "**The story.** See the handler (`functions/notify/app.py`).\n\n\n"
        "**The exercise.** As in [lesson 5](/lessons/5)."
    )
    assert [fold.summary for fold in folds] == ["Hints", "The answer"]
    assert folds[1].markdown == "```python\nanswer()\n```"
    assert read.reading == "- Time runs down."
    assert read.home == "1. One write."


def test_every_lesson_has_its_text_and_says_what_it_costs() -> None:
    read = workshop.workshop()
    assert read.lessons.keys() == read.costs.keys() == harness.folders().keys()
    for parts in read.lessons.values():
        assert not parts[0].summary
        assert "The answer" in [part.summary for part in parts]


def test_no_text_shows_a_comment_or_leads_to_a_file() -> None:
    for parts in workshop.workshop().lessons.values():
        for part in parts:
            assert "<!--" not in part.markdown
            assert "<details>" not in part.markdown
            assert "](../" not in part.markdown


# ── The runs ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def first() -> dict[str, Any]:
    """What came of the first lesson: in a process of its own, for the simulation changes the one that it runs in."""
    what: dict[str, Any] = asyncio.run(lessons._in_a_process(1))
    return what


def test_a_run_says_what_the_command_shows(first: dict[str, Any]) -> None:
    broken, fixed = first["runs"]["broken"], first["runs"]["fixed"]
    assert not broken["survived"]
    assert fixed["survived"]
    promised = {"what": "teapots promised", "was": "2 pieces", "should_be": "1 piece", "off": "1 piece", "right": False}
    assert promised in broken["findings"]
    texts = ["".join(text for text, _ in row["text"]) for row in broken["rows"]]
    assert "UpdateItem: take one" in texts
    assert broken["rows"][1]["time"] == "0.000 s"
    assert list(broken["files"]) == ["broken.py"]


def test_a_text_is_cut_where_its_meaning_changes() -> None:
    text = Text("ab")
    text.append("cd", style="bold red")
    text.append("e", style="magenta")
    assert lesson_run.pieces(text) == [("ab", ""), ("cd", "bad"), ("e", "")]
    assert lesson_run.pieces(Text("x", style="green")) == [("x", "good")]
    assert lesson_run.pieces("") == []


def test_every_outcome_of_the_terminal_means_something() -> None:
    assert all(lesson_run.pieces(Text("x", style=style))[0][1] for _, style in show.OUTCOMES.values())


class Counted:
    """Stands in for the process that runs a lesson."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, what: dict[str, Any]) -> None:
        self.runs = 0
        self.what = what
        monkeypatch.setattr(lessons, "_in_a_process", self)

    async def __call__(self, number: int) -> dict[str, Any]:
        self.runs += 1
        await asyncio.sleep(0.01)
        return self.what


def test_a_lesson_runs_once_until_its_files_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / harness.folders()[1].name
    shutil.copytree(harness.folders()[1], folder)
    monkeypatch.setattr(harness, "folders", lambda: {1: folder})
    counted = Counted(monkeypatch, {"a": 1})

    async def ask() -> None:
        async with visitor():
            runs = Runs()
            assert list(await asyncio.gather(runs.run(1), runs.run(1))) == [{"a": 1}] * 2
            assert runs.known(1) == {"a": 1}
            assert counted.runs == 1
            (folder / "broken.py").write_text("edited = True\n", "utf-8")
            assert runs.known(1) is None
            await runs.run(1)
            await runs.run(1, anew=True)
            assert counted.runs == 3

    asyncio.run(ask())


def test_somebody_who_leaves_stops_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch, {"a": 1})

    async def ask() -> None:
        async with visitor():
            runs = Runs()
            asking = asyncio.create_task(runs.run(1))
            await until(lambda: counted.runs)
            asking.cancel()
            await until(lambda: runs.known(1))

    asyncio.run(ask())


def test_an_exercise_with_a_mistake_says_which() -> None:
    with pytest.raises(Problem, match="Lesson 999 can't be run: KeyError: 999"):
        asyncio.run(lessons._in_a_process(999))


# ── The pages ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_lessons_are_listed_with_what_they_cost() -> None:
    async def look() -> None:
        async with visitor() as user:
            lessons_page.add(PLACE, Watch(PLACE))
            await user.open(lessons_page.PATH)
            for number in harness.folders():
                await user.should_see(f"{number} {harness.load(number).title}")
            await user.should_see("Costs a teapot sold twice")

    asyncio.run(look())


def test_a_lesson_shows_both_runs_side_by_side_and_keeps_its_answer_folded(
    first: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Counted(monkeypatch, first)

    async def look() -> None:
        async with visitor() as user:
            lessons_page.add(PLACE, Watch(PLACE))
            await user.open(f"{lessons_page.PATH}/1")
            await user.should_see("As it is often written: it breaks", retries=100)
            await user.should_see("Repaired: it survives")
            await user.should_see("teapots promised: 2 pieces, should be 1 piece: 1 piece off")
            await user.should_see("UpdateItem: take one")
            with user:
                folds = {one.text: one for one in user.find(ui.expansion).elements if isinstance(one, ui.expansion)}
            assert folds["broken.py"].value
            assert folds["fixed.py"].value
            assert not any(folds[name].value for name in ("Hints", "The answer", "Why it breaks"))

    asyncio.run(look())


@pytest.mark.parametrize("number", ["0", "99", "one", "²"])
def test_a_lesson_that_is_not_there_is_said_to_be_none(number: str) -> None:
    async def look() -> None:
        async with visitor() as user:
            lessons_page.add(PLACE, Watch(PLACE))
            await user.open(f"{lessons_page.PATH}/{number}")
            await user.should_see("All lessons")

    asyncio.run(look())
