"""Documents are code: their links lead somewhere, their excerpts are the source, their commands exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import demo.__main__ as demo_commands
import local.__main__ as commands
from demo import shop
from invariants.checks import INVARIANTS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("events/*.md")])
FOLDERS = "|".join(sorted(path.name for path in ROOT.glob("[a-z]*/")))
MAKE_TARGETS = set(re.findall(r"^([a-z][a-z-]*):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> set[str]:
    """The anchors that a repository page makes of a document's headings."""
    headings = re.findall(r"^#+ +(.+)$", without_code(document.read_text()), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return set(plain)


@documents
def test_every_link_leads_somewhere(document: Path) -> None:
    text = without_code(document.read_text())
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href|srcset)="([^"]+)"', text)
    broken = []
    for target in targets:
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@documents
def test_every_make_target_exists(document: Path) -> None:
    named = set(re.findall(r"(?:^\s*|`|\$ )make ([a-z][a-z-]*)", document.read_text(), re.MULTILINE))
    assert named - MAKE_TARGETS == set()


@documents
def test_every_excerpt_is_the_source(document: Path) -> None:
    excerpts = re.findall(r"<!-- from (\S+) -->\s*```\w*\n(.*?)```", document.read_text(), re.DOTALL)
    wrong = [name for name, code in excerpts if code.strip("\n") not in (ROOT / name).read_text()]
    assert wrong == []


def test_the_patterns_show_code() -> None:
    assert (ROOT / "docs/patterns.md").read_text().count("<!-- from ") >= 6


@documents
def test_every_file_that_is_named_exists(document: Path) -> None:
    named = re.findall(rf"`((?:{FOLDERS})/[\w./-]+\.\w+)`", without_code(document.read_text()))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_make_target_explains_itself() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make ([a-z-]+) ", shown, re.MULTILINE)) == MAKE_TARGETS


def test_the_local_commands_explain_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    ours = [(demo_commands.main, command) for command in ("run", "order", "books")]
    for main, command in ((commands.main, "up"), *ours):
        for arguments in (["--help"], [command, "--help"]):
            with pytest.raises(SystemExit) as ended:
                main(arguments)
            assert ended.value.code == 0
    assert "Place an order from a JSON file" in capsys.readouterr().out


def test_wrong_usage_is_told_apart_from_failure() -> None:
    with pytest.raises(SystemExit) as ended:
        demo_commands.main(["run", "--orders", "many"])
    assert ended.value.code == 2


def test_what_the_readme_shows_of_make_run_is_what_it_prints() -> None:
    [shown] = re.findall(r"<!-- what make run prints -->\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    orders, invariants = shown.split("\nInvariants\n")
    rows = [re.fullmatch(r"(.+?)  +\S+(?: ×\d)?  +✔ ([A-Z]+)", row) for row in orders.splitlines()[1:]]
    assert [row[1] for row in rows if row] == [placement.title for placement in shop.showcase()]
    assert all(row and row[2] in placement.expected for row, placement in zip(rows, shop.showcase(), strict=True))
    watched = {"opening", "placed", "expected", "past", "intents", "emails", "waiting"}
    promises = [invariant.sentence for invariant in INVARIANTS if watched.issuperset(invariant.needs)]
    assert [line.removeprefix("  ✔ ") for line in invariants.splitlines()] == promises
