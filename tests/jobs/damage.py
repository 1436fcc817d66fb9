"""What may be wrong in the morning: damage done by hand to tables and ledgers, and what the night has to say of it.

Each does one thing that no step of the shop does, to a victim that it chooses among the orders that are there, by their
state. No two get the same victim. What was there before is kept, and can be put back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jobs.findings import Code
from orders import Outcome, PaymentStatus, Reason, Refund, Reservation, ReservationStatus
from orders.shipping import counted, parcel_reference, shipment_from
from orders.tables import (
    Item,
    is_reservation,
    is_shard,
    payment_from,
    refund_attribute,
    reservation_from,
    reservation_item,
    reservation_key,
    stock_key,
)
from tests.jobs.victims import NoVictim, Order, Shop

MUCH_LATER = 4_000_000_000
# Orders that come to the same end when their event is sent again, whatever has become of the stock.
DECLINED = (Reason.PAYMENT_DECLINED, Reason.OUT_OF_STOCK, Reason.ORDER_INVALID)


@dataclass(frozen=True)
class Damage:
    """`do` answers the order that is damaged, or the SKU, and raises NoVictim. `repair` is what the night can do."""

    what: str
    code: Code
    do: Callable[[Shop], str]
    repair: str = ""


def _without(intent: Item, answer: str) -> Item:
    """The provider's answers, but for those to what is undone here."""
    answers = {key: value for key, value in intent["answers"]["M"].items() if not key.endswith(f":{answer}")}
    return {"M": answers}


# ── Money ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def lose_the_hold(shop: Shop) -> str:
    """The provider has forgotten a hold that is about to be taken."""
    order = shop.victim(lambda one: one.is_paid)
    shop.change("PaymentsTable", order.one("payments"), status={"S": PaymentStatus.AUTHORIZED})
    shop.delete("SimulatedGatewayTable", order.one("provider"))
    return order.order_id


def keep_the_hold(shop: Shop) -> str:
    """An order is cancelled, and nobody has given its hold back."""
    order = shop.victim(lambda one: one.was_held)
    intent = order.one("provider")
    shop.change("PaymentsTable", order.one("payments"), status={"S": PaymentStatus.AUTHORIZED}, reason=None)
    answers = _without(intent, "cancel")
    shop.change("SimulatedGatewayTable", intent, status={"S": "requires_capture"}, answers=answers)
    return order.order_id


def hold_again(shop: Shop) -> str:
    """The provider holds money a second time for an order that is paid."""
    order = shop.victim(lambda one: one.is_paid)
    intent = order.one("provider")
    shop.put("SimulatedGatewayTable", {**intent, "id": {"S": "pi_again"}, "status": {"S": "requires_capture"}})
    return order.order_id


def hold_astray(shop: Shop) -> str:
    """The provider holds money for a cancelled order, under an id that we never heard of."""
    order = shop.victim(lambda one: one.was_held)
    held = {
        **order.one("provider"),
        "id": {"S": "pi_astray"},
        "status": {"S": "requires_capture"},
        "answers": {"M": {}},
    }
    shop.put("SimulatedGatewayTable", held)
    return order.order_id


def capture_what_is_cancelled(shop: Shop) -> str:
    """Somebody takes the money of a cancelled order, at the provider."""
    order = shop.victim(lambda one: one.was_held)
    shop.change("SimulatedGatewayTable", order.one("provider"), status={"S": "succeeded"})
    return order.order_id


def forget_the_capture(shop: Shop) -> str:
    """The provider took the money, and that was never written down."""
    order = shop.victim(lambda one: one.is_paid)
    shop.change("PaymentsTable", order.one("payments"), status={"S": PaymentStatus.AUTHORIZED})
    return order.order_id


def lose_the_money(shop: Shop) -> str:
    """What was captured has gone, at the provider."""
    order = shop.victim(lambda one: one.is_paid)
    shop.change("SimulatedGatewayTable", order.one("provider"), status={"S": "canceled"})
    return order.order_id


def capture_twice(shop: Shop) -> str:
    """The provider took the money once more, under another id."""
    order = shop.victim(lambda one: one.is_paid)
    shop.put("SimulatedGatewayTable", {**order.one("provider"), "id": {"S": "pi_twice"}})
    return order.order_id


def take_more(shop: Shop) -> str:
    """The provider took another amount."""
    order = shop.victim(lambda one: one.is_paid)
    _raise("amount", shop, "SimulatedGatewayTable", order.one("provider"))
    return order.order_id


