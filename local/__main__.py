"""The embedded stack's commands; `make help` lists them."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from botocore.exceptions import BotoCoreError
from rich.text import Text

from local import crash, deploy, emulator, folders, ledger, shop, stack, watch
from local.emulator import Emulator
from local.environment import forget_accounts
from local.processes import Identity
from local.shop import Placement
from local.stack import Problem, Stack
from local.watch import console

OPENING_STOCK = {product.sku: product.available for product in shop.CATALOGUE}

OK, FAILED, USAGE = 0, 1, 2
EXPECTED = "Each order came to the outcome that is right for it"
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ORDER_SECONDS = 60  # within which an order on a stack that has nothing else to do comes to its end
ENDING_SECONDS = 60  # within which a command that is told to end has cleaned up


class Ended(BaseException):
    """Somebody ends this command with a signal."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Exit status: 0 all well; 1 it failed, and says what to do; 2 wrong usage. When it was ended, it is 128 and the
    signal's number, as shells have it: 130 by Ctrl-C, 143 by SIGTERM, 129 by a terminal that was closed, 141 when what
    reads its output has gone. However it ends, what it started has ended too.
    """
    parser = argparse.ArgumentParser(prog="python -m local", description="The embedded stack's commands.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    one_shot = command("run", run, "Start a stack, run orders through it, check that it all adds up, and stop it")
    one_shot.add_argument("--orders", type=_count, default=0, metavar="N", help="add N generated orders")
    _workflow_option(one_shot)
    left_running = command("up", up, "Start a stack and leave it running")
    left_running.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="listen there (default: loopback)")
    _workflow_option(left_running)
    command("down", down, "Stop the stack that `up` left running")
    one_order = command("order", order, "Place an order from a JSON file and follow it to its end")
    one_order.add_argument("file", type=Path, metavar="FILE")
    crashing = command("crash-test", crash_test, "Kill runtime processes while orders are under way, and check")
    crashing.add_argument("--orders", type=_count, default=100, metavar="N", help="so many orders (default: 100)")
    crashing.add_argument("--seed", type=_count, default=1, metavar="N", help="of the kills' moments (default: 1)")
    read_logs = command("logs", logs, "Show the functions' logs")
    read_logs.add_argument("--function", default="", metavar="NAME", help="only this function's")

    options = parser.parse_args(arguments)
    try:
        with _ended_by_signals():
            status: int = options.run(options)
            sys.stdout.flush()
            return status
    except Problem as problem:
        watch.complain(str(problem))
        return FAILED
    except Ended as ended:
        console.print("\nInterrupted. What was started has been stopped.")
        return ended.status
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
    except BotoCoreError as error:
        watch.complain(f"The stack does not answer any more: {error}")
        return FAILED
    except OSError as error:  # the disk is full, or a folder is not ours
        watch.complain(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
        return FAILED


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let the signals that end a command raise Ended, once: a second, impatient one must not disturb the clean-up."""

    def end(number: int, _: Any) -> None:
        _ignore_endings()
        console.quiet = number == signal.SIGHUP  # there is no terminal any more
        raise Ended(number)

    # What was ignored when we were started stays ignored: `nohup make up`.
    before = {number: handler for number in ENDINGS if (handler := signal.getsignal(number)) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_endings() -> None:
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def run(options: argparse.Namespace) -> int:
    """Start, deploy, place, follow, check, stop."""
    started = time.monotonic()
    placements = [*shop.showcase(), *shop.generated(options.orders)]
    with _fresh_stack("127.0.0.1", options.workflow) as (_, running):
        deployed = time.monotonic() - started
        # A generated order takes about a third of a second on two cores; the rest is patience.
        now = watch.follow(running, placements, partial(_place, running), seconds=90 + 1.5 * options.orders)
        shown = [placement.order_id for placement in placements if placement.title != shop.GENERATED]
        watch.show_mails(now, shown)
        watch.show_stock(now, OPENING_STOCK)
        watch.show_payments(now, shown)
        findings = ledger.violations(now, OPENING_STOCK)
        findings[EXPECTED] = list(_surprises(now, placements))
        well = watch.show_verdict(findings)
        if not well:
            _keep_logs(running)
    seconds = time.monotonic() - started
    console.print(f"\n{len(placements)} orders, {seconds:.0f} s, of which {deployed:.0f} s to build and deploy.")
    return OK if well else FAILED


def up(options: argparse.Namespace) -> int:
    """Start and deploy, and leave it running."""
    with folders.changing(stack.STATE):
        found = _left_running()
        if not found.starting and not found.emulator:
            stack.write(_emulator_file(), _claim())
    if found.starting:
        raise Problem("A stack is being started already. Wait for it, or stop it with: make down")
    if found.emulator:
        console.print(f"A stack is running already, at {found.emulator.endpoint_url}. Stop it with: make down")
        return OK
    try:
        with _fresh_stack(options.bind, options.workflow, keep=True) as (process, deployed):
            environments = deploy.function_environments(deployed)
            stack.write(_sam_env_file(), environments)
            deployed.save()
            stack.write(_emulator_file(), process.description())
            process.leave_running()
    except BaseException:
        _forget()
        raise
    console.print(f"\nThe stack is running at {deployed.endpoint_url}, described by .local/stack.json.\n")
    for name, value in deployed.outputs.items():
        console.print(f"  {name:<26} {value}", soft_wrap=True)
    console.print(
        "\nPlace an order:  make order FILE=events/order.json\nRead the logs:   make logs\nStop it:         make down"
    )
    return OK


def down(_: argparse.Namespace) -> int:
    """Stop what `up` started, or is starting. Harmless when nothing runs."""
    found = _left_running()
    if found.starting and not found.starting.end(ENDING_SECONDS):
        raise Problem(
            f"The `make up` with process id {found.starting.pid} does not end. Try: kill -9 {found.starting.pid}"
        )
    if found.emulator:
        found.emulator.stop()
    swept = emulator.sweep()  # also one of which nothing tells any more
    _forget()
    stopped = found.starting or found.emulator or swept
    console.print("Stopped." if stopped else "No stack is running.")
    return OK


def order(options: argparse.Namespace) -> int:
    """Place one order and wait for its end, which is the end of its workflow: not everybody can be written to."""
    running = _running()
    item = shop.read(options.file)
    order_id = item["order_id"]
    paths = watch.Paths(running, {order_id}, since=datetime.now(UTC) - timedelta(seconds=2))
    shop.place(running, item)
    with console.status(Text(f"{watch.plain(order_id)} is on its way")):
        deadline = time.monotonic() + ORDER_SECONDS
        while not (ends := _ends(paths, order_id)) and time.monotonic() < deadline:
            time.sleep(watch.POLL_SECONDS)
    now = ledger.look(running)
    watch.show_order(now.orders[order_id], now)
    if not ends:
        raise Problem(f"{order_id} was not finished within a minute. See what its functions say: make logs")
    if ends != {"SUCCEEDED"}:
        raise Problem(f"{order_id} waits for a person: its workflow failed. docs/operations.md says what to do.")
    return OK


def _ends(paths: watch.Paths, order_id: str) -> set[str]:
    paths.update()
    return paths.ends(order_id)


def crash_test(options: argparse.Namespace) -> int:
    """Start, deploy, place, kill, check, stop. All is well only when enough was killed to say so."""
    started = time.monotonic()
    placements = list(shop.generated(options.orders))
    with _fresh_stack("127.0.0.1", "STANDARD") as (process, running):
        done = crash.storm(process, running, placements, options.seed, seconds=120 + 3.0 * options.orders)
        now = ledger.look(running)
        executions = crash.Workflows(running).histories()
        interrupted = crash.interrupted_notices(executions)
        findings = ledger.violations(now, OPENING_STOCK, interrupted)
        images = crash.images(running, {placement.order_id for placement in placements})
        findings |= crash.broken_promises(placements, now, images, done, executions)
        moments = crash.moments(done.kills, process.log.read_bytes())
        watch.show_kills([(kill.function, moment) for kill, moment in zip(done.kills, moments, strict=True)])
        watch.show_consequences(crash.consequences(now, done, executions))
        if not watch.show_verdict(findings):
            _keep_logs(running)
    kills, broken = len(done.kills), sum(map(len, findings.values()))
    violations = f"{broken} violation{'s' * (broken != 1)}"
    seconds = time.monotonic() - started
    console.print(f"\n{len(placements)} orders, {kills} kills, {violations}, {seconds:.0f} s.")
    if kills < crash.ENOUGH_KILLS:
        watch.complain(
            f"{kills} kills are too few to prove anything, {crash.ENOUGH_KILLS} are needed. "
            "Give it more orders: make crash-test ORDERS=100"
        )
    return OK if not broken and kills >= crash.ENOUGH_KILLS else FAILED


def logs(options: argparse.Namespace) -> int:
    """Print the functions' log lines, oldest first."""
    print(_all_logs(_running(), options.function), end="")
    return OK


@contextmanager
def _fresh_stack(bind: str, workflow: str, *, keep: bool = False) -> Iterator[tuple[Emulator, Stack]]:
    """An emulator with the template deployed. It is stopped at the end, or on any failure when it is to be kept."""
    process: Emulator | None = None
    try:
        with watch.progress() as step:
            step("starting the emulator", 2)()
            emulator.sweep(emulator.load(_emulator_file()))
            process = emulator.start(bind)
            building = step("sam build", 8)
            with deploy.built(lambda line: building() if "Running" in line else None) as build:
                created = step("sam deploy", deploy.resource_count())
                running = deploy.deploy(
                    process,
                    build,
                    lambda line: created() if line.startswith("CREATE_COMPLETE") else None,
                    WorkflowType=workflow,
                )
            step("opening the shop", 2)()
            shop.open_shop(running)
        yield process, running
    except BaseException:
        keep = False
        raise
    finally:
        if process and not keep:
            _ignore_endings()
            process.stop()


def _place(running: Stack, placement: Placement) -> None:
    shop.place(running, placement.item)
    for _ in range(placement.deliveries - 1):
        shop.deliver_again(running, placement.order_id)


def _surprises(now: ledger.Ledger, placements: Sequence[Placement]) -> Iterator[str]:
    for placement in placements:
        status = now.status(placement.order_id)
        if status not in placement.expected:
            yield f"{placement.order_id}: {status}, not {' or '.join(sorted(placement.expected))}"


def _keep_logs(running: Stack) -> None:
    kept = stack.STATE / "last-failure.log"
    kept.write_text(_all_logs(running))
    console.print(f"\nThe functions' logs are in .local/{kept.name}. To look around: make up")


@dataclass(frozen=True)
class LeftRunning:
    """What `up` has left running, or the `up` that is still at it."""

    starting: Identity | None
    emulator: Emulator | None


def _left_running() -> LeftRunning:
    try:
        claim = json.loads(_emulator_file().read_text())["starting"]
        starting = Identity(int(claim["pid"]), float(claim["started"]))
    except (OSError, ValueError, KeyError, TypeError):  # there is none, or it was not written to its end
        return LeftRunning(None, emulator.load(_emulator_file()))
    return LeftRunning(starting if starting.alive() else None, None)


def _claim() -> dict[str, Any]:
    me = Identity.of()
    return {"starting": {"pid": me.pid, "started": me.started}}


def _running() -> Stack:
    if emulator.load(_emulator_file()) is None:
        if _left_running().starting:
            raise Problem("The stack is being started. Wait for it.")
        _forget()
    return stack.load()


def _forget() -> None:
    for path in (_emulator_file(), stack.stack_file(), _sam_env_file()):
        path.unlink(missing_ok=True)


def _emulator_file() -> Path:
    return stack.STATE / "emulator.json"


def _sam_env_file() -> Path:
    return stack.STATE / "sam-env.json"


def _all_logs(running: Stack, function: str = "") -> str:
    client = running.client("logs")
    prefix = f"/aws/lambda/{running.stack_name}/{function}"
    lines: list[tuple[int, str]] = []
    for page in client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix):
        for group in page["logGroups"]:
            name = group["logGroupName"]
            for events in client.get_paginator("filter_log_events").paginate(logGroupName=name):
                lines += [
                    (event["timestamp"], f"{name.rsplit('/', 1)[1]:<10} {event['message'].rstrip()}\n")
                    for event in events["events"]
                ]
    if function and not lines:
        raise Problem(f"No logs of a function named {function}. The names are the folders of functions/.")
    return "".join(text for _, text in sorted(lines, key=lambda line: line[0]))


def _workflow_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workflow", choices=["STANDARD", "EXPRESS"], default="STANDARD", help="the workflow's type")


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def main_and_exit(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command as a process of its own: with the emulator's account only, and quiet once nobody reads."""
    forget_accounts()
    status = main(arguments)
    if status == 128 + signal.SIGPIPE:
        # What is still to be written as Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


if __name__ == "__main__":
    main_and_exit()
