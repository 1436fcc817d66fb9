"""The front door in the simulation, counted: calls of the API, one after another, and an order that is approved."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench import runs, simulated
from bench.meter import Tally, metered
from bench.simulated import PIPELINE, World, patched_environment
from orders import backoff

CALLS = 20  # of each kind; also the orders of the page that is listed
LINES = {"TEA-100": 2, "MUG-BLUE": 1}  # as in events/order.json
CUSTOMER = "customer-1"
OVER_IT = {"APPROVAL_LIMIT": "1"}  # of the order's 3,030 cents
UNDER_IT = {"APPROVAL_LIMIT": "1000000"}

READS_AFTER, READS_AFTER_A_SWEEP = 20.0, 130.0  # seconds until the approver opens the link
FIRST_SWEEP = backoff.wait_seconds(0) + 10.0  # by then the order is due


def calls() -> dict[str, Tally]:
    """Each kind of call, `CALLS` times. Nobody processes the orders meanwhile: that has a bill of its own."""
    found = {}
    with simulated.ready(PIPELINE, runs.stock()) as here:
        simulated.hear_nothing(here)
        placed = [place(here, str(number)) for number in range(CALLS)]
        # These were for the sandbox to be warm, and for the page.
        kinds: dict[str, Callable[[int], object]] = {
            "POST /orders": lambda number: place(here, f"new {number}"),
            "POST /orders, sent again": lambda number: place(here, f"new {number}"),
            "GET /orders/{order_id}": lambda number: _ok(here, "GET", placed[number]),
            f"GET /orders, {CALLS} of them": lambda _: _ok(here, "GET", f"/orders?customer_id={CUSTOMER}"),
            "POST /orders/{order_id}/cancel": lambda number: _ok(here, "POST", f"{placed[number]}/cancel"),
        }
        for kind, call in kinds.items():
            with metered(here, PIPELINE.settings) as tally:
                for number in range(CALLS):
                    call(number)
            tally.orders = CALLS
            found[kind] = tally
    return found


def wanted() -> dict[str, Any]:
    """What a customer sends to order two lines."""
    return {
        "customer": {"customer_id": CUSTOMER, "email": "ada@example.com"},
        "currency": "EUR",
        "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in LINES.items()],
        "payment_method": "pm_card_visa",
    }


def place(here: World, key: str) -> str:
    """Place an order under a key; answers where it is. Raises RuntimeError when it is not taken."""
    return _ok(here, "POST", "/orders", json.dumps(wanted()), {"idempotency-key": key}).headers["Location"]


def _ok(here: World, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> simulated.Answer:
    answer = simulated.call(here, method, path, body, headers)
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {answer.body}")
    return answer


@dataclass(frozen=True)
class Approvals:
    """An order through the API and the pipeline to its end: one under the limit, one over it that is approved at once,
    and one that is approved after its first sweep; and a run of the sweep that finds nothing to do.
    """

    under: Tally
    over: Tally
    after_a_sweep: Tally
    empty_sweep: Tally


def approvals() -> Approvals:
    """All four runs."""
    return Approvals(_reviewed(UNDER_IT), _reviewed(OVER_IT), _reviewed(OVER_IT, swept=True), _empty_sweep())


def _reviewed(limit: dict[str, str], *, swept: bool = False) -> Tally:
    """One order, which is approved if it is over the limit: at once, or after it was swept for the first time."""
    with simulated.ready(PIPELINE, runs.stock()) as here, patched_environment(limit):
        wait = READS_AFTER_A_SWEEP if swept else READS_AFTER
        here.approver = lambda link: simulated.later(here, wait, functools.partial(_approve, here, link))
        with metered(here, PIPELINE.settings) as tally:
            if swept:
                simulated.later(here, FIRST_SWEEP, lambda: simulated.sweep_now(here))
            place(here, "basket")
        simulated.all_closed(here)
        tally.orders = 1
        tally.outcomes.update(item["status"] for item in here.items("OrderStatesTable"))
    return tally


def _approve(here: World, link: str) -> None:
    here.ask("GET", link)
    here.ask("POST", link, "decision=approve", {"content-type": "application/x-www-form-urlencoded"})


def _empty_sweep() -> Tally:
    """One run of the sweep that finds nothing to do."""
    with simulated.ready(PIPELINE, []) as here:
        with metered(here, PIPELINE.settings) as tally:
            simulated.sweep(here)
        tally.orders = 1
    return tally


def sweeps_within(minutes: float) -> int:
    """How often an order is swept that is open for so long."""
    at, sweeps = 0, 0
    while (at := at + backoff.wait_seconds(sweeps)) <= 60 * minutes:
        sweeps += 1
    return sweeps