def write_down_more(shop: Shop) -> str:
    """We wrote another amount down."""
    order = shop.victim(lambda one: one.is_paid)
    _raise("amount", shop, "PaymentsTable", order.one("payments"))
    return order.order_id


def ask_for_more(shop: Shop) -> str:
    """The order has another total than it was sold for."""
    order = shop.victim(lambda one: one.is_paid and _is_as_sold(one))
    _raise("total", shop, "OrdersTable", order.one("orders"))
    return order.order_id


def _is_as_sold(order: Order) -> bool:
    lines = order.one("orders")["lines"]["L"]
    asked = {line["M"]["sku"]["S"]: int(line["M"]["quantity"]["N"]) for line in lines}
    held = order.reservation
    return held is not None and asked == {line.sku: line.quantity for line in held.lines}


def _raise(attribute: str, shop: Shop, table: str, item: Item) -> None:
    shop.change(table, item, **{attribute: {"N": str(int(item[attribute]["N"]) + 100)}})


def refund_at_the_provider(shop: Shop) -> str:
    """Somebody gives money back, at the provider."""
    order = shop.victim(lambda one: one.is_paid)
    intent = order.one("provider")
    made = {"return_id": {"S": ""}, "amount": {"N": "100"}, "status": {"S": "succeeded"}}
    shop.change("SimulatedGatewayTable", intent, amount_refunded={"N": "100"}, re_by_hand={"M": made})
    return order.order_id


def refund_for_nothing(shop: Shop) -> str:
    """Money is given back, here and there, and nothing was sent back."""
    if not shop.has("ReturnsTable"):
        raise NoVictim
    order = shop.victim(lambda one: one.is_paid)
    made = {"status": {"S": "REFUNDED"}, "amount": {"N": "100"}, "provider_reference": {"S": "re_for_nothing"}}
    refund = {refund_attribute("r-nothing"): {"M": made}, "refunded": {"N": "100"}}
    shop.change("PaymentsTable", order.one("payments"), **refund)
    shop.change("SimulatedGatewayTable", order.one("provider"), amount_refunded={"N": "100"})
    return order.order_id


def refund_less(shop: Shop) -> str:
    """A return is paid back in full here, and was worth more."""

    def fits(order: Order) -> bool:
        return any(refund.status == "REFUNDED" for refund in _refunds(order))

    order = shop.victim(fits)
    payment, intent, made = order.one("payments"), order.one("provider"), _refunds(order)[0]
    name = refund_attribute(made.return_id)
    less = {**payment[name]["M"], "amount": {"N": str(made.amount - 1)}}
    refunded = {"N": str(int(payment["refunded"]["N"]) - 1)}
    shop.change("PaymentsTable", payment, **{name: {"M": less}, "refunded": refunded})
    shop.change("SimulatedGatewayTable", intent, amount_refunded=refunded)
    return order.order_id


def _refunds(order: Order) -> tuple[Refund, ...]:
    return payment_from(order.one("payments")).refunds if order.items["payments"] else ()


def pay_for_nothing(shop: Shop) -> str:
    """There is a payment, here and there, of an order that nobody placed."""
    order = shop.victim(lambda one: one.is_paid)
    nobody = {"order_id": {"S": "nobody-paid"}}
    intent = {**order.one("provider"), **nobody, "id": {"S": "pi_nobody"}}
    shop.put("SimulatedGatewayTable", intent)
    shop.put("PaymentsTable", {**order.one("payments"), **nobody, "provider_reference": intent["id"]})
    return "nobody-paid"


# ── Stock, decisions and lists ────────────────────────────────────────────────────────────────────────────────────────


def lose_a_unit(shop: Shop) -> str:
    """A unit is gone from the shelf."""
    return _recount(shop, lambda available: available - 1)


def oversell(shop: Shop) -> str:
    """A counter has gone below zero."""
    return _recount(shop, lambda _: -1)


def _recount(shop: Shop, count: Callable[[int], int]) -> str:
    """Change the counter of a SKU that is there and of which it is known what was received, and no order is damaged."""
    for item in shop.items("InventoryTable"):
        sku = str(item["pk"]["S"]).removeprefix("SKU#")
        if "received" in item and int(item["available"]["N"]) > 0 and sku not in shop._victims:
            shop._victims.add(sku)
            shop.change("InventoryTable", item, available={"N": str(count(int(item["available"]["N"])))})
            return sku
    raise NoVictim


