"""What a stack's tables, gateway and mailbox say, and whether it adds up."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.environment import fetch
from local.stack import RunningStack
from notify import email
from orders.order_id import is_order_id, printable

Item = dict[str, Any]


@dataclass(frozen=True)
class Mail:
    """An email that SES took."""

    to: str
    subject: str
    text: str


@dataclass(frozen=True)
class Ledger:
    """One look at everything. Orders, what became of them, reservations and payments by order id; the units in each
    counter by SKU.
    """

    orders: dict[str, Item]
    states: dict[str, Item]
    stock: dict[str, list[int]]
    reservations: dict[str, Item]
    payments: dict[str, Item]
    intents: list[Item]
    mails: list[Mail]
    dead_letters: int

    def status(self, order_id: str) -> str:
        """The order's status as people see it."""
        return str(self.states.get(order_id, {}).get("status", "PLACED"))

    def decision(self, order_id: str) -> Item:
        """What was decided, or nothing."""
        decision: Item = self.states.get(order_id, {}).get("decision", {})
        return decision

    def available(self, sku: str) -> int:
        """Units of a SKU that can be had."""
        return sum(self.stock[sku])

    def held(self, sku: str) -> int:
        """Units of a SKU that reservations hold."""
        return sum(
            int(line["quantity"])
            for reservation in self.reservations.values()
            if reservation["status"] == "RESERVED"
            for line in reservation["lines"]
            if line["sku"] == sku
        )

    def settled(self, order_id: str) -> bool:
        """Whether everything that follows from the order's decision has been done."""
        payment = self.payments.get(order_id, {}).get("status")
        told = email.address_of(self.orders.get(order_id, {})) is None or self.told(order_id)
        match self.status(order_id):
            case "CONFIRMED":
                return payment == "CAPTURED" and bool(told)
            case "CANCELLED" | "REJECTED":
                released = self.released(order_id)
                return released and payment in ("VOIDED", "DECLINED") and bool(told)
        return False

    def told(self, order_id: str) -> int:
        """How many emails the customer got about the order."""
        return len(self.mails_about(order_id))

    def mails_about(self, order_id: str) -> list[Mail]:
        """The emails about the order."""
        return [mail for mail in self.mails if f"Your order {printable(order_id)} is " in mail.subject]

    def released(self, order_id: str) -> bool:
        """Whether the order's stock was released. Under an id that is never accepted there was nothing to release."""
        return self.reservations.get(order_id, {}).get("status") == "RELEASED" or not is_order_id(order_id)


def look(stack: RunningStack) -> Ledger:
    """Read everything."""
    inventory = list(_scan(stack, "InventoryTableName"))
    return Ledger(
        orders={item["order_id"]: item for item in _scan(stack, "OrdersTableName")},
        states={item["order_id"]: item for item in _scan(stack, "OrderStatesTableName")},
        stock=_counters(inventory),
        reservations={item["pk"].removeprefix("ORDER#"): item for item in inventory if item["sk"] == "RESERVATION"},
        payments={item["order_id"]: item for item in _scan(stack, "PaymentsTableName")},
        intents=list(_scan(stack, "SimulatedGatewayTableName")),
        mails=_mails(stack),
        dead_letters=sum(_waiting(stack, queue) for queue in ("DeadLetterQueueUrl", "StreamFailureQueueUrl")),
    )


def _counters(inventory: list[Item]) -> dict[str, list[int]]:
    """Each SKU's counters: the one of the catalogue, and its shards (functions/inventory/shards.py)."""
    counters: dict[str, list[int]] = defaultdict(list)
    for item in inventory:
        match item["sk"], item["pk"].split("#", 2):
            case "STOCK", _:
                counters[item["pk"].removeprefix("SKU#")].append(int(item["available"]))
            case "SHARD", ["SHARD", _, sku]:
                counters[sku].append(int(item["available"]))
    return counters


Check = Callable[[Ledger, Mapping[str, int]], Iterator[str]]


def violations(
    ledger: Ledger, opening_stock: Mapping[str, int], interrupted: Mapping[str, int] | None = None
) -> dict[str, list[str]]:
    """Each invariant in words, and what contradicts it: nothing, if all is well.

    `interrupted` says, by order id, how many attempts to write to the customer were cut off. Each may have sent its
    email and left no record of it, so the next one sends it again (docs/patterns.md).
    """
    found = {promise: list(check(ledger, opening_stock)) for promise, check in _INVARIANTS.items()}
    promise = "No customer is told twice" + (", unless a notify died over the email" if interrupted is not None else "")
    return found | {promise: list(_told_twice(ledger, interrupted or {}))}


def _stock_is_conserved(ledger: Ledger, opening: Mapping[str, int]) -> Iterator[str]:
    for sku, counters in ledger.stock.items():
        available, held = ledger.available(sku), ledger.held(sku)
        if min(counters) < 0:
            yield f"{sku}: {min(counters)} available"
        if available + held != opening[sku]:
            yield f"{sku}: {available} available + {held} held is not {opening[sku]}"


