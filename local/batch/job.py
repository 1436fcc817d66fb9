"""A job, and what of it is worked out from its definition and its submission, without running it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from local.batch.container import Container

STATES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
WAITING = ("SUBMITTED", "PENDING", "RUNNABLE")
OVER = ("SUCCEEDED", "FAILED")


class Refused(Exception):
    """A request that Batch answers with ClientException."""


@dataclass(eq=False)
class Job:
    """A job as DescribeJobs has it, and what it has to do with others. An array job has children and runs nothing."""

    description: dict[str, Any]
    place: Context  # in which MiniStack keeps the account and the region
    parent: Job | None = None
    children: list[Job] = field(default_factory=list)
    waits_for: list[Job] = field(default_factory=list)
    awaited_by: list[Job] = field(default_factory=list)
    container: Container | None = None
    ended_because: str | None = None  # once somebody has ended it

    @property
    def status(self) -> str:
        """One of STATES."""
        return str(self.description["status"])

    @property
    def over(self) -> bool:
        """Whether nothing of it changes any more."""
        return self.status in OVER


def described(
    job_id: str, request: Mapping[str, Any], queue: str, definition: Mapping[str, Any], now: int
) -> dict[str, Any]:
    """A job that was just submitted, as DescribeJobs has it; `now` is in milliseconds.

    https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDetail.html
    """
    properties, overrides = definition["containerProperties"], request.get("containerOverrides") or {}
    parameters = (definition.get("parameters") or {}) | (request.get("parameters") or {})
    command = overrides.get("command") or properties.get("command") or []
    job: dict[str, Any] = {
        "jobId": job_id,
        "jobName": request["jobName"],
        "jobQueue": queue,
        "status": "SUBMITTED",
        "attempts": [],
        "createdAt": now,
        "retryStrategy": {"attempts": 1, "evaluateOnExit": []}
        | (definition.get("retryStrategy") or {})
        | (request.get("retryStrategy") or {}),
        "dependsOn": request.get("dependsOn") or [],
        "jobDefinition": definition["jobDefinitionArn"],
        "parameters": parameters,
        "container": properties
        | {
            "command": [substituted(word, parameters) for word in command],
            "environment": overridden(properties.get("environment"), overrides.get("environment"), "name"),
            "resourceRequirements": overridden(
                properties.get("resourceRequirements"), overrides.get("resourceRequirements"), "type"
            ),
            "networkInterfaces": [],
        },
        "tags": request.get("tags") or {},
        "propagateTags": bool(request.get("propagateTags", definition.get("propagateTags", False))),
        "platformCapabilities": definition.get("platformCapabilities") or ["EC2"],
    }
    if timeout := request.get("timeout") or definition.get("timeout"):
        job["timeout"] = timeout
    return job


def substituted(word: str, parameters: Mapping[str, str]) -> str:
    """A word of a command with the value of the parameter that it refers to, where there is one.

    https://docs.aws.amazon.com/batch/latest/userguide/job_definition_parameters.html#parameters
    """
    return re.sub(r"Ref::(\w+)", lambda found: str(parameters.get(found[1], found[0])), word)


def overridden(
    given: list[dict[str, str]] | None, overrides: list[dict[str, str]] | None, key: str
) -> list[dict[str, str]]:
    """A list of settings, with those of a submission in the place of the definition's that have the same key."""
    return list({one[key]: one for one in [*(given or []), *(overrides or [])]}.values())


def tries_again(job: Mapping[str, Any], exit_code: int | None, reason: str, status_reason: str) -> bool:
    """Whether an attempt that failed is followed by another one, of which the failed one is the last in `attempts`.

    The first rule decides all of whose conditions hold; where none does it is tried again, as often as it may be.
    https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
    """
    strategy = job["retryStrategy"]
    if len(job["attempts"]) >= int(strategy["attempts"]):
        return False
    found = {
        "onExitCode": "" if exit_code is None else str(exit_code),
        "onReason": reason,
        "onStatusReason": status_reason,
    }
    for rule in strategy["evaluateOnExit"]:
        if all(_matches(rule[condition], text) for condition, text in found.items() if condition in rule):
            return str(rule["action"]).upper() == "RETRY"
    return True


def _matches(pattern: str, text: str) -> bool:
    start, star, _ = str(pattern).partition("*")
    return text.lower().startswith(start.lower()) if star else text.lower() == start.lower()
