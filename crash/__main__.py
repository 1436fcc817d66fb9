"""Kill the functions' processes while orders are under way, and check that all adds up: `make crash-test`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from crash import show
from crash.events import images
from crash.executions import Executions, interrupted_notices
from crash.findings import broken_promises, consequences
from crash.runtimes import moments
from crash.storm import storm
from demo import shop
from demo.show import show_verdict
from local import ledger
from local.command import FAILED, OK, count, execute, exit_with
from local.console import complain, console
from local.logs import keep_logs
from local.session import session

ENOUGH_KILLS = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the crash test. Exit status as `execute` has it; 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m crash", description="Kill runtime processes while orders are under way, and check."
    )
    parser.add_argument("--orders", type=count, default=100, metavar="N", help="so many orders (default: 100)")
    parser.add_argument("--seed", type=count, default=1, metavar="N", help="of the kills' moments (default: 1)")
    options = parser.parse_args(arguments)
    return execute(lambda: run(options.orders, options.seed))


def run(orders: int, seed: int) -> int:
    """Start, deploy, place, kill, check, stop. All is well only when enough was killed to say so."""
    started = time.monotonic()
    placements = list(shop.generated(orders))
    with session(tables=shop.CATALOGUE_FILE) as opened:
        running = opened.stack
        done = storm(opened.emulator, running, placements, seed, seconds=120 + 3.0 * orders)
        now = ledger.look(running)
        executions = Executions(running).histories()
        findings = ledger.violations(now, shop.OPENING_STOCK, interrupted_notices(executions))
        seen = images(running, {placement.order_id for placement in placements})
        findings |= broken_promises(placements, now, seen, done, executions)
        doing = moments(done.kills, opened.emulator.log.read_bytes())
        show.show_kills([(kill.function, moment) for kill, moment in zip(done.kills, doing, strict=True)])
        show.show_consequences(consequences(now, done, executions))
        if not show_verdict(findings):
            keep_logs(running)
    kills, broken = len(done.kills), sum(map(len, findings.values()))
    violations = f"{broken} violation{'s' * (broken != 1)}"
    seconds = time.monotonic() - started
    console.print(f"\n{len(placements)} orders, {kills} kills, {violations}, {seconds:.0f} s.")
    if kills < ENOUGH_KILLS:
        complain(
            f"{kills} kills are too few to prove anything, {ENOUGH_KILLS} are needed. "
            "Give it more orders: make crash-test ORDERS=100"
        )
    return OK if not broken and kills >= ENOUGH_KILLS else FAILED


if __name__ == "__main__":
    exit_with(main)
