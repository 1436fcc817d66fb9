"""Bytecode in the artifact: it is used where nothing can be written, and the same sources make the same bytes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from artifact import NotBuilt, bytecode
from local.stack import ROOT


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A build folder, in which two artifacts hold what our functions share."""
    for name in ("PublishFunction", "NotifyFunction"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "functions" / "orders", tmp_path / name / "orders", ignore=ignored)
        (tmp_path / name / "stripe" / "params").mkdir(parents=True)
        for package in ("stripe", "stripe/params"):
            (tmp_path / name / package / "__init__.py").write_text("")
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_bytecode_is_used_and_the_source_not_read(build: Path) -> None:
    bytecode.compile_artifacts(build)
    artifact = build / "PublishFunction"
    for source in artifact.rglob("*.py"):
        source.write_text("this is no Python")
    before = files(artifact)
    command = (
        "import sys; sys.path.insert(0, sys.argv[1]); import orders.money; print(orders.money.format_amount(5, 'EUR'))"
    )

    answer = subprocess.run(
        [sys.executable, "-I", "-B", "-c", command, str(artifact)], capture_output=True, text=True, check=True
    )

    assert answer.stdout == "0.05 EUR\n"
    assert files(artifact) == before


def test_two_builds_are_the_same_byte_for_byte(build: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("a-longer-name-than-the-other")
    shutil.copytree(build, elsewhere, dirs_exist_ok=True)
    for source in elsewhere.rglob("*.py"):
        source.touch()

    bytecode.compile_artifacts(build)
    bytecode.compile_artifacts(elsewhere)

    assert files(build) == files(elsewhere)
    assert files(build / "PublishFunction") == files(build / "NotifyFunction")
    assert any(name.endswith("money.cpython-313.pyc") for name in files(build))


def test_what_nothing_imports_is_not_compiled(build: Path) -> None:
    bytecode.compile_artifacts(build)

    compiled = [
        name for name in files(build / "PublishFunction") if name.startswith("stripe") and name.endswith(".pyc")
    ]
    assert compiled == ["stripe/__pycache__/__init__.cpython-313.pyc"]


def test_a_traceback_names_the_path_on_lambda(build: Path) -> None:
    bytecode.compile_artifacts(build)

    assert (
        b"/var/task/orders/money.py"
        in (build / "PublishFunction" / "orders" / "__pycache__" / "money.cpython-313.pyc").read_bytes()
    )


def test_what_is_no_python_is_a_problem_that_names_the_artifact(build: Path) -> None:
    (build / "NotifyFunction" / "broken.py").write_text("def")

    with pytest.raises(NotBuilt, match="NotifyFunction could not be compiled"):
        bytecode.compile_artifacts(build)


def test_a_folder_without_artifacts_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(NotBuilt, match="Run `sam build` first"):
        bytecode.compile_artifacts(tmp_path)


def test_another_python_than_lambdas_is_a_problem(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "RUNTIME", (3, 12))

    with pytest.raises(NotBuilt, match=r"Lambda runs Python 3\.12"):
        bytecode.compile_artifacts(build)


def test_the_template_runs_the_python_that_is_compiled_for() -> None:
    version = ".".join(map(str, bytecode.RUNTIME))

    assert f"Default: python{version}\n" in (ROOT / "template.yaml").read_text()
