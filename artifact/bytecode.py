"""Compile what `sam build` has built.

`sam build` ships sources only, and the folder in which Lambda puts them is read-only, so that each cold start compiles
everything that it imports, and throws it away.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from artifact import NotBuilt

# Python's own bytecode format changes with each minor version: what another one has compiled is ignored by Lambda, and
# its cold starts are slow again.
RUNTIME = (3, 13)

# Stripe's subpackages are types, and API families that payments have no use for: half of all bytecode, and none of it
# is loaded.
NEVER_IMPORTED = r"/stripe/[^/]+/"


def compile_artifacts(build: Path) -> None:
    """Compile every function's artifact in the build folder of the SAM CLI. Raises NotBuilt.

    Two builds are byte for byte the same, as far as `sam build` is: sources are recognized by nothing (Lambda does not
    change them), not by their time, and named by their path on Lambda.
    https://docs.python.org/3.13/reference/import.html#cached-bytecode-invalidation
    """
    if sys.version_info[:2] != RUNTIME:
        raise NotBuilt(f"Lambda runs Python {'.'.join(map(str, RUNTIME))}: compile with the same.")
    found = artifacts(build)
    if not found and not (build / "template.yaml").exists():  # a stack need not have functions
        raise NotBuilt(f"There is nothing to compile in {build}. Run `sam build` first.")
    with ThreadPoolExecutor(2) as workers:
        list(workers.map(compile_artifact, found))


def artifacts(build: Path) -> list[Path]:
    """Every function's artifact: the SAM CLI makes a folder of each, and no others."""
    return sorted(path for path in build.glob("*") if path.is_dir())


def compile_artifact(artifact: Path) -> None:
    """Compile one artifact. Raises NotBuilt."""
    # A process for each: what else its interpreter has in memory shows in the bytecode.
    command = [sys.executable, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    root = str(artifact.resolve())
    options = ["-s", root, "-p", "/var/task", "-x", NEVER_IMPORTED, root]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotBuilt(f"{artifact.name} could not be compiled:\n\n{done.stdout}{done.stderr}")
