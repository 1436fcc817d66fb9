"""`make books`: the night that closes a day's books, on the running stack, or on one of its own after a day's trade."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from demo import shop, verdict
from demo.night import started, watch
from demo.trade import trade, visits
from jobs import places, summary
from jobs.summary import Summary
from local import left_running, stack, templates
from local.__main__ import after_sale, approval_limit
from local.command import OK
from local.console import console
from local.logs import keep_logs
from local.session import session
from local.stack import Problem, RunningStack

# The exit status of a night that went well and found something.
FINDINGS = 3
ORDERS = 60  # of a day's trade
# For which a customer may send back, where the trade is ours: days, which are half a minute.
RETURN_DAYS = 0.0004
SECONDS_A_DAY = 24 * 60 * 60
TEMPLATE = "books"


def day(text: str) -> date:
    """A day, from the command line."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: say 2026-11-25") from None


def books(options: argparse.Namespace) -> int:
    """Run the night, show what it came to, and keep its report."""
    with _stack(options.orders) as running:
        if "BooksWorkflowArn" not in running.outputs:
            raise Problem("This stack has no books. Start all of them with: make down && make up")
        now = today(running)
        of = options.day or now
        if of > now:
            raise Problem(f"{of} has not begun: where the shop is, it is {now}.")
        with started(running, of.isoformat(), repair=options.repair == "yes") as night:
            watch(night)
        report, came = keep(running, of)
    verdict.show(console, came)
    console.print(f"\nThe report: {report.relative_to(stack.ROOT) if report.is_relative_to(stack.ROOT) else report}")
    return FINDINGS if came.found else OK


@contextmanager
def _stack(orders: int) -> Iterator[RunningStack]:
    """The stack that `make up` left running, or one with a day's trade on it that ends with the block."""
    found = left_running.find()
    if found.emulator or found.starting:
        yield left_running.running()
        return
    beside = templates.beside(None)
    parameters = approval_limit(beside) | after_sale(beside) | {"ReturnDays": str(RETURN_DAYS)}
    with session(beside=beside, tables=shop.CATALOGUE_FILE, parameters=parameters) as opened:
        try:
            trade(opened.stack, visits(orders), RETURN_DAYS * SECONDS_A_DAY)
            yield opened.stack
        except Problem:
            keep_logs(opened.stack)
            raise


def today(running: RunningStack) -> date:
    """The day that it is in the time zone of the stack's shop."""
    described = running.client("cloudformation").describe_stacks(StackName=templates.stack_name(TEMPLATE))
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in described["Stacks"][0]["Parameters"]}
    return datetime.now(ZoneInfo(parameters["TimeZone"])).date()


def keep(running: RunningStack, of: date) -> tuple[Path, Summary]:
    """Copy what a day came to from the bucket; answers where the report is, and the summary."""
    folder = stack.STATE / "books"
    folder.mkdir(parents=True, exist_ok=True)
    bucket, name = running.client("s3"), running.outputs["BooksBucketName"]
    report, figures = folder / f"{of}.html", folder / f"{of}.json"
    for key, file in ((places.report(str(of)), report), (places.summary(str(of)), figures)):
        file.write_bytes(bucket.get_object(Bucket=name, Key=key)["Body"].read())
    return report, summary.read(figures.read_bytes())
