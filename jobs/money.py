"""What was taken and given back, here and at the payment provider."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from jobs.cases import Case
from jobs.findings import SEND_AGAIN, VOID, Code, Finding, Repair
from orders import DisputeStatus, PaymentStatus, Refund, RefundStatus
from orders.shipping import CANCELLATION, ReturnStatus

NOT_TAKEN = (PaymentStatus.AUTHORIZING, PaymentStatus.AUTHORIZED)


def captured_twice(case: Case) -> Iterator[Finding]:
    """The provider took the order's money more than once."""
    if len(case.taken) > 1:
        known = case.payment.provider_reference if case.payment else ""
        others = [intent.reference for intent in case.taken if intent.reference != known]
        found = sum(intent.amount for intent in case.taken)
        detail = f"The provider took money {len(case.taken)} times."
        expected = charged(case) if case.is_confirmed else 0
        yield Finding(
            Code.CAPTURED_TWICE, case.order_id, ", ".join(others), case.taken[0].currency, expected, found, detail
        )


def captured_at_the_provider_only(case: Case) -> Iterator[Finding]:
    """The provider took money, and we don't know it. A capture that is due anyway is safe to repeat: it takes nothing
    twice, and writes down what was taken.
    """
    if case.taken and case.paid != PaymentStatus.CAPTURED:
        intent = case.taken[0]
        due = case.is_confirmed and case.paid == PaymentStatus.AUTHORIZED and _is_ours(case, intent.reference)
        yield Finding(
            Code.CAPTURED_AT_THE_PROVIDER_ONLY,
            case.order_id,
            intent.reference,
            intent.currency,
            charged(case) if case.is_confirmed else 0,
            intent.amount,
            f"The provider took the money of an order that is {case.outcome}, and here the payment is"
            f" {case.paid or 'missing'}.",
            SEND_AGAIN if due else "",
        )


def captured_here_only(case: Case) -> Iterator[Finding]:
    """We believe that the money came, and the provider does not have it."""
    if case.provider_is_known and case.paid == PaymentStatus.CAPTURED and not case.taken:
        standing = {intent.reference: intent.status for intent in case.intents}
        subject = case.payment.provider_reference if case.payment else ""
        detail = f"The payment is CAPTURED here, and at the provider it is {standing.get(subject, 'missing')}."
        yield Finding(Code.CAPTURED_HERE_ONLY, case.order_id, subject, currency(case), charged(case), 0, detail)


def hold_of_a_finished_order(case: Case) -> Iterator[Finding]:
    """The provider holds money that nobody will take. It can be voided, whether we know of the hold or not.
    Beside money that we have taken, a person cancels it.
    """
    over = not case.is_confirmed or bool(case.taken) or case.was_taken_back
    repair: Repair = VOID if case.paid != PaymentStatus.CAPTURED else ""
    for intent in case.held if over else ():
        detail = (
            f"The provider still holds money for an order that is {case.status}; here it is {case.paid or 'missing'}."
        )
        yield Finding(
            Code.HOLD_OF_A_FINISHED_ORDER,
            case.order_id,
            intent.reference,
            intent.currency,
            0,
            intent.amount,
            detail,
            repair,
        )


def hold_lost(case: Case) -> Iterator[Finding]:
    """The order is confirmed, and there is nothing at the provider that could be taken for it."""
    if case.is_confirmed and case.provider_is_known and not (case.taken or case.held or _was_undone(case)):
        subject = case.payment.provider_reference if case.payment else ""
        detail = (
            f"The order is confirmed, its payment is {case.paid or 'missing'}, and the provider holds nothing for it."
        )
        expected = charged(case) or case.sold or case.total or 0
        yield Finding(Code.HOLD_LOST, case.order_id, subject, currency(case), expected, 0, detail)


def payment_without_effect(case: Case) -> Iterator[Finding]:
    """The payment is not what the decision asks for, and no ledger contradicts it."""
    payment = case.payment
    if case.is_confirmed:
        right = case.paid == PaymentStatus.CAPTURED or _was_undone(case)
        safe = case.paid == PaymentStatus.AUTHORIZED and not case.was_taken_back
    else:
        right = payment.status in (PaymentStatus.VOIDED, PaymentStatus.DECLINED) if payment else case.is_forgotten
        # A void has to find at the provider what we have a reference of.
        known = not case.provider_is_known or bool(case.intents) or not payment or not payment.provider_reference
        safe = case.paid != PaymentStatus.CAPTURED and known
    if not right:
        yield without_effect(case, f"its payment is {case.paid or 'missing'}", charged(case), safe=safe)


def amount_differs(case: Case) -> Iterator[Finding]:
    """What was taken, what we wrote down as taken, and what the goods were sold for are three records of one amount.
    The order's own total is a fourth, unless the customer has changed the order since.
    """
    payment = case.payment
    if payment is None or payment.status != PaymentStatus.CAPTURED:
        return
    expected = case.sold if case.sold is not None else payment.charge.amount
    amounts = [(payment.provider_reference, payment.charge.amount, "written down as captured")]
    for intent in case.taken:
        amounts.insert(0, (intent.reference, intent.amount, "taken by the provider"))
        if intent.currency != payment.charge.currency:
            yield _amount(case, intent.reference, expected, intent.amount, f"taken in {intent.currency}")
            return
    if case.total not in (None, expected) and _is_as_sold(case):
        amounts.append(("total", case.total, "the order's total"))
    for subject, amount, what in amounts:
        if amount != expected:
            yield _amount(case, subject, expected, amount, what)
            return


