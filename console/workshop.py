"""The workshop's text, docs/lessons.md, lesson by lesson: what is read, and what stays folded until somebody asks.

It is ours, so it may be markup. What `make lesson` prints is left out: the page shows the run itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from local.stack import ROOT

TEXT = ROOT / "docs" / "lessons.md"

_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_FOLD = re.compile(r"<details><summary>(.+?)</summary>(.*?)</details>", re.DOTALL)
_PRINTED = re.compile(r"<!-- make lesson .*?-->\n```text\n.*?\n```\n?", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_AGENDA = re.compile(r"^\| \S+ \| \d+ \| \[(\d+) [^|]*\| ([^|]*) \| [^|]* \|$", re.MULTILINE)
_LESSON = re.compile(r"#(\d+)-")


@dataclass(frozen=True)
class Part:
    """A piece of markdown. With a `summary` it is folded under that."""

    markdown: str
    summary: str = ""


@dataclass(frozen=True)
class Workshop:
    """The whole text: the parts of each lesson by its number, what each costs in a word or two, how to read a timeline,
    and what to take home.
    """

    lessons: dict[int, tuple[Part, ...]]
    costs: dict[int, str]
    reading: str
    home: str


@cache
def workshop() -> Workshop:
    """The text as it is in this tree."""
    return read(TEXT.read_text("utf-8"))


def read(text: str) -> Workshop:
    """Take a text apart."""
    _, *pieces = _SECTION.split(text)
    sections = dict(zip(pieces[::2], pieces[1::2], strict=True))
    lessons = {int(title.split()[0]): body for title, body in sections.items() if title.split()[0].isdigit()}
    symbols = [line for line in sections.get("How a lesson works", "").split("\n\n") if line.startswith("- ")]
    return Workshop(
        {number: tuple(_parts(body)) for number, body in lessons.items()},
        {int(number): cost for number, cost in _AGENDA.findall(text)},
        "\n\n".join(symbols),
        _here(sections.get("What to take home", "")),
    )


def _parts(body: str) -> list[Part]:
    found, after = [], 0
    for fold in _FOLD.finditer(body):
        found += [Part(_here(body[after : fold.start()])), Part(_here(fold[2]), fold[1])]
        after = fold.end()
    found.append(Part(_here(body[after:])))
    return [part for part in found if part.markdown]


def _here(text: str) -> str:
    """A text as this page has it: without what is printed, and with links that lead somewhere from here."""
    return _LINK.sub(_link, _COMMENT.sub("", _PRINTED.sub("", text))).strip()


def _link(link: re.Match[str]) -> str:
    words, target = link[1], link[2]
    if lesson := _LESSON.match(target):
        return f"[{words}](/lessons/{lesson[1]})"
    if target.startswith("https://"):
        return link[0]
    # A file of this tree, which no page serves.
    path = target.removeprefix("../").partition("#")[0]
    return words if not path or path in words else f"{words} (`{path if '/' in path else f'docs/{path}'}`)"
