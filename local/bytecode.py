"""Compile what `sam build` has built: `python -m local.bytecode .aws-sam/build`.

`sam build` ships sources only, and the folder in which Lambda puts them is read-only, so that each cold start compiles
everything that it imports, and throws it away.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.stack import Problem

# Python's own bytecode format changes with each minor version: what another one has compiled is ignored by Lambda, and
# its cold starts are slow again.
RUNTIME = (3, 13)

# Stripe's subpackages are types, and API families that payments have no use for: half of all bytecode, and none of it
# is loaded.
NEVER_IMPORTED = r"/stripe/[^/]+/"


def compile_artifacts(build: Path) -> None:
    """Compile every function's artifact in the build folder of the SAM CLI. Raises Problem.

    Two builds are byte for byte the same, as far as `sam build` is: sources are recognized by nothing (Lambda does not
    change them), not by their time, and named by their path on Lambda.
    https://docs.python.org/3.13/reference/import.html#cached-bytecode-invalidation
    """
    if sys.version_info[:2] != RUNTIME:
        raise Problem(f"Lambda runs Python {'.'.join(map(str, RUNTIME))}: compile with the same.")
    artifacts = sorted(build.glob("*Function"))
    if not artifacts:
        raise Problem(f"There is nothing to compile in {build}. Run `sam build` first.")
    with ThreadPoolExecutor(2) as workers:
        list(workers.map(compile_artifact, artifacts))


def compile_artifact(artifact: Path) -> None:
    """Compile one artifact. Raises Problem."""
    # A process for each: what else its interpreter has in memory shows in the bytecode.
    command = [sys.executable, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    root = str(artifact.resolve())
    options = ["-s", root, "-p", "/var/task", "-x", NEVER_IMPORTED, root]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"{artifact.name} could not be compiled:\n\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    try:
        compile_artifacts(Path(sys.argv[1]))
    except Problem as problem:
        sys.exit(f"✘ {problem}")
