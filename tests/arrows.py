"""The arrows between packages, as pyproject.toml has them: `python -m tests.arrows`, as `make lint` does.

import-linter wants every package by its name, and functions are found, not listed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from importlinter.cli import lint_imports


def functions(root: Path) -> list[str]:
    """The folders of functions/ that hold a handler."""
    return sorted(path.parent.name for path in (root / "functions").glob("*/app.py"))


def rules(root: Path) -> str:
    """pyproject.toml with the functions' names in it."""
    found = functions(root)
    text = (root / "pyproject.toml").read_text("utf-8")
    return text.replace('"<each function>"', ", ".join(f'"{name}"' for name in found)).replace(
        "<functions>", " | ".join(found)
    )


def main() -> int:
    """Hold the packages in the current folder against their rules."""
    root = Path.cwd()
    sys.path[:0] = [str(root / "functions"), str(root)]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "arrows.toml"
        config.write_text(rules(root), "utf-8")
        return int(lint_imports(config_filename=str(config), no_cache=True, no_logo=True))


if __name__ == "__main__":
    sys.exit(main())
