"""A recorded day: what we wrote down, and what the carrier and the payment provider told of it, made of a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orders import iso_8601
from orders.shipping import (
    Parcel,
    Return,
    Returns,
    ReturnStatus,
    Shipment,
    parcel_reference,
    return_item,
    return_reference,
    returns_item,
    shipment_item,
)
from orders.tables import Item, open_order_key, order_key, refund_attribute
from simulation.clock import EPOCH

PRICE = 450  # of everything, in cents
DAY = 24 * 60 * 60
SKUS = {"main": "TEA", "north": "POT", "south": "MUG"}  # one in each warehouse
SENT = 4  # pieces of each
MUCH_LATER = 2_000_000_000


@dataclass(frozen=True)
class Ours:
    """What we write down at a time: items, each with its table."""

    at: float
    items: tuple[tuple[str, Item], ...]


@dataclass(frozen=True)
class Told:
    """What a sender tells at a time."""

    at: float
    sender: str
    body: dict[str, Any]


type Step = Ours | Told


def recorded(seed: int, webhooks: int) -> list[Step]:
    """A day with so many webhooks, in the order in which it went."""
    chance = random.Random(seed)
    steps: list[Step] = []
    number = told = 0
    while told < webhooks:
        number += 1
        life = list(_life(chance, f"O-{number:04}"))
        told += sum(isinstance(step, Told) for step in life)
        steps += life
    steps.sort(key=lambda step: step.at)
    for last in reversed([step for step in steps if isinstance(step, Told)][webhooks:]):
        steps.remove(last)
    return steps


def invented(seed: int, day: list[Step], count: int) -> list[Told]:
    """What somebody else might say of the same orders, to get something out of it."""
    chance = random.Random(seed)
    orders = sorted(
        item["order_id"]["S"]
        for step in day
        if isinstance(step, Ours)
        for table, item in step.items
        if table == "PaymentsTable"
    )

    def one(number: int) -> Told:
        order_id = chance.choice(orders)
        if chance.random() < 0.5:
            return _of_a_parcel(0, f"forged-{number}", "delivered", parcel_reference(order_id, "main"))
        kind, thing = chance.choice(
            [
                ("charge.dispute.closed", {"id": "du_forged", "status": chance.choice(["won", "lost"])}),
                ("refund.failed", {"id": "re_forged"}),
                ("payment_intent.canceled", {"id": f"pi_{order_id}"}),
            ]
        )
        metadata = {"order_id": order_id, "return_id": "r-1"}
        return _of_money(
            0, f"forged-{number}", kind, {**thing, "payment_intent": f"pi_{order_id}", "metadata": metadata}
        )

    return [one(number) for number in range(count)]


# ── One order ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _life(chance: random.Random, order_id: str) -> Iterator[Step]:
    """What happens to an order in a day: something of each kind that can, not all of it likely."""
    began = chance.uniform(0, 0.8 * DAY)
    if chance.random() < 0.05:
        yield from _somebody_elses(chance, began, order_id)
        return
    warehouses = sorted(chance.sample(sorted(SKUS), chance.randint(1, 3)))
    returns = [_return(chance, f"r-{number}", warehouses) for number in range(1, chance.randint(0, 2) + 1)]
    payment, money = _money(chance, order_id, returns)
    yield Ours(
        began,
        (
            ("OrderStatesTable", _state(order_id, "CANCELLED" if payment["status"]["S"] == "VOIDED" else "CONFIRMED")),
            ("PaymentsTable", payment),
            ("SimulatedGatewayTable", {"id": {"S": f"pi_{order_id}"}, "order_id": {"S": order_id}}),
            ("ShipmentsTable", _shipment(order_id, warehouses)),
            ("ReturnsTable", _returns(chance, order_id, warehouses, returns)),
            *(("OpenShipmentsTable", entry) for entry in _entries(chance, order_id, returns)),
        ),
    )
    at = began
    for news in (*_parcels(chance, order_id, warehouses), *_back(chance, order_id, returns), *money):
        at += chance.uniform(1, 0.02 * DAY)
        yield Told(at, news.sender, news.body)


def _state(order_id: str, outcome: str) -> Item:
    decision = {"outcome": {"S": outcome}, "reason": {"S": "ACCEPTED"}}
    return {**order_key(order_id), "status": {"S": outcome}, "decision": {"M": decision}, "history": {"M": {}}}


def _shipment(order_id: str, warehouses: list[str]) -> Item:
    parcels = tuple(Parcel(warehouse, {SKUS[warehouse]: SENT}) for warehouse in warehouses)
    prices = {SKUS[warehouse]: PRICE for warehouse in warehouses}
    waiter = {"waiter": {"S": "arn:execution"}, "task_token": {"S": f"token of {order_id}"}}
    return shipment_item(Shipment(order_id, parcels, prices)) | waiter


def _return(chance: random.Random, return_id: str, warehouses: list[str]) -> Return:
    status = chance.choice([*ReturnStatus, ReturnStatus.REQUESTED, ReturnStatus.REQUESTED])
    return Return(return_id, status, {SKUS[chance.choice(warehouses)]: 1}, PRICE, iso_8601(EPOCH), MUCH_LATER)


def _returns(chance: random.Random, order_id: str, warehouses: list[str], returns: list[Return]) -> Item:
    left = {SKUS[warehouse]: SENT for warehouse in warehouses}
    for one in returns:
        if one.status != ReturnStatus.EXPIRED:
            left = {sku: count - one.units.get(sku, 0) for sku, count in left.items()}
    under_way = sum(one.status in (ReturnStatus.REQUESTED, ReturnStatus.ARRIVED) for one in returns)
    prices = dict.fromkeys(left, PRICE)
    closed = iso_8601(EPOCH) if not under_way and chance.random() < 0.3 else ""
    written = {one.return_id: return_item(one) for one in returns}
    for return_id, attributes in written.items():
        attributes["M"]["task_token"] = {"S": f"token of {order_id}/{return_id}"}
    item = returns_item(Returns(order_id, left, prices, under_way, iso_8601(MUCH_LATER)))
    return item | {"returns": {"M": written}} | ({"closed": {"S": closed}} if closed else {})


def _entries(chance: random.Random, order_id: str, returns: list[Return]) -> Iterator[Item]:
    """What is still to do; of some orders nothing is."""
    if chance.random() < 0.2:
        return
    common = {"occurred_at": {"S": iso_8601(EPOCH)}, "sweeps": {"N": "0"}, "sweep_at": {"N": str(MUCH_LATER)}}
    yield {**open_order_key(order_id), **common, "what": {"S": "OrderConfirmed"}}
    for one in returns:
        if one.status in (ReturnStatus.REQUESTED, ReturnStatus.ARRIVED):
            what = {"what": {"S": "ReturnRequested"}, "return_id": {"S": one.return_id}}
            yield {**open_order_key(order_id, one.return_id), **common, **what}


# ── What is told ────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_a_parcel(at: float, event_id: str, kind: str, reference: str) -> Told:
    times = {"occurred_at": iso_8601(EPOCH + at)}
    body = {"id": event_id, "kind": f"parcel.{kind}", "reference": reference, "tracking": "SIM-1", **times}
    return Told(at, "carrier", body)


def _of_money(at: float, event_id: str, kind: str, thing: dict[str, Any]) -> Told:
    created = int(EPOCH + at)
    body = {"id": event_id, "object": "event", "type": kind, "created": created, "data": {"object": thing}}
    return Told(at, "stripe", body)


def _parcels(chance: random.Random, order_id: str, warehouses: list[str]) -> Iterator[Told]:
    """Of each parcel that it is shipped, and of most that they are delivered; the carrier has more to say."""
    for warehouse in warehouses:
        reference = parcel_reference(order_id, warehouse)
        kinds = ["shipped", "shipped", "weighed", "delivered"]
        for number, kind in enumerate(kinds):
            if chance.random() < {"weighed": 0.2, "delivered": 0.8}.get(kind, 0.9 if number == 0 else 0.2):
                yield _of_a_parcel(0, f"{reference}:{kind}:{number}", kind, reference)


def _back(chance: random.Random, order_id: str, returns: list[Return]) -> Iterator[Told]:
    for one in returns:
        reference = return_reference(order_id, one.return_id)
        for kind in ("shipped", "delivered"):
            if chance.random() < 0.8:
                yield _of_a_parcel(0, f"{reference}:{kind}", kind, reference)


def _money(chance: random.Random, order_id: str, returns: list[Return]) -> tuple[Item, list[Told]]:
    """How the payment stands, and what the provider tells of it."""
    intent = f"pi_{order_id}"
    refunded = [one for one in returns if one.status == ReturnStatus.REFUNDED]
    status, news = "CAPTURED", []
    if not refunded and chance.random() < 0.2:
        status = chance.choice(["AUTHORIZED", "AUTHORIZED", "VOIDED", "DECLINED"])
        which = chance.choice([intent, f"{intent}-2"])  # a second hold, which was given back
        thing: dict[str, Any] = {"id": which, "cancellation_reason": "automatic", "metadata": {"order_id": order_id}}
        news = [_of_money(0, f"evt_{which}_canceled", "payment_intent.canceled", thing)]
    elif chance.random() < 0.2:
        dispute = {"id": f"du_{order_id}", "payment_intent": intent, "metadata": {}, "amount": PRICE}
        ends = chance.choice(["won", "lost", "warning_closed", "prevented", ""])
        news = [
            _of_money(0, f"evt_{order_id}_disputed", "charge.dispute.created", dispute | {"status": "needs_response"})
        ]
        if ends:
            news.append(_of_money(0, f"evt_{order_id}_closed", "charge.dispute.closed", dispute | {"status": ends}))
    elif chance.random() < 0.1:
        news = [_of_money(0, f"evt_{order_id}_paid", "payment_intent.succeeded", {"id": intent})]
    for one in refunded:
        thing = {"id": f"re_{one.return_id}", "amount": one.amount, "payment_intent": intent}
        thing["metadata"] = {"order_id": order_id, "return_id": one.return_id}
        # Stripe may make two events of one thing that happens, each with an id of its own.
        news += [
            _of_money(0, f"evt_{order_id}_{one.return_id}_{number}", "refund.failed", thing)
            for number in range(chance.randint(0, 2))
        ]
    return _payment(order_id, status, refunded), news


def _payment(order_id: str, status: str, refunded: list[Return]) -> Item:
    refunds = {
        refund_attribute(one.return_id): {
            "M": {
                "status": {"S": "REFUNDED"},
                "amount": {"N": str(one.amount)},
                "provider_reference": {"S": f"re_{one.return_id}"},
            }
        }
        for one in refunded
    }
    return {
        **order_key(order_id),
        "status": {"S": status},
        "amount": {"N": str(10 * PRICE)},
        "currency": {"S": "EUR"},
        "provider_reference": {"S": f"pi_{order_id}"},
        "refunded": {"N": str(sum(one.amount for one in refunded))},
        **refunds,
    }


def _somebody_elses(chance: random.Random, at: float, order_id: str) -> Iterator[Told]:
    """News of what nobody here knows."""
    yield _of_a_parcel(
        at, f"{order_id}:stray", "delivered", chance.choice([f"{order_id}/out/main", f"{order_id}/back/r-1"])
    )
    yield _of_a_parcel(at, f"{order_id}:odd", "delivered", chance.choice(["", "/"]).join(("parcel", "77")))
    yield _of_money(
        at, f"evt_{order_id}_stray", "charge.dispute.created", {"id": "du_0", "payment_intent": f"pi_{order_id}"}
    )
    yield _of_money(at, f"evt_{order_id}_other", "invoice.paid", {"id": "in_0"})
