"""`make crash-test`: kills while orders are under way, and whether all adds up afterwards."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from crash.storm import ENOUGH_KILLS, Storm, moments, storm
from crash.workflows import CUT_OFF, History, Workflows, interrupted_notices
from demo import shop
from demo.shop import OPENING_STOCK, Placement
from demo.show import show_verdict
from invariants.books import Books, Called, Execution
from invariants.checks import violations
from local.books import look, past
from local.command import FAILED, OK, count, execute, exit_with
from local.console import complain, console, table_of
from local.logs import keep_logs
from local.session import Session, session
from local.stack import RunningStack

SWEEPING_SECONDS = 30 * 60  # in which the last orders may wait for a sweep


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the test. Exit status as `execute` has it; 2 for wrong usage."""
    text = "Kill runtime processes while orders are under way, and check"
    parser = argparse.ArgumentParser(prog="python -m crash", description=text)
    parser.add_argument("--orders", type=count, default=100, metavar="N", help="so many orders (default: 100)")
    parser.add_argument("--seed", type=count, default=1, metavar="N", help="of the kills' moments (default: 1)")
    options = parser.parse_args(arguments)

    def test() -> int:
        with session(tables=shop.CATALOGUE_FILE) as opened:
            return crash_test(opened, options.orders, options.seed)

    return execute(test)


def crash_test(opened: Session, orders: int, seed: int) -> int:
    """Place, kill, check. All is well only when enough was killed to say so."""
    started = time.monotonic()
    placements = list(shop.generated(orders))
    done = storm(opened.emulator, opened.stack, placements, seed, seconds=SWEEPING_SECONDS + 3.0 * orders)
    histories = Workflows(opened.stack).histories()
    now = books(opened.stack, placements, done, histories)
    findings = violations(now)
    what_they_did = moments(done.kills, opened.emulator.log.read_bytes())
    show_kills([(kill.function, moment) for kill, moment in zip(done.kills, what_they_did, strict=True)])
    show_consequences(consequences(now, done, histories))
    if not show_verdict(findings):
        keep_logs(opened.stack)
    kills, broken = len(done.kills), sum(map(len, findings.values()))
    seconds = time.monotonic() - started
    said = f"{broken} violation{'s' * (broken != 1)}"
    console.print(f"\n{len(placements)} orders, {kills} kills, {said}, {seconds:.0f} s.")
    if kills < ENOUGH_KILLS:
        complain(
            f"{kills} kills are too few to prove anything, {ENOUGH_KILLS} are needed. "
            "Give it more orders: make crash-test ORDERS=100"
        )
    return OK if not broken and kills >= ENOUGH_KILLS else FAILED


def books(
    stack: RunningStack,
    placements: Sequence[Placement],
    done: Storm,
    histories: Mapping[Execution, History],
) -> Books:
    """The books, with all that was seen of these orders."""
    placed = {placement.order_id: [placement.item] for placement in placements}
    return look(
        stack,
        opening=OPENING_STOCK,
        placed=placed,
        expected={placement.order_id: placement.expected for placement in placements},
        past=past(stack, placed),
        events=done.events,
        executions=list(histories),
        unrecorded=interrupted_notices(histories),
        called={one["order_id"]: [Called(0.0)] for call in done.calls for one in call["open"]},
        minutes_away=0,
    )


def consequences(now: Books, done: Storm, histories: Mapping[Execution, History]) -> dict[str, str]:
    """What the kills cost, and how many times."""
    cut_off = [one for history in histories.values() for one in history.attempts if one.error in CUT_OFF]
    later = sum(history.state == "Later" for history in histories.values())
    return {
        "attempts at a step cut off, and made again by the workflow": str(len(cut_off)),
        "emails repeated": str(sum(max(0, len(now.told(order_id)) - 1) for order_id in now.orders)),
        "executions that left their order to the sweep": str(later),
        "people called": str(len(done.calls)),
    }


def show_kills(kills: Sequence[tuple[str, str]]) -> None:
    """How many runtimes were killed: each kill is a function, and `busy`, `starting` or `idle`."""
    headings = {"busy": "in an invocation", "starting": "starting", "idle": "idle"}
    table = table_of("Kills, by what the runtime was doing", "function", *headings.values(), "all", numbers=4)
    counts = Counter(kills)
    for function, total in Counter(function for function, _ in kills).most_common():
        table.add_row(function, *(str(counts[function, moment]) for moment in headings), str(total))
    totals = Counter(moment for _, moment in kills)
    table.add_row("all", *(str(totals[moment]) for moment in headings), str(len(kills)), style="bold")
    console.print(table)


def show_consequences(consequences: Mapping[str, str]) -> None:
    """What the kills led to, and how many times."""
    console.print("\nWhat came of them", style="italic")
    for what, how_many in consequences.items():
        console.print(f"  {what:<60}{how_many}", soft_wrap=True)


if __name__ == "__main__":
    exit_with(main)
