"""The simulation is itself proved: small changes that break the pipeline, each of which has to be noticed.

python -m simulation.mutants              # each mutant under the schedule that is known to kill it
python -m simulation.mutants --search     # forget these schedules and look for others

What is *not* here, because the pipeline is right without it, and why it is there all the same:

- `attribute_exists(available)` on a release. Without it DynamoDB refuses the addition to a missing counter as a
  ValidationError, which is for a person as well; the condition lets the message say that the SKU is gone.
- The condition on capture's outcome. A payment is captured or voided by one decision, never both, so nothing else can
  be found there; the condition guards against the protocol itself being broken.
- The condition of the simulated provider's capture and cancel, for the same reason; a contract test holds it.
- The condition on void's outcome. What it could overwrite is DECLINED, which means the same, or CAPTURED: see above.
- An authorize that another call overtook gives its hold back. A void has completed the attempt and cancelled it under
  the same key, so there is none, unless the key was forgotten or the provider refused the void's attempt.
- Asking the provider (`find`) before authorizing again, and since when. A repeated key is answered as before for 24
  hours, and the simulated provider never forgets one: with Stripe this protects an order that was stuck for longer.
- A void that the provider refuses settles. The redrive begins with authorize, which is refused and settles as well.
- Keys of the intent for capture and cancel. No order has two holds here; a test of Stripe's adapter holds it.
- Consistent reads. The emulator has one replica.
- That an order meets the same shard again. Wherever it goes, the stock is the same; the units that an earlier attempt
  fetched would lie elsewhere, and a unit test holds it.
- That the number of shards which shard 0 knows never falls. It takes three deployments during one invocation.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from orders import PaymentStatus, Reason
from simulation.explore import fault_free, shrink, singles, walk
from simulation.faults import Fault
from simulation.patching import patched
from simulation.schedule import Mutation, Result, Schedule, run
from simulation.services import Wire
from simulation.world import World, redefined, world

Definition = dict[str, Any]
SEARCH_SECONDS = 60.0
WALKS = range(2_000)


@dataclass(frozen=True)
class Mutant:
    """What is changed, and the promise that breaks under the `hint`, a schedule found by an earlier search."""

    name: str
    mutation: Mutation
    killed_by: str
    hint: Schedule


@dataclass
class Verdict:
    """How a mutant fared. `invariants` are the promises that broke; none, if it survived."""

    mutant: Mutant
    invariants: list[str]
    schedule: Schedule | None
    tried: int
    seconds: float


# ── Ways to change the code ─────────────────────────────────────────────────────────────────────────────────────────


def unconditional(step: str, operation: str, condition: str, provider: bool = False) -> Mutation:
    """Drop the condition that contains `condition` from a step's `operation`, in the request as it leaves.

    `provider`: from what the simulated provider writes into its own ledger.
    """

    def mutation(here: World) -> AbstractContextManager[Any]:
        perform = here.services._perform

        def without(wire: Wire) -> Any:
            invocation = here.whose_code()
            who = invocation and (invocation.step, invocation.at_provider)
            if who == (step, provider) and operation in wire.operation:
                body = json.loads(wire.body)
                for item in [body, *(one for part in body.get("TransactItems", []) for one in part.values())]:
                    if condition in item.get("ConditionExpression", ""):
                        _drop_condition(item)
                wire.body = json.dumps(body)
            return perform(wire)

        return patched([(here.services, "_perform", without)])

    return mutation


def _drop_condition(item: dict[str, Any]) -> None:
    """DynamoDB refuses names and values that nothing uses."""
    del item["ConditionExpression"]
    item.pop("ReturnValuesOnConditionCheckFailure", None)
    used = set(re.findall(r"[#:]\w+", item.get("UpdateExpression", "")))
    for attribute in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        kept = {name: value for name, value in item.pop(attribute, {}).items() if name in used}
        if kept:
            item[attribute] = kept


def replaced(module: str, name: str, make: Callable[[Any], Any]) -> Mutation:
    """Put `make(original)` in the place of a function of the handlers."""

    def mutation(_: World) -> AbstractContextManager[Any]:
        owner = sys.modules[module]
        return patched([(owner, name, make(getattr(owner, name)))])

    return mutation


def redrawn(change: Callable[[Definition], None]) -> Mutation:
    """Change the state machine's definition."""
    return lambda here: redefined(here, change)


