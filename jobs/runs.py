"""Whose a day is, what its run has planned, and what it came to: the BookRuns table.

Pattern: the claim. To submit a job is not idempotent, and a schedule delivers at least once, so two executions may be
about the same day. The day is one item, and one conditional write says whose it is. An execution that died holds its
claim still; whoever comes next asks Step Functions whether it runs, and takes the claim over from it and nobody else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from jobs import settings
from jobs.places import execution_name
from jobs.services import dynamodb, workflows
from orders import iso_8601
from orders.tables import Item

OURS, TAKEN = "OURS", "TAKEN"


class NotOurs(settings.Problem):
    """The day is another run's by now."""


@dataclass(frozen=True)
class Plan:
    """What a run does: `run` is its execution's ARN, `day` an ISO 8601 date, and `as_of` when it claimed the day (ISO
    8601, UTC), which never changes. `standing` is OURS, or TAKEN when another run has the day. With `repair` it may put
    right what is safe to.
    """

    run: str
    day: str
    as_of: str
    standing: str
    partitions: int
    segments: int
    repair: bool


def now() -> str:
    """The time, as it is written down: ISO 8601, UTC."""
    return iso_8601(time.time())


def claim(day: str, run: str) -> str | None:
    """Claim a day for a run; answers when it did so (ISO 8601), each time the same, or None while another run that is
    still running has it. A day whose run has finished can be claimed again.
    """
    while True:
        moment = now()
        held = _take(
            day, run, moment, "attribute_not_exists(id) OR (#run <> :me AND attribute_exists(finished_at))", {}
        )
        if held is None:
            return moment
        holder = str(held["run"]["S"])
        if holder == run:
            return str(held["claimed_at"]["S"])
        if "finished_at" not in held and is_running(holder):
            return None
        dead = "#run = :holder AND #run <> :me AND attribute_not_exists(finished_at)"
        if _take(day, run, moment, dead, {":holder": {"S": holder}}) is None:
            return moment
        # Somebody was faster, or it has just finished: look again.


def _take(day: str, run: str, moment: str, condition: str, values: Item) -> Item | None:
    """Write the claim if the condition holds. Answers None if it did, else the claim that stands."""
    try:
        dynamodb().update_item(
            TableName=_table(),
            Key=_day(day),
            UpdateExpression="SET #run = :me, claimed_at = :now REMOVE finished_at",
            ConditionExpression=condition,
            ExpressionAttributeNames={"#run": "run"},
            ExpressionAttributeValues={":me": {"S": run}, ":now": {"S": moment}} | values,
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except dynamodb().exceptions.ConditionalCheckFailedException as stands:
        held: Item = stands.response["Item"]  # type: ignore[typeddict-item]
        return held
    return None


def is_running(run: str) -> bool:
    """Whether an execution is. One that nobody knows is none that runs: Step Functions forgets after 90 days.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
    """
    unknown = workflows().exceptions
    try:
        return workflows().describe_execution(executionArn=run)["status"] == "RUNNING"
    except (unknown.ExecutionDoesNotExist, unknown.InvalidArn):
        return False


def keep(plan: Plan) -> Plan:
    """Write a run's plan down, unless it has one; answers the one that it has."""
    try:
        dynamodb().put_item(
            TableName=_table(),
            Item={
                **_run(plan.run),
                "run": {"S": plan.run},
                "day": {"S": plan.day},
                "as_of": {"S": plan.as_of},
                "standing": {"S": plan.standing},
                "partitions": {"N": str(plan.partitions)},
                "segments": {"N": str(plan.segments)},
                "repair": {"BOOL": plan.repair},
            },
            ConditionExpression="attribute_not_exists(id)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except dynamodb().exceptions.ConditionalCheckFailedException as stands:
        return _plan_from(stands.response["Item"])  # type: ignore[typeddict-item]
    return plan


def plan(run: str) -> Plan:
    """What a run has planned. Raises LookupError while it has not."""
    item = _read(_run(run))
    if item is None:
        raise LookupError(f"no plan of the run {execution_name(run)}: begin comes first")
    return _plan_from(item)


def _plan_from(item: Item) -> Plan:
    return Plan(
        run=item["run"]["S"],
        day=item["day"]["S"],
        as_of=item["as_of"]["S"],
        standing=item["standing"]["S"],
        partitions=int(item["partitions"]["N"]),
        segments=int(item["segments"]["N"]),
        repair=item["repair"]["BOOL"],
    )


def holds(plan: Plan) -> bool:
    """Whether the day is still this run's."""
    item = _read(_day(plan.day))
    return item is not None and item["run"]["S"] == plan.run


def finish(plan: Plan, *, findings: int, repaired: int, report: str, summary: str) -> None:
    """Write down what a run came to, and let go of its day. `report` and `summary` are s3:// addresses. Raises NotOurs
    when the day is another run's.
    """
    dynamodb().update_item(
        TableName=_table(),
        Key=_run(plan.run),
        UpdateExpression="SET findings = :findings, repaired = :repaired, report = :report, summary = :summary",
        ConditionExpression="attribute_exists(id)",
        ExpressionAttributeValues={
            ":findings": {"N": str(findings)},
            ":repaired": {"N": str(repaired)},
            ":report": {"S": report},
            ":summary": {"S": summary},
        },
    )
    try:
        dynamodb().update_item(
            TableName=_table(),
            Key=_day(plan.day),
            UpdateExpression="SET finished_at = if_not_exists(finished_at, :now)",
            ConditionExpression="#run = :me",
            ExpressionAttributeNames={"#run": "run"},
            ExpressionAttributeValues={":me": {"S": plan.run}, ":now": {"S": now()}},
        )
    except dynamodb().exceptions.ConditionalCheckFailedException:
        raise NotOurs(f"another run has claimed {plan.day}") from None


def _read(key: Any) -> Item | None:
    return dynamodb().get_item(TableName=_table(), Key=key, ConsistentRead=True).get("Item")


def _table() -> str:
    return settings.text("BOOK_RUNS_TABLE")


def _day(day: str) -> Item:
    return {"id": {"S": f"DAY#{day}"}}


def _run(run: str) -> Item:
    return {"id": {"S": f"RUN#{execution_name(run)}"}}
