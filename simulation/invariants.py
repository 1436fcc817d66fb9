"""The promises, each a function that yields how it was broken.

They are checked when faults have stopped, everything was redelivered and nobody has anything left to do.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from simulation.scenarios import PRICE, Scenario
from simulation.world import Invocation, World, plain


@dataclass(frozen=True)
class Violation:
    """A broken promise: which one, and how."""

    invariant: str
    what: str


Invariant = Callable[[World, Scenario], Iterator[str]]
INVARIANTS: dict[str, Invariant] = {}


def _promise(check: Invariant) -> Invariant:
    INVARIANTS[check.__name__] = check
    return check


def check(world: World, scenario: Scenario) -> list[Violation]:
    """Every promise that does not hold."""
    with world.standing_still():
        return [Violation(name, what) for name, promise in INVARIANTS.items() for what in promise(world, scenario)]


@_promise
def stock_is_conserved(world: World, scenario: Scenario) -> Iterator[str]:
    """Of each SKU: what is available and what orders hold adds up to what was there, and nothing is negative."""
    held: Counter[str] = Counter()
    for reservation in _reservations(world).values():
        if reservation["status"] == "RESERVED":
            for line in reservation["lines"]:
                held[line["sku"]] += int(line["quantity"])
    available: Counter[str] = Counter()
    for item in world.items("InventoryTable"):
        if item["sk"] in ("STOCK", "SHARD"):
            # `SKU#<sku>`, or `SHARD#<number>#<sku>`; a SKU may have a # in it.
            sku = item["pk"].split("#", 1 if item["sk"] == "STOCK" else 2)[-1]
            available[sku] += int(item["available"])
            if item["available"] < 0:
                yield f"{item['pk']}: {item['available']} available"
    for sku, units in scenario.stock.items():
        there = units + world.restocked[sku]
        if available[sku] + held[sku] != there:
            yield f"{sku}: {available[sku]} available + {held[sku]} held is not {there}"


@_promise
def one_hold_at_most(world: World, scenario: Scenario) -> Iterator[str]:
    """The provider never holds or takes an order's money twice."""
    for order_id, intents in _intents(world).items():
        live = [intent for intent in intents if intent["status"] in ("requires_capture", "succeeded")]
        if len(live) > 1:
            yield f"{order_id}: {len(live)} intents hold or took money"


@_promise
def confirmed_is_captured_in_full(world: World, scenario: Scenario) -> Iterator[str]:
    """A confirmed order's money was taken, once, and is exactly what its reserved lines cost."""
    intents, reservations = _intents(world), _reservations(world)
    for order_id, outcome in _outcomes(world).items():
        if outcome != "CONFIRMED":
            continue
        taken = [i for i in intents[order_id] if i["status"] == "succeeded"]
        reservation = reservations.get(order_id, {"lines": []})
        worth = sum(int(line["quantity"]) * PRICE for line in reservation["lines"])
        if [int(intent["amount"]) for intent in taken] != [worth]:
            yield f"{order_id}: taken {[int(intent['amount']) for intent in taken]}, worth {worth}"


@_promise
def otherwise_nothing_is_held(world: World, scenario: Scenario) -> Iterator[str]:
    """A cancelled or rejected order holds neither stock nor money, and nobody took any."""
    intents, reservations = _intents(world), _reservations(world)
    for order_id, outcome in _outcomes(world).items():
        if outcome == "CONFIRMED":
            continue
        for intent in intents[order_id]:
            if intent["status"] in ("requires_capture", "succeeded"):
                yield f"{order_id} is {outcome}, its intent {intent['status']}"
        if reservations.get(order_id, {}).get("status") == "RESERVED":
            yield f"{order_id} is {outcome}, its stock reserved"


@_promise
def records_agree_with_the_decision(world: World, scenario: Scenario) -> Iterator[str]:
    """Order, reservation and payment say the same."""
    payments = {item["order_id"]: item for item in world.items("PaymentsTable")}
    reservations = _reservations(world)
    for order_id, state in _states(world).items():
        outcome = state["decision"]["outcome"]
        if state["status"] != outcome or outcome not in state["history"]:
            yield f"{order_id}: decided {outcome}, status {state['status']}, history {sorted(state['history'])}"
        reserved = reservations.get(order_id, {}).get("status")
        paid = payments.get(order_id, {}).get("status")
        agreed = (
            reserved == "RESERVED" and paid == "CAPTURED"
            if outcome == "CONFIRMED"
            else reserved == "RELEASED" and paid in ("VOIDED", "DECLINED")
        )
        if not agreed:
            yield f"{order_id}: decided {outcome}, reservation {reserved}, payment {paid}"