def _amount(case: Case, subject: str, expected: int, found: int, what: str) -> Finding:
    detail = f"{found} is {what}, and {expected} is right by the other records."
    return Finding(Code.AMOUNT_DIFFERS, case.order_id, subject, currency(case), expected, found, detail)


# ── Refunds ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def refund_without_return(case: Case) -> Iterator[Finding]:
    """Money was given back for no return and no cancellation."""
    if "returns" not in case.night.sources:
        return
    for refund in refunds(case):
        if not _is_asked_for(case, refund):
            detail = f"The refund is {refund.status}, and no return that has arrived, and no cancellation, asks for it."
            yield Finding(
                Code.REFUND_WITHOUT_RETURN,
                case.order_id,
                refund.return_id,
                currency(case),
                0,
                refund.amount,
                detail,
            )


def refund_differs(case: Case) -> Iterator[Finding]:
    """What was to be given back, what we wrote down, and what the provider gave back."""
    payment = case.payment
    if payment is None or payment.status != PaymentStatus.CAPTURED:
        return
    made = {refund.return_id: refund.amount for refund in payment.refunds}
    for return_id, owed in _owed(case).items():
        if made.get(return_id, 0) != owed:
            detail = "What came back is worth another amount than was refunded for it."
            yield _refund(case, return_id, owed, made.get(return_id, 0), detail)
            return
    counted = sum(refund.amount for refund in payment.refunds if refund.status != RefundStatus.FAILED)
    if counted != payment.refunded:
        yield _refund(
            case, "refunded", counted, payment.refunded, "The sum of the refunds is not that of each of them."
        )
        return
    right = sum(refund.amount for refund in payment.refunds if refund.status == RefundStatus.REFUNDED)
    given = sum(intent.refunded for intent in case.taken)
    if case.taken and given != right:
        detail = "The provider has given back another amount than is written down."
        yield _refund(case, case.taken[0].reference, right, given, detail)


def _refund(case: Case, subject: str, expected: int, found: int, detail: str) -> Finding:
    return Finding(Code.REFUND_DIFFERS, case.order_id, subject, currency(case), expected, found, detail)


def refunds(case: Case) -> tuple[Refund, ...]:
    return case.payment.refunds if case.payment else ()


def _is_asked_for(case: Case, refund: Refund) -> bool:
    if refund.return_id == CANCELLATION:
        return case.was_taken_back
    one = case.returns.returns.get(refund.return_id) if case.returns else None
    return one is not None and one.status in (ReturnStatus.ARRIVED, ReturnStatus.REFUNDED)


def _owed(case: Case) -> dict[str, int]:
    """What has to be given back by now, by return. What the bank has given back, the shop need not."""
    if case.payment is None or case.payment.dispute == DisputeStatus.LOST:
        return {}
    if case.was_taken_back:
        return {CANCELLATION: case.payment.charge.amount}
    returns = case.returns.returns.values() if case.returns else ()
    return {one.return_id: one.amount for one in returns if one.status == ReturnStatus.REFUNDED}


# ── What several of them need ─────────────────────────────────────────────────────────────────────────────────────────


def _was_undone(case: Case) -> bool:
    """Whether its hold had lapsed before it was taken, and its customer has cancelled the order after that."""
    return case.was_taken_back and case.paid == PaymentStatus.VOIDED


def without_effect(case: Case, what: str, amount: int = 0, *, safe: bool) -> Finding:
    detail = f"The order is {case.outcome}, and {what}."
    return Finding(
        Code.DECISION_WITHOUT_EFFECTS,
        case.order_id,
        "",
        currency(case) if amount else "",
        amount if case.is_confirmed else 0,
        0 if case.is_confirmed else amount,
        detail,
        SEND_AGAIN if safe else "",
    )


def _is_as_sold(case: Case) -> bool:
    """Whether the order's item still asks for what was sold."""
    held = case.reservation.lines if case.reservation and case.holds_stock else ()
    units: list[Counter[str]] = [Counter(), Counter()]
    for counted, lines in zip(units, (held, case.ordered), strict=True):
        for line in lines:
            counted[line.sku] += line.quantity
    return bool(held) and units[0] == units[1]


def _is_ours(case: Case, reference: str) -> bool:
    return case.payment is not None and case.payment.provider_reference == reference


def charged(case: Case) -> int:
    return case.payment.charge.amount if case.payment else 0


def currency(case: Case) -> str:
    if case.payment and case.payment.charge.currency:
        return case.payment.charge.currency
    if case.taken or case.held:
        return (case.taken or case.held)[0].currency
    return str((case.order or {}).get("currency", {}).get("S", ""))


# What comes first explains what comes after it.
MONEY: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    captured_twice,
    captured_at_the_provider_only,
    captured_here_only,
    hold_of_a_finished_order,
    hold_lost,
    payment_without_effect,
    amount_differs,
    refund_without_return,
    refund_differs,
)