def undo_the_capture(shop: Shop) -> str:
    """An order is confirmed, and its money was never taken."""
    order = shop.victim(lambda one: one.is_paid and one.one("states")["status"]["S"] != Outcome.CANCELLED)
    intent = order.one("provider")
    shop.change("PaymentsTable", order.one("payments"), status={"S": PaymentStatus.AUTHORIZED})
    answers = _without(intent, "capture")
    shop.change("SimulatedGatewayTable", intent, status={"S": "requires_capture"}, answers=answers)
    return order.order_id


def undo_the_release(shop: Shop) -> str:
    """An order is cancelled, and its stock was never released."""

    def fits(order: Order) -> bool:
        held = order.reservation
        released = held is not None and held.status == ReservationStatus.RELEASED and bool(held.lines)
        return order.outcome == Outcome.CANCELLED and released

    order = shop.victim(fits)
    item = next(item for item in order.items["inventory"] if is_reservation(item))
    shop.change("InventoryTable", item, status={"S": ReservationStatus.RESERVED}, reason=None)
    held = reservation_from(item)
    for line in held.lines:
        _take(shop, line.sku, line.quantity, held.shard)
    return order.order_id


def lose_the_reservation(shop: Shop) -> str:
    """An order is confirmed and paid, and nobody knows of its stock."""
    order = shop.victim(lambda one: one.is_paid)
    shop.delete("InventoryTable", reservation_key(order.order_id))
    return order.order_id


def _take(shop: Shop, sku: str, units: int, shard: int = 0) -> None:
    key = stock_key(sku, shard)
    counter = next(item for item in shop.items("InventoryTable") if item["pk"] == key["pk"])
    shop.change("InventoryTable", counter, available={"N": str(int(counter["available"]["N"]) - units)})
    shop._victims.add(sku)  # its stock is in doubt


def reserve_for_nobody(shop: Shop) -> str:
    """Stock is held for an order that nobody placed."""
    stock = (item for item in shop.items("InventoryTable") if item["sk"] == stock_key("")["sk"] and not is_shard(item))
    item = next((item for item in stock if int(item["available"]["N"]) > 0), None)
    if item is None:
        raise NoVictim
    sku = item["pk"]["S"].removeprefix("SKU#")
    line = {"sku": {"S": sku}, "quantity": {"N": "1"}, "unit_price": {"N": "1"}}
    empty = reservation_item(Reservation("nobody-reserved", ReservationStatus.RESERVED))
    shop.put("InventoryTable", {**empty, "lines": {"L": [{"M": line}]}})
    _take(shop, sku, 1)
    return "nobody-reserved"


def lose_the_order(shop: Shop) -> str:
    """What became of an order is gone, and so is the order from the list of what is to do."""
    order = shop.victim(lambda one: one.reason in DECLINED)
    shop.delete("OrderStatesTable", order.one("states"))
    return order.order_id


def leave_it_open(shop: Shop) -> str:
    """An order has been on the list of what is to do for days, and no sweep comes to it."""
    order = shop.victim(lambda one: one.outcome == Outcome.CONFIRMED)
    item = {"order_id": {"S": order.order_id}, "occurred_at": {"S": shop.days_ago(3)}, "sweeps": {"N": "9"}}
    shop.put("OpenOrdersTable", {**item, "sweep_at": {"N": str(MUCH_LATER)}})
    return order.order_id


def forget_what_it_came_to(shop: Shop) -> str:
    """The history of an order does not know how it was decided: no ledger differs, but it is never so."""
    order = shop.victim(lambda one: one.outcome == Outcome.CONFIRMED)
    state = order.one("states")
    rest = {status: at for status, at in state["history"]["M"].items() if status != Outcome.CONFIRMED}
    shop.change("OrderStatesTable", state, history={"M": rest})
    return order.order_id


# ── After the sale ────────────────────────────────────────────────────────────────────────────────────────────────────


def _shipped(shop: Shop) -> tuple[Order, str]:
    """An order that was shipped, and the reference of one of its parcels."""
    order = shop.victim(lambda one: one.items["shipments"] and one.items["carrier"])
    parcel = shipment_from(order.one("shipments")).parcels[0]
    return order, parcel_reference(order.order_id, parcel.warehouse)


def ignore_the_news(shop: Shop) -> str:
    """The carrier told of a parcel days ago, and that was written down and never applied."""
    order, reference = _shipped(shop)
    told = {"kind": {"S": "parcel.shipped"}, "subject": {"S": reference}, "received_at": {"S": shop.days_ago(3)}}
    shop.put("InboxTable", {"id": {"S": "carrier:evt-ignored"}, "status": {"S": "RECEIVED"}, **told})
    return order.order_id