def _confirmed_is_paid_once(ledger: Ledger, _: Mapping[str, int]) -> Iterator[str]:
    captured = Counter(intent["order_id"] for intent in ledger.intents if intent["status"] == "succeeded")
    amounts = {intent["order_id"]: intent["amount"] for intent in ledger.intents if intent["status"] == "succeeded"}
    for order_id, order in ledger.orders.items():
        if ledger.status(order_id) != "CONFIRMED":
            continue
        if captured[order_id] != 1:
            yield f"{order_id}: captured {captured[order_id]} times"
        elif amounts[order_id] != order["total"]:
            yield f"{order_id}: captured {amounts[order_id]} of {order['total']}"
        reservation = ledger.reservations.get(order_id, {})
        if reservation.get("status") != "RESERVED":
            yield f"{order_id}: holds no stock"
        elif _units(reservation) != _units(order):
            yield f"{order_id}: holds {dict(_units(reservation))}, ordered were {dict(_units(order))}"


def _refused_holds_nothing(ledger: Ledger, _: Mapping[str, int]) -> Iterator[str]:
    live = {intent["order_id"] for intent in ledger.intents if intent["status"] in ("requires_capture", "succeeded")}
    for order_id in ledger.states:
        if ledger.status(order_id) not in ("CANCELLED", "REJECTED"):
            continue
        if ledger.reservations.get(order_id, {}).get("status") == "RESERVED":
            yield f"{order_id}: holds stock"
        if order_id in live:
            yield f"{order_id}: holds or took money"


def _one_live_hold(ledger: Ledger, _: Mapping[str, int]) -> Iterator[str]:
    live = Counter(
        intent["order_id"] for intent in ledger.intents if intent["status"] in ("requires_capture", "succeeded")
    )
    yield from (f"{order_id}: {count} live payments" for order_id, count in live.items() if count > 1)


def _records_agree(ledger: Ledger, _: Mapping[str, int]) -> Iterator[str]:
    for order_id, state in ledger.states.items():
        outcome = state["decision"]["outcome"]
        reserved = ledger.reservations.get(order_id, {}).get("status")
        paid = ledger.payments.get(order_id, {}).get("status")
        followed = (
            reserved == "RESERVED" and paid == "CAPTURED"
            if outcome == "CONFIRMED"
            else ledger.released(order_id) and paid in ("VOIDED", "DECLINED")
        )
        if state["status"] != outcome or not followed:
            yield f"{order_id}: decided {outcome}, status {state['status']}, stock {reserved}, payment {paid}"


def _all_decided(ledger: Ledger, _: Mapping[str, int]) -> Iterator[str]:
    for order_id in ledger.orders:
        if order_id not in ledger.states:
            yield f"{order_id}: no decision"
        elif not ledger.settled(order_id):
            yield f"{order_id}: decided, but not everything was done"


def _told_of_the_outcome(ledger: Ledger, _: Mapping[str, int]) -> Iterator[str]:
    for order_id, order in ledger.orders.items():
        if order_id not in ledger.states or email.address_of(order) is None:
            continue
        outcome = ledger.decision(order_id)["outcome"]
        told = [mail.subject for mail in ledger.mails_about(order_id)]
        if not told:
            yield f"{order_id}: no email"
        if any(not subject.endswith(outcome.lower()) for subject in told):
            yield f"{order_id}: {outcome}, but told {told}"


def _told_twice(ledger: Ledger, interrupted: Mapping[str, int]) -> Iterator[str]:
    for order_id in ledger.orders:
        told, allowed = ledger.told(order_id), 1 + interrupted.get(order_id, 0)
        if told > allowed:
            yield f"{order_id}: {told} emails, {allowed} can be explained"


def _no_dead_letters(ledger: Ledger, _: Mapping[str, int]) -> Iterator[str]:
    if ledger.dead_letters:
        yield f"{ledger.dead_letters} waiting"


# The promise of each is data: docstrings are not there under every setting of Python.
_INVARIANTS: dict[str, Check] = {
    "Stock is conserved and never negative": _stock_is_conserved,
    "Each confirmed order is captured once, in full, and holds what was ordered": _confirmed_is_paid_once,
    "Each cancelled or rejected order holds neither stock nor money": _refused_holds_nothing,
    "No order has two live payments": _one_live_hold,
    "Order, reservation and payment agree with the decision": _records_agree,
    "Nothing is undecided": _all_decided,
    "Each customer is told of the outcome, and of no other": _told_of_the_outcome,
    "No message waits in a dead-letter queue": _no_dead_letters,
}


def _units(item: Item) -> Counter[str]:
    """How many of each SKU the lines of an order or a reservation say."""
    units: Counter[str] = Counter()
    for line in item["lines"]:
        units[line["sku"]] += int(line["quantity"])
    return units


def _scan(stack: RunningStack, output: str) -> Iterator[Item]:
    table = stack.table(output)
    answer = table.scan(ConsistentRead=True)
    yield from answer["Items"]
    while "LastEvaluatedKey" in answer:
        answer = table.scan(ConsistentRead=True, ExclusiveStartKey=answer["LastEvaluatedKey"])
        yield from answer["Items"]


def _waiting(stack: RunningStack, output: str) -> int:
    answer = stack.client("sqs").get_queue_attributes(
        QueueUrl=stack.outputs[output], AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def _mails(stack: RunningStack) -> list[Mail]:
    """What SES took, from the emulator's own mailbox."""
    with fetch(f"{stack.endpoint_url}/_ministack/ses/messages", timeout=10) as answer:
        by_account = json.load(answer)["messages"]
    return [_mail(message) for messages in by_account.values() for message in messages]


def _mail(message: Item) -> Mail:
    return Mail(", ".join(message["To"]), message["Subject"], message["BodyText"])
