"""Of reserve and release."""

from __future__ import annotations

import sys
from typing import Any

from orders import Reason
from simulation.faults import Fault
from simulation.mutants.ways import Mutant, replaced, unconditional
from simulation.schedule import Schedule
from simulation.world import world


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
        Schedule("hot SKU, shards", "at the same time", seed=5),
    ),
    Mutant(
        "reserve: look at the shards and not at the order's own reservation",
        replaced("inventory.table", "read", _own_reservation_forgotten),
        "the_reason_is_true",
        Schedule("fewer shards", "at the same time", seed=7),
    ),
    Mutant(
        "reserve: do not note that there are shards",
        replaced("inventory.shards", "_change", lambda original: lambda sku, at, by, _: original(sku, at, by, None)),
        "the_reason_is_true",
        Schedule("fewer shards", "once", (Fault("validate/dynamodb.BatchGetItem#2", "throttled"),), seed=1),
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
        Schedule(
            "restocked in between", "twenty times", (Fault("reserve/dynamodb.TransactWriteItems#1", "zombie"),), seed=1
        ),
    ),
]
