"""Every workflow's definition, found in statemachine/."""

from __future__ import annotations

import re
from pathlib import Path

DEFINITIONS = sorted((Path(__file__).parents[2] / "statemachine").glob("*.asl.json"))
MINUTES = 60


def deployed(path: Path) -> str:
    """A definition with what CloudFormation would fill in: names for what the tests answer, a number for minutes."""

    def filled(placeholder: re.Match[str]) -> str:
        return str(MINUTES) if placeholder[1].endswith("Minutes") else placeholder[1]

    return re.sub(r"\$\{(\w+)\}", filled, path.read_text())
