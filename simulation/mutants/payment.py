"""Of authorize, capture and void."""

from __future__ import annotations

import sys
import uuid
from typing import Any

from orders import PaymentStatus
from simulation.faults import Fault
from simulation.mutants.ways import Mutant, replaced, unconditional
from simulation.schedule import Mutation, Schedule
from simulation.world import world


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


def _any_charge(original: Any) -> Any:
    """Whoever comes second gets the first one's answer, whatever was asked."""

    def intend(charge: Any) -> Any:
        earlier = original(charge)
        return earlier and sys.modules["dataclasses"].replace(earlier, charge=charge)

    return intend


MUTANTS = [
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
        Schedule("happy", "once", (Fault("authorize/dynamodb.UpdateItem#1", "away 90"),)),
    ),
    Mutant(
        "authorize: the provider forgets the key",
        unconditional("authorize", "PutItem", "not_exists(id)", provider=True),
        "confirmed_is_captured_in_full",
        Schedule("happy", "once", (Fault("authorize/gateway.authorize#1", "zombie_late"),)),
    ),
]
