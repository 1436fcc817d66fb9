"""Every workflow's definition, found in statemachine/."""

from __future__ import annotations

import re
from pathlib import Path

from tests.workflow.engines import ACCOUNT, REGION

DEFINITIONS = sorted((Path(__file__).parents[2] / "statemachine").glob("*.asl.json"))
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts"


def deployed(path: Path) -> str:
    """A definition with what CloudFormation would fill in: names for what the tests answer, an ARN for the topic."""

    def filled(placeholder: re.Match[str]) -> str:
        return TOPIC if placeholder[1].endswith("TopicArn") else placeholder[1]

    return re.sub(r"\$\{(\w+)\}", filled, path.read_text())
