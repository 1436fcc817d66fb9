"""`make run`, `make order` and `make books`: orders through a stack on this machine, and the night after them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from rich.text import Text

from demo import after_sale, books, order_files, shop, show
from demo.follow import POLL_SECONDS, Paths, follow
from demo.judge import judge
from demo.shop import OPENING_STOCK, Placement
from invariants.checks import violations
from local import left_running
from local.books import look, past
from local.command import FAILED, OK, commands_of, count, execute, exit_with, positive, workflow_option
from local.console import console, plain
from local.logs import keep_logs
from local.session import session
from local.stack import Problem, RunningStack
from orders import Status

ORDER_SECONDS = 60  # within which an order on a stack that has nothing else to do comes to its end


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit status as `execute` has it; 2 for wrong usage, 3 for books that do not agree."""
    parser = argparse.ArgumentParser(prog="python -m demo", description="Orders through a stack on this machine.")
    command = commands_of(parser)
    one_shot = command("run", run, "Start a stack, run orders through it, check that it all adds up, and stop it")
    one_shot.add_argument("--orders", type=count, default=0, metavar="N", help="add N generated orders")
    workflow_option(one_shot)
    one_order = command("order", order, "Place an order from a JSON file and follow it to its end")
    one_order.add_argument("file", type=Path, metavar="FILE", help="such as events/order.json, demo/two-parcels.json")
    one_order.add_argument(
        "--until",
        type=after_sale.stage,
        metavar="STATUS",
        help=f"play its customer and the carrier until it is {', '.join(after_sale.STAGES[:-1])} or "
        f"{after_sale.STAGES[-1]}, and check that it all adds up (default: until its workflow ends)",
    )

    one_night = command(
        "books",
        books.books,
        "Close a day's books: reconcile everything that there is, and keep a report of the day. "
        f"Exits with {books.FINDINGS} when something does not agree",
    )
    one_night.add_argument(
        "--day", type=books.day, metavar="DAY", help="such as 2026-11-25 (default: today, in the shop's time zone)"
    )
    one_night.add_argument("--repair", choices=["yes", "no"], default="no", help="mend what is safe to (default: no)")
    one_night.add_argument(
        "--orders",
        type=positive,
        default=books.ORDERS,
        metavar="N",
        help=f"where no stack is running, so many orders on one of its own come first (default: {books.ORDERS})",
    )

    options = parser.parse_args(arguments)
    return execute(lambda: options.run(options))


def run(options: argparse.Namespace) -> int:
    """Start, deploy, place, follow, check, stop."""
    started = time.monotonic()
    placements = [*shop.showcase(), *shop.generated(options.orders)]
    with session(tables=shop.CATALOGUE_FILE, parameters={"WorkflowType": options.workflow}) as opened:
        deployed = time.monotonic() - started
        # A generated order takes about a third of a second on two cores; the rest is patience.
        now = follow(opened.stack, placements, partial(_place, opened.stack), seconds=90 + 1.5 * options.orders)
        shown = [placement.order_id for placement in placements if placement.title != shop.GENERATED]
        show.show_emails(now, shown)
        show.show_stock(now, OPENING_STOCK)
        show.show_payments(now, shown)
        placed = {placement.order_id: [placement.item] for placement in placements}
        books = look(
            opened.stack,
            opening=OPENING_STOCK,
            placed=placed,
            expected={placement.order_id: placement.expected for placement in placements},
            past=past(opened.stack, placed),
        )
        well = show.show_verdict(violations(books))
        if not well:
            keep_logs(opened.stack)
    seconds = time.monotonic() - started
    console.print(f"\n{len(placements)} orders, {seconds:.0f} s, of which {deployed:.0f} s to build and deploy.")
    return OK if well else FAILED


def order(options: argparse.Namespace) -> int:
    """Place one order and wait for its end, which is the end of its workflow: not everybody can be written to."""
    running = left_running.running()
    item = order_files.read(options.file)
    if options.until:
        return _life(running, item, options.until)
    order_id = item["order_id"]
    paths = Paths(running, {order_id}, since=datetime.now(UTC) - timedelta(seconds=2))
    shop.place(running, item)
    with console.status(Text(f"{plain(order_id)} is on its way")):
        deadline = time.monotonic() + ORDER_SECONDS
        while not (ends := _ends(paths, order_id)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    now = look(running)
    show.show_order(now.orders[order_id], now)
    if not ends:
        raise Problem(f"{order_id} was not finished within a minute. See what its functions say: make logs")
    if "Item" in running.table("OpenOrdersTableName").get_item(Key={"order_id": order_id}, ConsistentRead=True):
        raise Problem(f"{order_id} is not finished yet. It is tried again in a minute; see docs/operations.md.")
    return OK


def _life(running: RunningStack, item: dict[str, Any], until: Status) -> int:
    """Place one order and take it as far as `until`; show where it stands, and whether that adds up."""
    if until != Status.CONFIRMED and not after_sale.ships(running):
        raise Problem(
            f"This stack does not ship, so no order comes to {until}. Start all of them with: make down && make up"
        )
    before, since = look(running), datetime.now(UTC) - timedelta(seconds=2)
    shop.place(running, item)
    show.show_basket(item)
    with console.status("") as spinner:
        life = after_sale.Life(running, item, lambda what: spinner.update(Text(f"waiting for {plain(what)}")))
        try:
            after_sale.play(life, until)
        except Problem:
            spinner.stop()
            console.print()
            show.show_order(item, look(running))
            raise
        now, findings = judge(life, before, since)
    console.print()
    show.show_order(item, now)
    show.show_ledgers(life.order_id, now, before)
    return OK if show.show_verdict(findings) else FAILED


def _ends(paths: Paths, order_id: str) -> set[str]:
    paths.update()
    return paths.ends(order_id)


def _place(running: RunningStack, placement: Placement) -> None:
    shop.place(running, placement.item)
    for _ in range(placement.deliveries - 1):
        shop.deliver_again(running, placement.order_id)


if __name__ == "__main__":
    exit_with(main)