@_promise
def the_decision_never_changes(world: World, scenario: Scenario) -> Iterator[str]:
    """A decision, once written, stays as it is, and so does the status that came of it."""
    history: dict[str, list[dict[str, Any] | None]] = defaultdict(list)
    for record in world.changes_of("OrderStatesTable"):
        image = record["dynamodb"].get("NewImage")
        history[record["dynamodb"]["Keys"]["order_id"]["S"]].append(plain(image) if image else None)
    for order_id, states in history.items():
        for before, after in pairwise(states):
            if before != after:
                yield f"{order_id}: {before} became {after}"


@_promise
def everything_is_decided(world: World, scenario: Scenario) -> Iterator[str]:
    """No order is left undecided, and none is decided in a way that its scenario rules out."""
    outcomes = _outcomes(world)
    for item in world.items("OrdersTable"):
        order_id = item["order_id"]
        outcome = outcomes.get(order_id)
        if outcome is None:
            yield f"{order_id} is undecided"
        elif outcome not in scenario.outcomes[order_id]:
            yield f"{order_id} is {outcome}"


@_promise
def reasons_are_true(world: World, scenario: Scenario) -> Iterator[str]:
    """Nobody is told that something is sold out that was there for everyone, or that a good card was declined."""
    wanted: Counter[str] = Counter()
    for item in map(plain, scenario.orders):
        wanted.update({line["sku"]: int(line["quantity"]) for line in item["lines"]})
    short = any(quantity > scenario.stock[sku] for sku, quantity in wanted.items())
    cards = {item["order_id"]: item["payment_method"] for item in map(plain, scenario.orders)}
    for order_id, state in _states(world).items():
        reason, violations = state["decision"]["reason"], state["decision"].get("violations", [])
        if reason == "OUT_OF_STOCK" and not short:
            yield f"{order_id}: {reason}, and there was enough"
        if reason == "PAYMENT_DECLINED" and "Declined" not in cards[order_id]:
            yield f"{order_id}: {reason}, with a good card"
        if (reason == "ORDER_INVALID") != bool(violations):
            yield f"{order_id}: {reason}, violations: {violations}"


@_promise
def orders_come_from_customers(world: World, scenario: Scenario) -> Iterator[str]:
    """The pipeline decides orders; it never makes one, not even of what is left of one that was deleted."""
    for item in world.items("OrdersTable"):
        if "customer" not in item:
            yield f"{item['order_id']} has no customer, only {sorted(item)}"


@_promise
def the_customer_is_told_one_outcome(world: World, scenario: Scenario) -> Iterator[str]:
    """Of the order's outcome, and of no other, at least once; and more than once only for each time that SES took an
    email and the sandbox did not get to say so in the record (docs/patterns.md).
    """
    there = {item["order_id"] for item in world.items("OrdersTable")}  # of a deleted order nobody knows the address
    for order_id, outcome in _outcomes(world).items():
        outcomes, told = told_to(world, order_id)
        allowed = 1 + unrecorded_emails(world, order_id)
        if outcomes != {outcome} and (outcomes or order_id in there):
            yield f"{order_id} is {outcome}, the customer was told {sorted(outcomes) or 'nothing'}"
        elif told > allowed:
            yield f"{order_id}: the customer was told {told} times, {allowed} can be explained"


@_promise
def other_content_is_refused(world: World, scenario: Scenario) -> Iterator[str]:
    """What was held for an order is held for the same lines and the same charge, whoever asks again."""
    for (what, order_id), contents in held_for(world).items():
        if any(content != contents[0] for content in contents):
            yield f"{order_id}: {what} was answered for {contents}"