# ── The changes that take more than a line ──────────────────────────────────────────────────────────────────────────


def _state(definition: Definition, name: str) -> Definition:
    """A state by its name, wherever it is."""
    states = definition["States"]
    if name in states:
        found: Definition = states[name]
        return found
    branches = (branch for state in states.values() for branch in state.get("Branches", []))
    return next(_state(branch, name) for branch in branches if name in branch["States"])


def _without(state: str, *fields: str) -> Mutation:
    def change(definition: Definition) -> None:
        for field in fields:
            del _state(definition, state)[field]

    return redrawn(change)


def _last_writer_wins(definition: Definition) -> None:
    _state(definition, "Decide")["Arguments"]["UpdateExpression"] = (
        "SET decision = :decision, #status = :outcome, history = :history"
    )


def _follows_itself(definition: Definition) -> None:
    """Remember what this execution wanted to decide, whatever is in the table."""
    no = "$states.input[$not(held)][0]"
    outcome = f"$exists({no}) ? ($exists({no}.outcome) ? {no}.outcome : 'CANCELLED') : 'CONFIRMED'"
    reason = f"$exists({no}) ? {no}.reason : 'ACCEPTED'"
    _state(definition, "Decide")["Assign"]["decision"] |= {
        "outcome": f"{{% {outcome} %}}",
        "reason": f"{{% {reason} %}}",
    }


def _decides_in_the_order(here: World) -> AbstractContextManager[Any]:
    """Write the decision into the customer's item."""

    def change(definition: Definition) -> None:
        _state(definition, "Decide")["Arguments"]["TableName"] = here.stack.tables["OrdersTable"]

    return redefined(here, change)


def _rejects_without_cancelling(definition: Definition) -> None:
    choice = {"Condition": "{% $decision.outcome = 'REJECTED' %}", "Next": "Notify"}
    _state(definition, "Follow")["Choices"].append(choice)


def _lets_a_branch_fail(definition: Definition) -> None:
    del _state(definition, "Reserve")["Catch"]
    del _state(definition, "Try")["Catch"]


def _catches_only_what_is_expected(definition: Definition) -> None:
    _state(definition, "Authorize")["Catch"][-1]["ErrorEquals"] = ["GatewayUnavailable"]
    _state(definition, "Try")["Catch"][-1]["ErrorEquals"] = ["Unrecoverable"]


def _cancels_in_one_branch(branch: int) -> Mutation:
    def change(definition: Definition) -> None:
        del _state(definition, "Cancel")["Branches"][branch]

    return redrawn(change)


def _conflicts_ignored(original: Any) -> Any:
    """Whatever cancelled a transaction is read as a condition that failed."""
    clients = sys.modules["aws.clients"]

    def transact(items: Any) -> Any:
        try:
            clients.dynamodb().transact_write_items(TransactItems=items)
        except clients.dynamodb().exceptions.TransactionCanceledException as error:
            failed = {"Code": "ConditionalCheckFailed"}
            return [r if r["Code"] == "None" else {**r, **failed} for r in error.response["CancellationReasons"]]
        return []

    return transact


def _in_writes_of_their_own(original: Any) -> Any:
    """A move's gift and what is taken for it are two transactions."""
    table = sys.modules["inventory.table"]

    def move(*look: Any) -> Any:
        writes = original(*look)
        if writes:
            table.transact(writes[:1])
        return writes[1:]

    return move


def _believes_the_first_look(original: Any) -> Any:
    shards = sys.modules["inventory.shards"]

    def look(sku: str, wanted: int) -> Any:
        spread = shards._read(sku)
        return spread if sum(spread.units) >= wanted else None

    return look


def _own_reservation_forgotten(original: Any) -> Any:
    return lambda order_id: None if world().invocation().step == "reserve" else original(order_id)


def _outcome_before_call(original: Any) -> Any:
    payment = sys.modules["payment.app"]

    def capture(order_id: str, provider: Any) -> None:
        held = payment._read(order_id)
        if held and held.status == PaymentStatus.AUTHORIZED:
            payment._settle(order_id, PaymentStatus.CAPTURED, (PaymentStatus.AUTHORIZED,), held.provider_reference)
            provider.capture(f"{held.provider_reference}:capture", held.provider_reference)

    return capture


