"""Of notify."""

from __future__ import annotations

import sys
from typing import Any

from simulation.faults import Fault
from simulation.mutants.ways import Mutant, replaced, unconditional
from simulation.schedule import Schedule
from simulation.world import world


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


def _to_somebody_else(original: Any) -> Any:
    return lambda **arguments: original(**{**arguments, "address": "somebody.else@example.com"})


def _closes_what_was_not_told(original: Any) -> Any:
    def tell(*arguments: Any) -> bool:
        try:
            return bool(original(*arguments))
        except Exception:  # noqa: BLE001 - the mistake
            return False

    return tell


MUTANTS = [
    Mutant(
        "notify: close what was not told",
        replaced("notify.app", "tell", _closes_what_was_not_told),
        "the_customer_is_told_the_outcome",
        Schedule("happy", "once", (Fault("notify/sesv2.SendEmail#1", "away 10"),)),
    ),
    Mutant(
        "notify: leave the order open",
        replaced("notify.app", "close", lambda original: lambda *_: None),
        "every_order_ends",
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