@_promise
def nothing_vanishes(world: World, scenario: Scenario) -> Iterator[str]:
    """Every change of an order became an event or lies in the failure queue; every event started the workflow or lies
    in the dead-letter queue; every workflow has come to its end.
    """
    failures = str(world.queue("StreamFailureQueueUrl"))
    events = {(event["DetailType"], json.loads(event["Detail"])["order_id"]) for event in world.bus_events()}
    happened = [
        ("OrderPlaced", record["dynamodb"]["Keys"]["order_id"]["S"])
        for record in world.changes_of("OrdersTable")
        if record["eventName"] == "INSERT"
    ]
    happened += [(f"Order{outcome.capitalize()}", order_id) for order_id, outcome in _outcomes(world).items()]
    for what, order_id in happened:
        if (what, order_id) not in events and order_id not in failures:
            yield f"{order_id}: no {what} on the bus"
    started = {order_id for order_id, _ in world.started}
    dead = {letter["order_id"] for letter in world.queue("DeadLetterQueueUrl")}
    for event in world.on_bus:
        if event["order_id"] not in started | dead:
            yield f"{event['order_id']}: its event started nothing"
    for execution in world.executions():
        if execution["status"] == "RUNNING":
            yield f"{execution['executionArn']} never ended"


@_promise
def a_person_is_told(world: World, scenario: Scenario) -> Iterator[str]:
    """A workflow that fails has published an alert that names it, unless the alert topic itself was at fault: then the
    alarm on failed executions has to do.
    """
    for execution in world.executions():
        if execution["status"] == "FAILED" and not a_person_knows_of(world, execution):
            yield f"{execution['executionArn']} failed and told nobody: {execution['error']}"


def told_to(world: World, order_id: str) -> tuple[set[str], int]:
    """The outcomes that an order's customer was told of, and in how many emails."""
    told = [mail for mail in world.mails() if f"{order_id.lower()}@example.com" in str(mail["To"])]
    return {mail["Subject"].rsplit(" ", 1)[-1].upper() for mail in told}, len(told)


def unrecorded_emails(world: World, order_id: str) -> int:
    """How many emails nobody can know of: each of them may be followed by another."""
    return sum(_unrecorded(i) for i in world.invocations if (i.step, i.order_id) == ("notify", order_id))


def held_for(world: World) -> dict[tuple[str, str], list[Any]]:
    """What was answered with success, by step or provider's key and by order: the content of each request."""
    answers: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for invocation in world.invocations:
        held = invocation.answer and invocation.answer["body"] == {"held": True}
        if held and invocation.step in ("reserve", "authorize"):
            answers[invocation.step, invocation.order_id].append(
                {name: value for name, value in invocation.event.items() if name not in ("action", "order_id")}
            )
    for order_id, operation, (key, *content) in world.provider_answers:
        if operation != "find":
            answers[key, order_id].append(content)
    return answers


def a_person_knows_of(world: World, execution: dict[str, Any]) -> bool:
    """Whether an alert names this failed execution, or the topic itself was at fault."""
    told = {alert["execution"].removesuffix("#copy") for alert in world.alerts}  # see World.copy_execution
    return execution["executionArn"] in told or any(f.site.startswith("escalate/") for f in world.injector.fired)


def _unrecorded(invocation: Invocation) -> bool:
    """SES took this invocation's email, and its record did not become complete while its caller still waited."""
    effects = {call.site: call for call in invocation.calls if call.effects}
    sent = next((call for site, call in effects.items() if "SendEmail" in site), None)
    recorded = next((call for site, call in effects.items() if "UpdateItem" in site), None)
    return bool(sent) and (recorded is None or invocation.zombie)


def _states(world: World) -> dict[str, dict[str, Any]]:
    return {item["order_id"]: item for item in world.items("OrderStatesTable")}


def _outcomes(world: World) -> dict[str, str]:
    return {order_id: state["decision"]["outcome"] for order_id, state in _states(world).items()}


def _reservations(world: World) -> dict[str, dict[str, Any]]:
    return {
        item["pk"].removeprefix("ORDER#"): item for item in world.items("InventoryTable") if item["sk"] == "RESERVATION"
    }


def _intents(world: World) -> dict[str, list[dict[str, Any]]]:
    intents: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in world.items("SimulatedGatewayTable"):
        intents[item["order_id"]].append(item)
    return intents