def misjudge_the_news(shop: Shop) -> str:
    """The carrier told of a parcel of ours, and that was put aside as nobody's."""
    order, reference = _shipped(shop)
    told = {"kind": {"S": "parcel.shipped"}, "subject": {"S": reference}, "received_at": {"S": shop.days_ago(3)}}
    shop.put("InboxTable", {"id": {"S": "carrier:evt-misjudged"}, "status": {"S": "UNKNOWN"}, **told})
    return order.order_id


def carry_for_nobody(shop: Shop) -> str:
    """The carrier has a parcel of an order that nobody placed."""
    if not shop.has("SimulatedCarrierTable"):
        raise NoVictim
    item = {"id": {"S": "SIM-nobody"}, "reference": {"S": parcel_reference("nobody-sent", "main")}}
    shop.put("SimulatedCarrierTable", {**item, "units": counted({"mug": 1}), "key": {"S": "k"}, "request": {"S": "r"}})
    return "nobody-sent"


def lose_the_booking(shop: Shop) -> str:
    """The carrier does not know a parcel that we have a tracking number of."""
    order, reference = _shipped(shop)
    for item in order.items["carrier"]:
        if item["reference"]["S"] == reference:
            shop.delete("SimulatedCarrierTable", item)
    return order.order_id


TWELVE = (
    Damage("a hold is lost", Code.HOLD_LOST, lose_the_hold),
    Damage("a hold is kept", Code.HOLD_OF_A_FINISHED_ORDER, keep_the_hold, "void"),
    Damage("captured at the provider only", Code.CAPTURED_AT_THE_PROVIDER_ONLY, capture_what_is_cancelled),
    Damage("captured twice", Code.CAPTURED_TWICE, capture_twice),
    Damage("another amount is taken", Code.AMOUNT_DIFFERS, take_more),
    Damage("a refund that nobody knows of", Code.REFUND_DIFFERS, refund_at_the_provider),
    Damage("a payment of nobody's", Code.PAYMENT_WITHOUT_ORDER, pay_for_nothing),
    Damage("a unit is missing", Code.STOCK_DOES_NOT_ADD_UP, lose_a_unit),
    Damage("confirmed, and never captured", Code.DECISION_WITHOUT_EFFECTS, undo_the_capture, "send again"),
    Damage("an order is lost", Code.ORDER_LOST, lose_the_order, "send again"),
    Damage("news is not applied", Code.WEBHOOK_NOT_APPLIED, ignore_the_news),
    Damage("a parcel of nobody's", Code.PARCEL_WITHOUT_ORDER, carry_for_nobody),
)
MORE = (
    Damage("a hold that we never heard of", Code.HOLD_OF_A_FINISHED_ORDER, hold_astray, "void"),
    Damage("a second hold", Code.HOLD_OF_A_FINISHED_ORDER, hold_again),
    Damage("a capture is forgotten", Code.CAPTURED_AT_THE_PROVIDER_ONLY, forget_the_capture, "send again"),
    Damage("captured here only", Code.CAPTURED_HERE_ONLY, lose_the_money),
    Damage("another amount is written down", Code.AMOUNT_DIFFERS, write_down_more),
    Damage("another total is asked for", Code.AMOUNT_DIFFERS, ask_for_more),
    Damage("a refund for nothing", Code.REFUND_WITHOUT_RETURN, refund_for_nothing),
    Damage("a refund of less", Code.REFUND_DIFFERS, refund_less),
    Damage("oversold", Code.STOCK_BELOW_ZERO, oversell),
    Damage("cancelled, and never released", Code.DECISION_WITHOUT_EFFECTS, undo_the_release, "send again"),
    Damage("a reservation is lost", Code.DECISION_WITHOUT_EFFECTS, lose_the_reservation),
    Damage("stock for nobody", Code.RESERVATION_WITHOUT_ORDER, reserve_for_nobody),
    Damage("open for days", Code.ORDER_OPEN_FOR_A_DAY, leave_it_open),
    Damage("news is misjudged", Code.WEBHOOK_NOT_APPLIED, misjudge_the_news),
    Damage("a booking is lost", Code.PARCEL_NOT_BOOKED, lose_the_booking),
    Damage("a history with a gap", Code.INVARIANT_BROKEN, forget_what_it_came_to),
)
EVERY = TWELVE + MORE
