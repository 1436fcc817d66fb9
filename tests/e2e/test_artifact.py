"""What is deployed: one artifact for all functions, as large as it has to be, and the same each time it is built."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from artifact.bytecode import compile_artifact
from local.stack import ROOT

# On x86_64, with bytecode: 37.4 MB, of which 16 MB are Stripe's; 10 MB are bytecode. Lambda takes at most 250 MB.
LARGEST_BYTES = 39_000_000


@pytest.fixture(scope="module")
def artifacts(build: Path) -> list[Path]:
    return sorted(build.glob("*Function"))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_artifact_is_no_larger_than_it_was(artifacts: list[Path]) -> None:
    assert sum(map(len, files(artifacts[0]).values())) <= LARGEST_BYTES


def test_all_functions_are_deployed_from_the_same_bytes(artifacts: list[Path]) -> None:
    first, *others = map(files, artifacts)
    functions = (ROOT / "template.yaml").read_text("utf-8").count("Type: AWS::Serverless::Function\n")

    assert len(artifacts) == functions > 1
    assert all(other == first for other in others)


def test_what_is_compiled_again_is_the_same_byte_for_byte(artifacts: list[Path], tmp_path: Path) -> None:
    again = tmp_path / "artifact"
    shutil.copytree(artifacts[0], again, ignore=shutil.ignore_patterns("__pycache__"))

    compile_artifact(again)

    assert files(again) == files(artifacts[0])
    assert sum(name.endswith(".pyc") for name in files(again)) > 500