def _never_refused(original: type[Exception]) -> type[Exception]:
    """In the place of GatewayRefused: no refusal is caught as one."""
    return type("NeverRefused", (Exception,), {})


def _keeps_the_hold(step: str) -> Mutation:
    def make(original: Any) -> Any:
        return lambda *arguments: None if world().invocation().step == step else original(*arguments)

    return replaced("payment.app", "_give_back", make)


def _by_execution(original: Any) -> Any:
    def send_once() -> Any:
        def send(*, notice: dict[str, str], **others: Any) -> Any:
            execution = world().invocation().execution
            return original()(notice={**notice, "order_id": f"{notice['order_id']} {execution}"}, **others)

        return send

    return send_once


def _in_progress_is_done(original: Any) -> Any:
    in_progress = sys.modules["notify.app"].IdempotencyAlreadyInProgressError

    def send_once() -> Any:
        def send(**arguments: Any) -> Any:
            try:
                return original()(**arguments)
            except in_progress:
                return None

        return send

    return send_once


def _not_sent_is_done(original: Any) -> Any:
    def send(**arguments: Any) -> Any:
        try:
            return original(**arguments)
        except Exception:  # noqa: BLE001 - the mistake
            return {"message_id": ""}

    return send


def _short_memory(original: Any) -> Any:
    def idempotency() -> Any:
        config = original()
        config.expires_after_seconds = 60 * 60  # the library's default
        return config

    return idempotency


def _all_acknowledged(original: Any) -> Any:
    def put_events(batch: Any) -> Iterator[str]:
        list(original(batch))
        yield from ()

    return put_events


def _understands_nothing(original: Any) -> Any:
    def event_from(record: Any) -> Any:
        raise KeyError("what is this?")

    return event_from


def _to_somebody_else(original: Any) -> Any:
    return lambda **arguments: original(**{**arguments, "address": "somebody.else@example.com"})


def _any_charge(original: Any) -> Any:
    """Whoever comes second gets the first one's answer, whatever was asked."""

    def intend(charge: Any) -> Any:
        earlier = original(charge)
        return earlier and sys.modules["dataclasses"].replace(earlier, charge=charge)

    return intend


# ── The mutants ─────────────────────────────────────────────────────────────────────────────────────────────────────

