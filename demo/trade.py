"""A day's trade on a running stack: orders of every kind, each taken to where nothing more comes of it.

The shop does its part by itself. We play the others: customers who order, cancel and send back, the approver, and the
carrier (after_sale.py). A few orders are at it at a time, as many as two cores can take.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import cycle
from urllib.parse import quote

from demo import shop
from demo.after_sale import PATIENCE_SECONDS, SWEPT_SECONDS, Life, Seen, one_of, play, sent_back
from demo.shop import Placement
from invariants.books import Books
from invariants.shipping import ENDS
from local import api
from local.books import emails, look
from local.console import progress
from local.stack import APPROVER, Problem, RunningStack
from orders import Outcome, PaymentStatus, Status, epoch_seconds, iso_8601
from orders.approval import ApprovalStatus
from orders.shipping import Returns

AT_ONCE = 6
LOOK_SECONDS = 2.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

# What becomes of an order that is confirmed.
Then = Callable[[Life], None]


@dataclass(frozen=True)
class Visit:
    """A customer's order, how many times its event is delivered, what follows when it is confirmed, and what the
    approver says if it is over the limit.
    """

    placement: Placement
    then: Then
    approver: str = "approve"


class Silent(Life):
    """One of many orders: what happens to it is not worth a line."""

    def say(self, what: str) -> None:
        """Nobody listens."""


def visits(orders: int, prefix: str = "") -> list[Visit]:
    """So many customers, or as many as there are kinds of orders if those are more. Their orders' ids begin with the
    prefix.
    """
    ends = cycle((keeps, returns_one, regrets, returns_everything))
    approved, denied = (shop.order(f"{prefix}{name}", {"KETTLE": 15}) for name in ("approved", "not-approved"))
    special = [
        *(Visit(_named(placement, prefix), keeps) for placement in shop.showcase()),
        Visit(Placement("approved", approved, frozenset({Outcome.CONFIRMED})), keeps),
        Visit(Placement("not approved", denied, frozenset({Outcome.CANCELLED})), keeps, approver="deny"),
    ]
    more = shop.generated(max(0, orders - len(special)))
    return [*special, *(Visit(_named(placement, prefix), next(ends)) for placement in more)]


def _named(placement: Placement, prefix: str) -> Placement:
    item = placement.item | {"order_id": prefix + placement.order_id}
    return Placement(placement.title, item, placement.expected, placement.deliveries)


def trade(stack: RunningStack, customers: Sequence[Visit], window: float) -> None:
    """Let them all order, and wait until nothing more comes of any of it. What is delivered may be sent back for
    `window` seconds.

    Raises Problem when an order does not come to its end, or to a wrong one.
    """
    over = threading.Event()
    with progress() as begin:
        done = begin("orders come and go", len(customers))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            under_way = [pool.submit(_visit, stack, visit, over) for visit in customers]
            try:
                for one in as_completed(under_way):
                    one.result()
                    done()
            except BaseException:
                over.set()
                pool.shutdown(cancel_futures=True)
                raise
        rested = begin("until all is at rest", len(customers))
        _rest(stack, customers, window + SWEPT_SECONDS, rested)


def _visit(stack: RunningStack, visit: Visit, over: threading.Event) -> None:
    """Play one customer, until all is `over`."""

    def go_on(_: str) -> None:
        if over.is_set():
            raise Problem("Another order has failed, or somebody has ended this.")

    placement = visit.placement
    moment = {"placed_at": iso_8601(time.time())} if "placed_at" in placement.item else {}
    life = Silent(stack, placement.item | moment, go_on)
    shop.place(stack, life.item)
    for _ in range(placement.deliveries - 1):
        shop.deliver_again(stack, placement.order_id)
    outcome = _decided(life, visit.approver)
    if outcome not in placement.expected:
        raise Problem(f"{placement.order_id} is {outcome}, which is not right for it.")
    if outcome == Outcome.CONFIRMED:
        visit.then(life)


# ── What customers do ───────────────────────────────────────────────────────────────────────────────────────────────


def keeps(life: Life) -> None:
    """All of it is delivered and kept."""
    play(life, Status.DELIVERED)


def returns_one(life: Life) -> None:
    """One unit comes back, if there are more; else all of it."""
    _returns(life, lambda standing: one_of(life, standing) or standing.left)


def returns_everything(life: Life) -> None:
    """All of it comes back."""
    _returns(life, lambda standing: standing.left)


def _returns(life: Life, units: Callable[[Returns], Mapping[str, int]]) -> None:
    play(life, Status.DELIVERED)
    standing = life.see().returns
    if standing is None:
        return
    try:
        sent_back(life, units(standing))
    except Problem:
        if time.time() < epoch_seconds(standing.until):
            raise  # whoever is late keeps it


def regrets(life: Life) -> None:
    """The customer cancels what is paid for already, and keeps it if it ships meanwhile."""
    life.wait("its money", lambda seen: seen.payment is not None and seen.payment.status == PaymentStatus.CAPTURED)
    url = f"{life.stack.outputs['ApiUrl']}/orders/{quote(life.order_id, safe='')}/cancel"
    answer = api.ask("POST", url)
    if answer.status == 409:
        keeps(life)
    elif answer.status != 200:
        raise Problem(f"The cancellation of {life.order_id} was answered with {answer.status}: {answer.text}")


# ── The approver ────────────────────────────────────────────────────────────────────────────────────────────────────


def _decided(life: Life, approver: str) -> str:
    """The order's outcome, once it has one."""

    def asked(seen: Seen) -> bool:
        return seen.approval is not None and seen.approval.status == ApprovalStatus.PENDING

    seen = life.wait("its decision", lambda seen: bool(seen.outcome) or asked(seen), SWEPT_SECONDS)
    if not seen.outcome:
        _click(life, approver)
        seen = life.wait("its decision after its approval", lambda seen: bool(seen.outcome), SWEPT_SECONDS)
    return seen.outcome


def _click(life: Life, answer: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (links := list(_links(life))):
        if time.monotonic() > deadline:
            raise Problem(f"{life.order_id} is over the limit, and nobody was asked to approve it.")
        time.sleep(LOOK_SECONDS)
    reply = api.ask("POST", links[-1], f"decision={answer}", FORM, signed_by=None)
    if reply.status != 200:
        raise Problem(f"The approver's answer was answered with {reply.status}: {reply.text}")


def _links(life: Life) -> Iterator[str]:
    for one in emails(life.stack):
        if one.to == APPROVER and life.order_id in one.subject.split():
            yield from re.findall(r"http\S+/approvals/\S+", one.text)


# ── The end of the day ──────────────────────────────────────────────────────────────────────────────────────────────


def _rest(stack: RunningStack, customers: Sequence[Visit], seconds: float, rested: Callable[[], None]) -> None:
    deadline = time.monotonic() + seconds
    resting: set[str] = set()
    order_ids = {visit.placement.order_id for visit in customers}
    while left := order_ids - resting:
        if time.monotonic() > deadline:
            raise Problem(f"{len(left)} orders do not come to their end, such as {min(left)}. See: make logs")
        time.sleep(LOOK_SECONDS)
        now = look(stack)
        for order_id in left:
            if at_rest(now, order_id):
                resting.add(order_id)
                rested()


def at_rest(now: Books, order_id: str) -> bool:
    """Whether nothing more comes of an order on a stack that ships: it is on no list, nor is a return of it."""
    on_a_list = any(entry.startswith(f"{order_id}/") for entry in now.open)
    return now.status(order_id) in ENDS and now.settled(order_id) and not on_a_list
