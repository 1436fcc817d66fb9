"""Build a template with the SAM CLI, as it is deployed to AWS."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from artifact import NotBuilt
from artifact.bytecode import compile_artifacts

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"

Sam = Callable[..., None]  # runs the SAM CLI with these arguments, and raises when it fails


def build(folder: Path, template: Path, sam: Sam) -> None:
    """Build a template into a folder, with bytecode. Raises what `sam` raises, and NotBuilt."""
    sam("build", "--template-file", str(template), "--build-dir", str(folder))
    compile_artifacts(folder)


def build_for_lambda(folder: Path, template: Path = TEMPLATE) -> None:
    """Build what `make build` does, into another folder. Raises NotBuilt with the SAM CLI's own words."""
    with TemporaryDirectory(dir=folder.parent, prefix="sam-") as work:  # in which the SAM CLI leaves what it likes

        def sam(*arguments: str) -> None:
            # `sam build` looks for the Python that Lambda runs, and for its pip, on the path.
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
            done = subprocess.run(
                [sys.executable, "-m", "samcli", *arguments],
                cwd=work,
                env=os.environ | {"PATH": path},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise NotBuilt(f"`sam {arguments[0]}` failed:\n\n{done.stdout}{done.stderr}")

        build(folder, template, sam)
