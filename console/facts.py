"""What came of an order, counted in the ledgers: the proof that what ran twice took effect once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from console import model
from console.dossier import Dossier
from console.executions import Execution, by_subject
from console.telling import Account, Role
from console.timeline import times
from console.watch import Mail
from orders import PaymentStatus, ReservationStatus


@dataclass(frozen=True)
class Fact:
    """A count, what is counted, and what there is to say of it. `once` is an effect that must not happen `twice`."""

    count: int
    what: str
    detail: str
    once: bool = False
    twice: bool = False


def facts(dossier: Dossier, executions: Sequence[Execution], mails: Sequence[Mail] | None) -> list[Fact]:
    """What an order has come to, from what set it off to what came of it. Of emails it says nothing where nobody keeps
    any: then `mails` is None.
    """
    found = [
        _deliveries(executions),
        Fact(len(executions), "execution" if len(executions) == 1 else "executions", _by_workflow(executions)),
        _stock(dossier),
        _money(dossier),
    ]
    return found if mails is None else [*found, _emails(mails)]


def _deliveries(executions: Sequence[Execution]) -> Fact:
    """As many as something was started by: each delivery of an event starts an execution."""
    what = Counter(one.what_happened for one in executions if one.event_id)
    said = [f"{happened} {times(n)}" for happened, n in what.items()]
    total = what.total()
    what_they_did = "delivery started a workflow" if total == 1 else "deliveries started a workflow"
    return Fact(total, what_they_did, ", ".join(said) or "none yet")


def _by_workflow(executions: Sequence[Execution]) -> str:
    return ", ".join(f"{n} of {workflow}" for workflow, n in Counter(one.workflow for one in executions).items())


def _stock(dossier: Dossier) -> Fact:
    items = dossier.items.get("InventoryTableName", ())
    held = [item for item in items if item.get("status") == ReservationStatus.RESERVED]
    what = "reservation" if len(held) == 1 else "reservations"
    released = any(item.get("status") == ReservationStatus.RELEASED for item in items)
    nothing = "given back, or never to be had" if released else "no stock is held"
    lines = "; ".join(model.lines_text(item.get("lines")) for item in held)
    return Fact(len(held), what, lines or nothing, once=True, twice=len(held) > 1)


def _money(dossier: Dossier) -> Fact:
    """What the provider says where it can be asked, else our own record."""
    intents = dossier.items.get("SimulatedGatewayTableName", ())
    taken = [one for one in intents if one.get("status") == "succeeded"]
    payment = dossier.one("PaymentsTableName")
    if not intents and payment.get("status") == PaymentStatus.CAPTURED:
        taken = [payment]
    what = "charge" if len(taken) == 1 else "charges"
    if taken:
        return Fact(len(taken), what, "; ".join(map(_amount, taken)), once=True, twice=len(taken) > 1)
    return Fact(0, what, _no_charge(payment), once=True)


def _amount(charge: Mapping[str, Any]) -> str:
    currency = charge.get("currency")
    back = charge.get("amount_refunded") or charge.get("refunded") or 0
    paid_back = f", {model.amount(back, currency)} paid back" if isinstance(back, Decimal) and back else ""
    return model.amount(charge.get("amount"), currency) + paid_back


def _no_charge(payment: Mapping[str, Any]) -> str:
    match payment.get("status"):
        case PaymentStatus.AUTHORIZED:
            return f"{_amount(payment)} is held, not taken yet"
        case PaymentStatus.DECLINED:
            return "the card was declined"
        case PaymentStatus.VOIDED:
            return "nothing is held"
        case None:
            return "nothing was asked for"
        case other:
            return model.text(other).lower()


def _emails(mails: Sequence[Mail]) -> Fact:
    several = {subject: n for (_, subject), n in Counter((one.to, one.subject) for one in mails).items() if n > 1}
    detail = "none twice" if mails else "nobody was told yet"
    if several:
        detail = "; ".join(f"“{subject}” {times(n)}" for subject, n in several.items())
    what = "email" if len(mails) == 1 else "emails" if several or not mails else "different emails"
    return Fact(len(mails), what, detail, once=True, twice=bool(several))


def headline(
    executions: Sequence[Execution], accounts: Mapping[str, Account], counted: Sequence[Fact], swept: int = 0
) -> list[str]:
    """What happened in a sentence or two for each event that was delivered more than once, and what came of it; one
    that says so where none was. Of an order that is still open, the sweep has sent the event again so many times.
    """
    sent = f"; the sweep has sent it again {times(swept)}, for the order is still open" if swept else ""
    said = []
    trouble = [
        f"{visit.state} of the {one.workflow} workflow fails ({visit.errors[-1]}), and is tried again."
        for one in executions
        for visit in one.history.visits
        if one.runs and visit.failing and not visit.exited and visit.errors
    ]
    for (workflow, about), together in by_subject(executions).items():
        for event_id, number in Counter(one.event_id for one in together).items():
            if number > 1:
                what = f"the {workflow} workflow" + (f" of the return {about}" if about else "")
                ran = f"so {number} executions of {what} ran."
                same = [(one, accounts[one.arn]) for one in together if one.event_id == event_id]
                said.append(f"The same event ({event_id}) was delivered {times(number)}{sent}, {ran} {_of_them(same)}")
    if said:
        repeated = [one for together in by_subject(executions).values() if len(together) > 1 for one in together]
        return [*dict.fromkeys(trouble), *said, _came_of_it(counted, far=any(one.runs for one in repeated))]
    once = ["Every event was delivered once, so each workflow ran once for it."] if executions else []
    return [*dict.fromkeys(trouble), *once]


def came_again(executions: Sequence[Execution]) -> bool:
    """Whether an event was delivered more than once, so that a workflow ran more than once for it."""
    return any(
        number > 1
        for together in by_subject(executions).values()
        for number in Counter(one.event_id for one in together).values()
    )


def _of_them(same: Sequence[tuple[Execution, Account]]) -> str:
    """What became of several executions for one event."""
    runs = sum(one.runs for one, _ in same)
    idle = [account.number for _, account in same if account.changed_nothing]
    if len(idle) == 1 and not runs:
        [it] = [account for _, account in same if account.changed_nothing]
        beside = Role.SECOND in it.roles.values()
        why = "each of its steps got the first one’s answer" if beside else "it found everything done"
        return f"Execution {idle[0]} changed nothing: {why}."
    said = [f"{len(idle)} of them changed nothing: they found everything done."] if len(idle) > 1 else []
    if len(idle) == 1:
        said.append(f"Execution {idle[0]} changed nothing.")
    if runs:
        still = "All" if runs == len(same) else "One" if runs == 1 else str(runs)
        said.append(f"{still} of them still {'runs' if runs == 1 else 'run'}.")
    elif not idle:
        said.append("They shared the work: each step was done by one of them, and found done by the others.")
    return " ".join(said)


def _came_of_it(counted: Sequence[Fact], *, far: bool) -> str:
    several = [fact for fact in counted if fact.twice]
    if several:
        return f"But not all of it happened once: {', '.join(f'{fact.count} {fact.what}' for fact in several)}."
    there = [f"{fact.count} {fact.what}" for fact in counted if fact.once and fact.count]
    once = "So far, all of it took effect once" if far else "All of it took effect once"
    return f"{once}: {', '.join(there)}." if there else "Nothing took effect twice."
