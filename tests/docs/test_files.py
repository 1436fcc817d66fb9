"""What every file of code keeps to: it is short, and it takes the words of the domain from the domain."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orders import Outcome, PaymentStatus, Reason, ReservationStatus, Status

ROOT = Path(__file__).parents[2]
MAX_LINES = 400

DOMAIN = "functions/orders/"
# The code of other people, as examples; and tests, which have to say what they expect.
SPEAKS_FOR_ITSELF = ("bench/usual/", "lessons/lesson_", "tests/")
WORDS = frozenset(word for words in (Outcome, Status, Reason, ReservationStatus, PaymentStatus) for word in words)
KEYS = ("SKU#", "SHARD#", "ORDER#")


def tracked(*patterns: str) -> list[str]:
    command = ["git", "ls-files", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).is_file()]


def docstrings(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        match node:
            case (
                ast.Module(body=[ast.Expr(value=text), *_])
                | ast.ClassDef(body=[ast.Expr(value=text), *_])
                | ast.FunctionDef(body=[ast.Expr(value=text), *_])
                | ast.AsyncFunctionDef(body=[ast.Expr(value=text), *_])
            ):
                yield text


def literals(source: str) -> list[tuple[int, str]]:
    """Words and keys of the domain that a source spells out, each with its line."""
    tree = ast.parse(source)
    said = set(docstrings(tree))
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in said
        if node.value in WORDS or node.value.startswith(KEYS)
    ]


def test_no_file_of_code_is_longer_than_a_person_reads_at_once() -> None:
    names = tracked("*.py", "*.sh", "Makefile", "*/Makefile")
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in names}

    assert "Makefile" in lengths
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_words_and_keys_of_the_domain_are_spelled_out_in_the_domain_only() -> None:
    names = [name for name in tracked("*.py") if not name.startswith((DOMAIN, *SPEAKS_FOR_ITSELF))]
    found = {name: literals((ROOT / name).read_text()) for name in names}

    assert {"functions/inventory/app.py", "lessons/harness.py"} <= found.keys()
    assert {name: said for name, said in found.items() if said} == {}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('status = "RESERVED"', "RESERVED"),
        ('pk = f"SKU#{sku}"', "SKU#"),
        ('match outcome:\n    case "CONFIRMED": pass', "CONFIRMED"),
        ('"""Doc."""\n"VOIDED"', "VOIDED"),
        ('reasons = {"OUT_OF_STOCK": 1}', "OUT_OF_STOCK"),
    ],
)
def test_a_word_is_found_wherever_it_stands(source: str, said: str) -> None:
    assert [word for _, word in literals(source)] == [said]


@pytest.mark.parametrize(
    "source", ['"""VOIDED"""', 'def void():\n    """VOIDED"""', 'status = "SUCCEEDED"', "status = PaymentStatus.VOIDED"]
)
def test_what_is_said_of_a_word_or_is_another_services_is_not_one(source: str) -> None:
    assert literals(source) == []