MUTANTS = [
    Mutant(
        "reserve: drop 'no reservation yet'",
        unconditional("reserve", "TransactWriteItems", "not_exists(pk)"),
        "stock_is_conserved",
        Schedule("happy", "once"),
    ),
    Mutant(
        "reserve: drop 'enough available'",
        unconditional("reserve", "TransactWriteItems", "available >="),
        "nothing_is_oversold",
        Schedule("last unit", "once"),
    ),
    Mutant(
        "reserve: ignore the reservation's own reason",
        replaced("inventory.app", "_as_before", lambda _: lambda *_: Reason.OUT_OF_STOCK),
        "the_reason_is_true",
        Schedule("happy", "at the same time"),
    ),
    Mutant(
        "reserve: take a conflict for out of stock",
        replaced("inventory.table", "transact", _conflicts_ignored),
        "the_reason_is_true",
        Schedule("happy", "once", (Fault("reserve/dynamodb.TransactWriteItems#1", "conflict"),)),
    ),
    Mutant(
        "reserve: never mind other lines",
        replaced("inventory.app", "_as_before", lambda original: lambda earlier, _: original(earlier, earlier.lines)),
        "other_content_is_refused",
        Schedule("item changed after the event", "once"),
    ),
    Mutant(
        "reserve: drop 'still there' from a move between shards",
        unconditional("reserve", "TransactWriteItems", ":taken"),
        "nothing_is_oversold",
        Schedule("last unit in another shard", "once"),
    ),
    Mutant(
        "reserve: move in two writes",
        replaced("inventory.shards", "move", _in_writes_of_their_own),
        "stock_is_conserved",
        Schedule("many lines, shards", "once", (Fault("reserve/dynamodb.TransactWriteItems#2", "crash_after"),)),
    ),
    Mutant(
        "reserve: never mind the other shards",
        replaced("inventory.shards", "_are_there_others", lambda _: lambda _: False),
        "the_reason_is_true",
        Schedule("many lines, shards", "once"),
    ),
    Mutant(
        "reserve: believe the first look at the shards",
        replaced("inventory.shards", "look", _believes_the_first_look),
        "the_reason_is_true",
        Schedule("hot SKU, shards", "at the same time", seed=73),
    ),
    Mutant(
        "reserve: look at the shards and not at the order's own reservation",
        replaced("inventory.table", "read", _own_reservation_forgotten),
        "the_reason_is_true",
        Schedule("fewer shards", "at the same time", seed=13),
    ),
    Mutant(
        "reserve: do not note that there are shards",
        replaced("inventory.shards", "_change", lambda original: lambda sku, at, by, _: original(sku, at, by, None)),
        "the_reason_is_true",
        Schedule("fewer shards", "once", (Fault("validate/dynamodb.BatchGetItem#1", "throttled"),)),
    ),
    Mutant(
        "release: drop 'still reserved'",
        unconditional("release", "TransactWriteItems", "#status"),
        "stock_is_conserved",
        Schedule("declined", "once", (Fault("release/dynamodb.TransactWriteItems#1", "zombie"),)),
    ),
    Mutant(
        "release: leave no tombstone",
        replaced("inventory.app", "_leave_tombstone", lambda _: lambda _, reason: reason),
        "records_agree_with_the_decision",
        Schedule("last unit", "once"),
    ),
    Mutant(
        "release: drop the tombstone's condition",
        unconditional("release", "PutItem", "not_exists(pk)"),
        "stock_is_conserved",
        Schedule("restocked in between", "twenty times", (Fault("reserve/dynamodb.TransactWriteItems#1", "zombie"),)),
    ),
    Mutant(
        "authorize: drop the intent's condition",
        unconditional("authorize", "PutItem", "not_exists(order_id)"),
        "records_agree_with_the_decision",
        Schedule("item changed after the event", "once"),
    ),
    Mutant(
        "authorize: drop the outcome's condition",
        unconditional("authorize", "UpdateItem", "#status IN"),
        "records_agree_with_the_decision",
        Schedule("happy", "once", (Fault("authorize/gateway.authorize#1", "zombie_late"),)),
    ),
    Mutant(
        "authorize: a fresh key for each attempt",
        replaced("payment.app", "_authorize_key", lambda _: lambda charge: f"{charge.order_id}:{uuid.uuid4()}"),
        "one_payment_at_most",
        Schedule(
            "happy",
            "once",
            (
                Fault("authorize/gateway.authorize#1", "zombie"),
                Fault("authorize/gateway.cancel#1", "crash_before"),
            ),
        ),
    ),
    Mutant(
        "authorize: never mind another charge",
        replaced("payment.app", "_intend", _any_charge),
        "other_content_is_refused",
        Schedule("item changed after the event", "once"),
    ),
    Mutant(
        "authorize: take a refusal for an error",
        replaced("payment.app", "GatewayRefused", _never_refused),
        "records_agree_with_the_decision",
        Schedule("refused by the provider", "once"),
    ),
    Mutant(
        "capture: write the outcome before the call",
        replaced("payment.app", "capture", _outcome_before_call),
        "confirmed_is_captured_in_full",
        Schedule("happy", "once", (Fault("capture/dynamodb.UpdateItem#1", "lost"),)),
    ),
    Mutant(
        "void: leave no tombstone",
        replaced("payment.app", "_forbid", lambda _: lambda order_id, _: sys.modules["payment.app"]._read(order_id)),
        "records_agree_with_the_decision",
        Schedule("invalid", "once"),
    ),
    Mutant(
        "void: drop the tombstone's condition",
        unconditional("void", "PutItem", "not_exists(order_id)"),
        "otherwise_nothing_is_held",
        Schedule("last unit", "once"),
    ),
    Mutant(
        "void: keep the hold",
        _keeps_the_hold("void"),
        "otherwise_nothing_is_held",
        Schedule("happy", "once", (Fault("authorize/dynamodb.UpdateItem#1", "outage"),)),
    ),
    Mutant(
        "authorize: the provider forgets the key",
        unconditional("authorize", "PutItem", "not_exists(id)", provider=True),
        "confirmed_is_captured_in_full",
        Schedule("happy", "once", (Fault("authorize/gateway.authorize#1", "zombie_late"),)),
    ),
    Mutant(
        "decide: the last writer wins",
        redrawn(_last_writer_wins),
        "the_decision_never_changes",
        Schedule("happy", "once"),
    ),
    Mutant(
        "decide: in the customer's item",
        _decides_in_the_order,
        "orders_are_the_customers",
        Schedule("deleted under way", "once"),
    ),
    Mutant(
        "decide: follow one's own wish",
        redrawn(_follows_itself),
        "records_agree_with_the_decision",
        Schedule("price changed between two executions", "once"),
    ),
    Mutant(
        "workflow: let a branch fail",
        redrawn(_lets_a_branch_fail),
        "a_person_is_told",
        Schedule("happy", "once", (Fault("reserve/dynamodb.TransactWriteItems#1", "outage"),)),
    ),
    Mutant(
        "workflow: catch only what is expected",
        redrawn(_catches_only_what_is_expected),
        "a_person_is_told",
        Schedule("happy", "once", (Fault("authorize/dynamodb.PutItem#1", "outage"),)),
    ),
    Mutant(
        "workflow: no catch around capture",
        _without("Capture", "Catch"),
        "a_person_is_told",
        Schedule("happy", "once", (Fault("capture/dynamodb.UpdateItem#1", "outage"),)),
    ),
    Mutant(
        "workflow: do not undo what was rejected",
        redrawn(_rejects_without_cancelling),
        "records_agree_with_the_decision",
        Schedule("invalid", "once"),
    ),
    Mutant(
        "workflow: cancel without release",
        _cancels_in_one_branch(0),
        "records_agree_with_the_decision",
        Schedule("last unit", "once"),
    ),
    Mutant(
        "workflow: cancel without void",
        _cancels_in_one_branch(1),
        "otherwise_nothing_is_held",
        Schedule("last unit", "once"),
    ),
    Mutant(
        "publish: acknowledge a failed record",
        replaced("publish.app", "put_events", _all_acknowledged),
        "everything_is_decided",
        Schedule("happy", "once", (Fault("publish/events.PutEvents#1", "partial"),)),
    ),
    Mutant(
        "publish: understand nothing",
        replaced("publish.app", "event_from", _understands_nothing),
        "nothing_waits",
        Schedule("happy", "once"),
    ),
    Mutant(
        "rule: start nothing",
        lambda here: patched([(here, "start_execution", lambda *_: None)]),
        "every_order_is_started",
        Schedule("happy", "once"),
    ),
    Mutant(
        "notify: write to another address",
        replaced("notify.app", "send", _to_somebody_else),
        "nobody_else_is_told",
        Schedule("happy", "once"),
    ),
    Mutant(
        "notify: drop the record's condition",
        unconditional("notify", "PutItem", "not_exists"),
        "nobody_is_told_twice",
        Schedule("happy", "once"),
    ),
    Mutant(
        "notify: delete whoever's lock",
        unconditional("notify", "DeleteItem", "#lease"),
        "nobody_is_told_twice",
        Schedule(
            "happy",
            "once",
            (
                Fault("notify/sesv2.SendEmail#1", "lost"),
                Fault("notify/dynamodb.DeleteItem#1", "zombie"),
            ),
        ),
    ),
    Mutant(
        "notify: key by execution",
        replaced("notify.app", "send_once", _by_execution),
        "nobody_is_told_twice",
        Schedule("happy", "once"),
    ),
    Mutant(
        "notify: default expiry of an hour",
        replaced("notify.app", "idempotency", _short_memory),
        "nobody_is_told_twice",
        Schedule("happy", "hours later"),
    ),
    Mutant(
        "notify: in progress elsewhere is done",
        replaced("notify.app", "send_once", _in_progress_is_done),
        "the_customer_is_told_the_outcome",
        Schedule("happy", "once", (Fault("notify/dynamodb.PutItem#1", "lost"),)),
    ),
    Mutant(
        "notify: not sent is done",
        replaced("notify.app", "send", _not_sent_is_done),
        "the_customer_is_told_the_outcome",
        Schedule("happy", "once", (Fault("notify/sesv2.SendEmail#1", "throttled"),)),
    ),
]


