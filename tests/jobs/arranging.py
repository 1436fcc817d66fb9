"""A run of the books, and what tests arrange for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from jobs import services
from tests.unit.faults import SandboxDied, die
from tests.unit.stack import REGION, aws

DAY = "2026-01-01"
AS_OF = "2026-01-02T01:00:00.000+00:00"
RUN = f"arn:aws:states:{REGION}:123456789012:execution:books:a-night"
BUCKET = "books"


class Executions:
    """The workflow's executions, in moto. They run until they are stopped."""

    def __init__(self) -> None:
        self._states: Any = aws("stepfunctions")
        nothing = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 1, "End": True}}}
        role = "arn:aws:iam::123456789012:role/books"
        machine = self._states.create_state_machine(name="books", definition=json.dumps(nothing), roleArn=role)
        self._machine = machine["stateMachineArn"]

    def start(self, name: str) -> str:
        """An execution's ARN."""
        return str(self._states.start_execution(stateMachineArn=self._machine, name=name)["executionArn"])

    def stop(self, run: str) -> None:
        self._states.stop_execution(executionArn=run)


def dies_at(number: int, when: str, job: Callable[[], object]) -> bool:
    """Whether a job died `before` or `after` its request of this number to S3 or DynamoDB was carried out, counted from
    0. It does not where it makes fewer.
    """
    requests = count()

    def perhaps() -> None:
        if next(requests) == number:
            die()

    calls = {
        services.s3(): ("get_object", "put_object"),
        services.dynamodb(): ("get_item", "put_item", "update_item", "scan"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for client, names in calls.items():
            for name in names:
                patch.setattr(client, name, _around(getattr(client, name), when, perhaps))
        try:
            job()
        except SandboxDied:
            return True
    return False


def _around(call: Callable[..., Any], when: str, happens: Callable[[], None]) -> Callable[..., Any]:
    def before(**arguments: Any) -> Any:
        happens()
        return call(**arguments)

    def after(**arguments: Any) -> Any:
        answer = call(**arguments)
        happens()
        return answer

    return before if when == "before" else after
