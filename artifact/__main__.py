"""Compile what `sam build` has built: `python -m artifact .aws-sam/build`."""

import sys
from pathlib import Path

from artifact import NotBuilt
from artifact.bytecode import compile_artifacts

if __name__ == "__main__":
    try:
        compile_artifacts(Path(sys.argv[1]))
    except NotBuilt as problem:
        sys.exit(f"✘ {problem}")
