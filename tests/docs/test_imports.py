"""Packages import each other in one direction only (pyproject.toml), and whoever turns an arrow is told."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.arrows import functions, rules

ROOT = Path(__file__).parents[2]
RULES = tomllib.loads(rules(ROOT))["tool"]["importlinter"]
PACKAGES = sorted(path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.arrows"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages, to be changed."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "tests").mkdir()
    for module in ("__init__.py", "arrows.py"):
        shutil.copy(ROOT / "tests" / module, folder / "tests")
    for package in ("functions", *PACKAGES):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_every_package_has_its_place_in_the_rules() -> None:
    contract, *_ = RULES["contracts"]
    placed = {package for layer in contract["layers"] for package in layer.split(" | ")}
    assert {*functions(ROOT), *PACKAGES} <= placed
    assert placed == set(RULES["root_packages"])


def test_the_arrows_go_one_way(copy: Path) -> None:
    assert lint_imports(copy).returncode == 0


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("functions/orders/turned.py", "payment.app"),
        ("functions/orders/turned.py", "aws.clients"),
        ("functions/aws/turned.py", "payment.app"),
        ("functions/payment/turned.py", "inventory.app"),
        ("functions/notify/turned.py", "local.stack"),
        ("invariants/turned.py", "simulation.world"),
        ("artifact/turned.py", "local.deploy"),
        ("functions/payment/turned.py", "jobs.runs"),
        ("invariants/turned.py", "jobs.runs"),
        ("jobs/turned.py", "local.stack"),
        ("jobs/turned.py", "simulation.world"),
        ("local/turned.py", "simulation.world"),
        ("local/turned.py", "demo.shop"),
        ("demo/turned.py", "crash.storm"),
        ("simulation/turned.py", "lessons.harness"),
        ("bench/warm.py", "bench.cost"),
        ("bench/meter.py", "bench.prices"),
        ("bench/growth.py", "simulation.world"),
    ],
)
def test_an_arrow_that_is_turned_is_found(copy: Path, module: str, imported: str) -> None:
    (copy / module).touch()
    before = (copy / module).read_text()
    (copy / module).write_text(f"{before}\nimport {imported}\n")
    try:
        found = lint_imports(copy)
    finally:
        (copy / module).write_text(before)
    assert found.returncode == 1
    assert imported in found.stdout