# ── Running them ────────────────────────────────────────────────────────────────────────────────────────────────────


def kill(mutant: Mutant, schedules: Iterable[Schedule]) -> Verdict:
    """Try schedule after schedule until a promise breaks that holds under the same schedule without the mutant."""
    begun, tried = time.perf_counter(), 0
    for schedule in schedules:
        tried += 1
        broken = broken_by(mutant, schedule)
        if broken:
            return Verdict(mutant, broken, schedule, tried, time.perf_counter() - begun)
    return Verdict(mutant, [], None, tried, time.perf_counter() - begun)


def broken_by(mutant: Mutant, schedule: Schedule) -> list[str]:
    """The promises that break under a schedule because of the mutant."""
    violations = run(schedule, mutant.mutation).violations
    if not violations or run(schedule).violations:
        return []
    return list(dict.fromkeys(violation.invariant for violation in violations))


def search(mutant: Mutant, seconds: float = SEARCH_SECONDS) -> Iterator[Schedule]:
    """Simple schedules first: no fault, single faults (those in the mutant's own step before others), then walks."""
    step = f"{mutant.name.split(':')[0]}/"
    one_fault = list(singles(recorded()))
    deadline = time.monotonic() + seconds
    random.Random(0).shuffle(one_fault)
    one_fault.sort(key=lambda schedule: not schedule.faults[0].site.startswith(step))
    every = itertools.chain(fault_free(), one_fault, walks())
    return itertools.takewhile(lambda _: time.monotonic() < deadline, every)


