"""The books of a run: what the simulation has stored, and what it saw happen."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from invariants import checks
from invariants.books import Books, Called, Email, Execution, Happened, from_tables, plain_item
from simulation import engine
from simulation.faults import minutes_away
from simulation.sandboxes import Invocation
from simulation.scenarios.world import Scenario
from simulation.world import World

QUEUES = ("DeadLetterQueueUrl", "StreamFailureQueueUrl")


def violations(world: World, scenario: Scenario) -> list[tuple[str, str]]:
    """Each invariant that does not hold, by its name, and how."""
    found = checks.violations(books(world, scenario))
    return [(invariant.name, what) for invariant, broken in found.items() for what in broken]


def books(world: World, scenario: Scenario) -> Books:
    """Everything that the invariants ask for."""
    return from_tables(
        world.stored(),
        emails(world),
        sum(len(world.queue(name)) for name in QUEUES),
        opening=scenario.stock,
        arrived=world.restocked,
        placed={order_id: [plain_item(item) for item in items] for order_id, items in world.placed.items()},
        expected=scenario.outcomes,
        past=past(world),
        events={Happened(event["DetailType"], json.loads(event["Detail"])["order_id"]) for event in world.bus_events()},
        executions=[
            Execution(
                execution["executionArn"],
                engine.order_of(execution),
                execution["status"],
                execution.get("error", ""),
            )
            for execution in world.executions()
        ],
        unrecorded={order_id: unrecorded_emails(world, order_id) for order_id in world.placed},
        held=held(world),
        claims=world.claims,
        called=called(world),
        minutes_away=sum(minutes_away(fault.kind) for fault in world.injector.fired),
        mistaken=mistaken(world),
    )


def called(world: World) -> dict[str, list[Called]]:
    """When a person was called for each order."""
    calls: dict[str, list[Called]] = defaultdict(list)
    for alert in world.alerts:
        for one in alert.message["open"]:
            order_id = one["order_id"]
            calls[order_id].append(Called(alert.at, order_id in alert.recorded, alert.openings[order_id]))
    return dict(calls)


def mistaken(world: World) -> dict[str, float]:
    """When a function said for the first time that only a person can mend what it found, by order."""
    first: dict[str, float] = {}
    for invocation in world.invocations:
        if invocation.answer and invocation.answer["body"].get("errorType") == "Unrecoverable":
            first.setdefault(invocation.order_id, invocation.started - world.born)
    return first


def past(world: World) -> list[tuple[str, dict[str, Any] | None]]:
    """Every state that an order had, oldest first, from the stream of OrderStates."""
    changes = (record["dynamodb"] for record in world.changes_of("OrderStatesTable"))
    return [
        (change["Keys"]["order_id"]["S"], plain_item(change["NewImage"]) if "NewImage" in change else None)
        for change in changes
    ]


def emails(world: World) -> list[Email]:
    """What SES took."""
    return [Email(", ".join(one["To"]), one["Subject"]) for one in world.emails()]


def held(world: World) -> dict[tuple[str, str], list[Any]]:
    """What was answered with success, by step or provider's key and by order: the content of each request."""
    answers: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for invocation in world.invocations:
        if invocation.answer and invocation.answer["body"] == {"held": True}:
            answers[invocation.step, invocation.order_id].append(
                {name: value for name, value in invocation.event.items() if name not in ("action", "order_id")}
            )
    for order_id, operation, (key, *content) in world.provider_answers:
        if operation != "find":
            answers[key, order_id].append(content)
    return answers


def unrecorded_emails(world: World, order_id: str) -> int:
    """How many emails nobody can know of: each of them may be followed by another."""
    return sum(_unrecorded(i) for i in world.invocations if (i.step, i.order_id) == ("notify", order_id))


def _unrecorded(invocation: Invocation) -> bool:
    """SES took this invocation's email, and its record did not become complete while its caller still waited."""
    effects = {call.site: call for call in invocation.calls if call.effects}
    sent = next((call for site, call in effects.items() if "SendEmail" in site), None)
    recorded = next((call for site, call in effects.items() if "UpdateItem" in site), None)
    return bool(sent) and (recorded is None or invocation.zombie)
