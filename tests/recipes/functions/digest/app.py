"""Count the points that were given, on a schedule.

Pattern: a read has no effect, so it may be repeated.
"""

from __future__ import annotations

import os
from typing import Any

from aws import clients, logger


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Any event in; out `{"points"}`, how many there are."""
    answer = clients.dynamodb().scan(TableName=os.environ["POINTS_TABLE"], Select="COUNT")
    logger.info("points counted", points=answer["Count"])
    return {"points": answer["Count"]}
