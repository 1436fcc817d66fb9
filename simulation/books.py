"""The books of a run: what the simulation has stored, and what it saw happen."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from aws.item import plain_item
from invariants import checks
from invariants.books import (
    Books,
    Called,
    Click,
    Email,
    Execution,
    Happened,
    News,
    Placement,
    ReturnRequest,
    from_tables,
)
from orders import epoch_seconds
from orders.tables import approval_from, open_order_key
from simulation import engine
from simulation.faults import minutes_away
from simulation.sandboxes import Invocation
from simulation.scenarios.world import PRICE, Scenario
from simulation.world import World


def violations(world: World, scenario: Scenario) -> list[tuple[str, str]]:
    """Each invariant that does not hold, by its name, and how."""
    found = checks.violations(books(world, scenario))
    return [(invariant.name, what) for invariant, broken in found.items() for what in broken]


def books(world: World, scenario: Scenario) -> Books:
    """Everything that the invariants ask for."""
    return from_tables(
        world.stored(),
        emails(world),
        sum(len(world.queue(name)) for name in queues(world)),
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
        limit=int(scenario.variables.get("APPROVAL_LIMIT", 0)),
        clicks=clicks(world),
        placements=placements(world),
        prices=dict.fromkeys(scenario.stock, PRICE),
        cancels=cancels(world),
        asked=world.asked,
        in_vain=world.in_vain,
        explained={order_id: explained_questions(world, order_id) for order_id in world.asked},
        after_sale=None if scenario.without else True,
        news=news(world),
        asked_back=asked_back(world),
        unpaid=world.unpaid,
    )


def queues(world: World) -> list[str]:
    """The outputs that name a queue for what failed."""
    return sorted(output for output in world.stack.outputs if output.endswith("QueueUrl"))


def called(world: World) -> dict[str, list[Called]]:
    """When a person was called for each order."""
    calls: dict[str, list[Called]] = defaultdict(list)
    for alert in world.alerts:
        for one in alert.message["open"]:
            key = open_order_key(one["order_id"], one.get("return_id", ""))["order_id"]["S"]
            calls[one["order_id"]].append(Called(alert.at, key in alert.recorded, f"{key}: {alert.openings[key]}"))
    return dict(calls)


def mistaken(world: World) -> dict[str, float]:
    """When a function said for the first time that only a person can mend what it found, by order; or called one for
    what a sender had told.
    """
    first = {one["order_id"]: alert.at for alert in world.alerts if alert.told for one in alert.message["open"]}
    for invocation in world.invocations:
        if invocation.answer and invocation.answer["body"].get("errorType") == "Unrecoverable":
            first.setdefault(invocation.order_id, invocation.started - world.born)
    return first


def clicks(world: World) -> list[Click]:
    """What approvers have answered, under links that were right."""
    return [
        Click(one.order_id, one.sent.removeprefix("decision="), one.status)
        for one in world.answers
        if one.asked == "POST /approvals/{token}" and one.status != 404
    ]


def placements(world: World) -> list[Placement]:
    """The orders that the API was asked for."""
    return [
        Placement(json.loads(one.sent), one.status, json.loads(one.body) if one.status == 201 else {})
        for one in world.answers
        if one.asked == "POST /orders"
    ]


def cancels(world: World) -> dict[str, list[int]]:
    """What those were answered who asked for the end of an order, by the order."""
    statuses: dict[str, list[int]] = defaultdict(list)
    for one in world.answers:
        if one.asked == "POST /orders/{order_id}/cancel":
            statuses[one.order_id].append(one.status)
    return dict(statuses)


def news(world: World) -> list[News]:
    """What senders have told, and what they were answered at last."""
    return [
        News(
            sender,
            body["id"],
            body.get("kind") or body["type"],
            body.get("reference") or body["data"]["object"]["payment_intent"],
            answer.status,
        )
        for sender, body, answer in world.news
    ]


def asked_back(world: World) -> list[ReturnRequest]:
    """The returns that customers asked for."""
    return [
        ReturnRequest(
            one.order_id,
            {line["sku"]: line["quantity"] for line in json.loads(one.sent)["lines"]},
            one.status,
            json.loads(one.body)["return_id"] if one.status == 201 else "",
        )
        for one in world.answers
        if one.asked == "POST /orders/{order_id}/returns"
    ]


def explained_questions(world: World, order_id: str) -> int:
    """How many emails the approver may get about an order: one, a reminder once a sixth of the time is over, and
    whatever no record can tell of.
    """
    item = next((one for one in world.stored()["ApprovalsTable"] if one["order_id"]["S"] == order_id), None)
    if item is None:
        return 1
    given = approval_from(item)
    ended = epoch_seconds(given.decided_at) if given.decided_at else world.loop.now
    asked_at = epoch_seconds(given.asked_at)
    reminders = ended - asked_at >= (given.expires_at - asked_at) / 6
    asking = [one for one in world.invocations if (one.step, one.order_id) == ("ask", order_id)]
    return 1 + reminders + sum(map(_unrecorded_question, asking))


def _unrecorded_question(invocation: Invocation) -> bool:
    """SES took this invocation's email, and when the next one is due was not written down after it."""
    effects = [call.site for call in invocation.calls if call.effects]
    sent = next((number for number, site in enumerate(effects) if "SendEmail" in site), None)
    return sent is not None and (invocation.zombie or not any("UpdateItem" in site for site in effects[sent:]))


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
        if operation not in ("find", "find_refund"):
            answers[key, order_id].append(content)
    return answers


def unrecorded_emails(world: World, order_id: str) -> int:
    """How many emails nobody can know of: each of them may be followed by another."""
    return sum(_unrecorded(i) for i in world.invocations if i.order_id == order_id and i.step.endswith("notify"))


def _unrecorded(invocation: Invocation) -> bool:
    """SES took this invocation's email, and its record did not become complete while its caller still waited."""
    effects = {call.site: call for call in invocation.calls if call.effects}
    sent = next((call for site, call in effects.items() if "SendEmail" in site), None)
    recorded = next((call for site, call in effects.items() if "UpdateItem" in site), None)
    return bool(sent) and (recorded is None or invocation.zombie)