@cache
def recorded() -> tuple[Result, ...]:
    """What the pipeline as it is does when nothing goes wrong."""
    return tuple(run(schedule) for schedule in fault_free())


def walks() -> Iterator[Schedule]:
    """The schedules of seed after seed."""
    return (result.schedule for seed in WALKS for result in walk(seed))


def smallest(verdict: Verdict) -> Schedule:
    """The smallest schedule under which the mutant breaks the same promise."""
    if not verdict.schedule:
        raise ValueError(f"{verdict.mutant} survived")
    return shrink(verdict.schedule, lambda candidate: verdict.invariants[0] in broken_by(verdict.mutant, candidate))


def main() -> int:
    """Run every mutant and print the table; the exit status is 1 when one survives."""
    parser = argparse.ArgumentParser(
        prog="python -m simulation.mutants", description="Break the pipeline on purpose, in every way."
    )
    parser.add_argument("--search", action="store_true", help="look for schedules instead of trying the known ones")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the mutants whose name contains this")
    parser.add_argument("--seconds", type=float, default=SEARCH_SECONDS, help="for how long to look for each")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    mutants = [mutant for mutant in MUTANTS if arguments.only in mutant.name]
    columns = (TextColumn("{task.description:<48}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    verdicts = []
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=len(mutants))
        for mutant in mutants:
            progress.update(task, description=mutant.name)
            known = [] if arguments.search else [mutant.hint]
            verdict = kill(mutant, itertools.chain(known, search(mutant, arguments.seconds)))
            if arguments.search and verdict.schedule:
                verdict.schedule = smallest(verdict)
            verdicts.append(verdict)
            progress.advance(task)
    console.print(table(verdicts))
    survivors = [verdict for verdict in verdicts if not verdict.invariants]
    console.print(
        f"{len(verdicts)} mutants, {len(survivors)} survived, {sum(v.seconds for v in verdicts):.0f} s",
        style="red" if survivors else "green",
    )
    return 1 if survivors else 0


def table(verdicts: Iterable[Verdict]) -> Table:
    """Each mutant, the promise that it broke, and the schedule."""
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("mutant", "killed by", "schedule", "tried", "seconds"):
        shown.add_column(heading, justify="right" if heading in ("tried", "seconds") else "left", overflow="fold")
    for verdict in verdicts:
        killed = verdict.invariants[0].replace("_", " ") if verdict.invariants else "SURVIVED"
        style = "" if verdict.invariants else "bold red"
        schedule = escape(str(verdict.schedule or ""))
        shown.add_row(verdict.mutant.name, killed, schedule, str(verdict.tried), f"{verdict.seconds:.1f}", style=style)
    return shown


if __name__ == "__main__":
    sys.exit(main())
