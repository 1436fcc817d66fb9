"""What a night may find: its codes, and what to do about each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

# What the nightly job may mend by itself: void the hold of an order that is over, or send an order's event again.
type Repair = Literal["", "void", "send again"]
VOID: Final = "void"
SEND_AGAIN: Final = "send again"


class Code(StrEnum):
    """What is wrong, for people and for whoever counts."""

    HOLD_OF_A_FINISHED_ORDER = "HOLD_OF_A_FINISHED_ORDER"
    HOLD_LOST = "HOLD_LOST"
    CAPTURED_AT_THE_PROVIDER_ONLY = "CAPTURED_AT_THE_PROVIDER_ONLY"
    CAPTURED_HERE_ONLY = "CAPTURED_HERE_ONLY"
    CAPTURED_TWICE = "CAPTURED_TWICE"
    AMOUNT_DIFFERS = "AMOUNT_DIFFERS"
    REFUND_DIFFERS = "REFUND_DIFFERS"
    REFUND_WITHOUT_RETURN = "REFUND_WITHOUT_RETURN"
    PAYMENT_WITHOUT_ORDER = "PAYMENT_WITHOUT_ORDER"
    STOCK_BELOW_ZERO = "STOCK_BELOW_ZERO"
    STOCK_DOES_NOT_ADD_UP = "STOCK_DOES_NOT_ADD_UP"
    DECISION_WITHOUT_EFFECTS = "DECISION_WITHOUT_EFFECTS"
    ORDER_LOST = "ORDER_LOST"
    ORDER_OPEN_FOR_A_DAY = "ORDER_OPEN_FOR_A_DAY"
    WEBHOOK_NOT_APPLIED = "WEBHOOK_NOT_APPLIED"
    PARCEL_WITHOUT_ORDER = "PARCEL_WITHOUT_ORDER"
    PARCEL_NOT_BOOKED = "PARCEL_NOT_BOOKED"
    RESERVATION_WITHOUT_ORDER = "RESERVATION_WITHOUT_ORDER"
    INVARIANT_BROKEN = "INVARIANT_BROKEN"


ADVICE: dict[Code, str] = {
    Code.HOLD_OF_A_FINISHED_ORDER: "Void the hold: run the night again with repairs, or cancel it at the provider.",
    Code.HOLD_LOST: "Look the payment up at the provider. Without a hold the order can't be paid: ask the customer.",
    Code.CAPTURED_AT_THE_PROVIDER_ONLY: "Find out who took the money. Refund it, or complete the order by hand.",
    Code.CAPTURED_HERE_ONLY: "Look the payment up at the provider. The money has not come: stop the parcel, or charge.",
    Code.CAPTURED_TWICE: "Refund all but one of the charges at the provider.",
    Code.AMOUNT_DIFFERS: "Compare order, reservation and charge. Refund what is too much; ask for what is too little.",
    Code.REFUND_DIFFERS: "Compare the refunds here and at the provider. Pay what is missing, claim what is too much.",
    Code.REFUND_WITHOUT_RETURN: "Find out who refunded it. No return or cancellation asks for this money.",
    Code.PAYMENT_WITHOUT_ORDER: "Find the order in a backup. If there never was one, give the money back.",
    Code.STOCK_BELOW_ZERO: "Count the shelf, and correct the stock.",
    Code.STOCK_DOES_NOT_ADD_UP: "Count the shelf, and correct the stock, or what was received.",
    Code.DECISION_WITHOUT_EFFECTS: "Send the order's event again; where that is no repair, complete it by hand.",
    Code.ORDER_LOST: "Send the order's event again.",
    Code.ORDER_OPEN_FOR_A_DAY: "See docs/operations.md, An order needs a person.",
    Code.WEBHOOK_NOT_APPLIED: "Compare what the sender says with the tables, and have it send the news again.",
    Code.PARCEL_WITHOUT_ORDER: "Ask the carrier to stop the parcel, or find the order that it belongs to.",
    Code.PARCEL_NOT_BOOKED: "Ask the carrier for the parcel, and book it again.",
    Code.RESERVATION_WITHOUT_ORDER: "Release the reservation, once it is certain that there is no such order.",
    Code.INVARIANT_BROKEN: "Read what is contradicted in invariants/, and look at the order's items.",
}


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong. `order_id` is empty where it is about stock; `subject` says what of the order it is: a
    payment intent, a return, a parcel or a SKU. `expected` and `found` are amounts in minor units of `currency` (ISO
    4217), or units of stock where that is empty. `detail` is one sentence, with nothing personal in it.
    """

    code: Code
    order_id: str
    subject: str = ""
    currency: str = ""
    expected: int = 0
    found: int = 0
    detail: str = ""
    repair: Repair = ""
