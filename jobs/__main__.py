"""`python -m jobs STEP`: one step of the books, as the workflow submits it (statemachine/books.asl.json).

Exits with 0 when the step is done, also when there was nothing to do; with 1 when it failed, and the log says why; with
2 when it was called in a wrong way. AWS Batch sends SIGTERM before it kills; a step ends at once, for the next attempt
goes on where it stopped.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from datetime import date, datetime
from typing import NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from aws import logger
from jobs import runs, settings
from jobs.sources import BRANCHES


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the step that the arguments name; answers the exit code."""
    wanted = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    with logger.append_context_keys(service="books", step=wanted.step, run=wanted.run):
        try:
            _do(wanted)
        except (settings.Problem, LookupError) as problem:
            if isinstance(problem, (KeyError, IndexError)):
                raise
            logger.error(str(problem))
        except (ClientError, BotoCoreError) as problem:  # their messages name the action and the resource
            logger.error(f"{type(problem).__name__}: {problem}")
        else:
            return 0
    return 1


def _do(wanted: argparse.Namespace) -> None:
    """Steps import what they need: only some of them need DuckDB, which is large."""
    if wanted.step == "begin":
        from jobs.begin import begin

        begin(wanted.run, wanted.day, wanted.scheduled_at, repair=wanted.repair == "yes")
        return
    plan = runs.plan(wanted.run)
    if plan.standing != runs.OURS:
        logger.info("another run has this day", day=plan.day)
        return
    match wanted.step:
        case "extract":
            from jobs.extract import extract

            extract(plan, wanted.branch, settings.array_index())
        case "reconcile":
            from jobs.reconcile import reconcile

            reconcile(plan, settings.array_index())
        case "repair":
            from jobs.repair import repair

            repair(plan)
        case "load":
            from jobs.load import load

            load(plan)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jobs", description="One step of the books.")
    steps = parser.add_subparsers(dest="step", required=True)
    begin = steps.add_parser("begin", help="claim the day, and plan")
    begin.add_argument("--day", type=_day, help="YYYY-MM-DD; empty: yesterday")
    begin.add_argument("--scheduled-at", type=_moment, help="when the schedule fired, in ISO 8601; empty: now")
    begin.add_argument("--repair", choices=["yes", "no"], default="no", help="whether to put right what is safe to")
    extract = steps.add_parser("extract", help="copy one segment of a branch's tables into the bucket")
    extract.add_argument("branch", choices=BRANCHES)
    others = (
        ("reconcile", "judge one partition's orders"),
        ("repair", "put right what was found, as far as that is safe"),
        ("load", "put the day's results in place"),
    )
    for step in (begin, extract, *(steps.add_parser(name, help=text) for name, text in others)):
        step.add_argument("--run", required=True, type=_run, metavar="ARN", help="of the execution that submits this")
    return parser


def _day(text: str) -> str | None:
    """The workflow passes an empty text on where nobody has said a day."""
    if text and date.fromisoformat(text).isoformat() != text:
        raise ValueError(text)
    return text or None


def _moment(text: str) -> datetime | None:
    moment = datetime.fromisoformat(text) if text else None
    if moment and moment.tzinfo is None:
        raise ValueError(text)
    return moment


def _run(text: str) -> str:
    if not text.startswith("arn:") or not text.rsplit(":", 1)[-1]:
        raise ValueError(text)
    return text


def _end(_: int, __: object) -> NoReturn:
    """Leave by an exception, so that temporary folders go too. The code is what a shell makes of the signal."""
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
