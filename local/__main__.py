"""The embedded stack's commands; `make help` lists them."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.markup import escape

from local import crash, deploy, emulator, ledger, shop, stack, watch
from local.emulator import Emulator
from local.shop import Placement
from local.stack import STATE, Problem, Stack
from local.watch import console

EMULATOR_FILE = STATE / "emulator.json"
OPENING_STOCK = {product.sku: product.available for product in shop.CATALOGUE}

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit status: 0 all well, 1 it failed (and says what to do), 2 wrong usage, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
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
    # Whoever ends us with SIGTERM gets the same clean-up as Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        status: int = options.run(options)
    except Problem as problem:
        console.print(f"[red]✘[/] {escape(str(problem))}", soft_wrap=True)
        return FAILED
    except KeyboardInterrupt:
        console.print("\nInterrupted. What was started has been stopped.")
        return INTERRUPTED
    return status


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
        findings["Each order came to the outcome that is right for it"] = list(_surprises(now, placements))
        well = watch.show_verdict(findings)
        if not well:
            _keep_logs(running)
    seconds = time.monotonic() - started
    console.print(f"\n{len(placements)} orders, {seconds:.0f} s, of which {deployed:.0f} s to build and deploy.")
    return OK if well else FAILED


def up(options: argparse.Namespace) -> int:
    """Start and deploy, and leave it running."""
    if running := emulator.load(EMULATOR_FILE):
        console.print(f"A stack is running already, at {running.endpoint_url}. Stop it with: make down")
        return OK
    _forget()
    with _fresh_stack(options.bind, options.workflow, keep=True) as (process, deployed):
        process.save(EMULATOR_FILE)
        deployed.save()
        environments = deploy.function_environments(deployed)
        stack.SAM_ENV_FILE.write_text(json.dumps(environments, indent=2) + "\n")
    console.print(f"\nThe stack is running at [bold]{deployed.endpoint_url}[/], described by .local/stack.json.\n")
    for name, value in deployed.outputs.items():
        console.print(f"  {name:<26} {value}", soft_wrap=True)
    console.print(
        "\nPlace an order:  make order FILE=events/order.json\nRead the logs:   make logs\nStop it:         make down"
    )
    return OK


def down(_: argparse.Namespace) -> int:
    """Stop what `up` started. Harmless when nothing runs."""
    running = emulator.load(EMULATOR_FILE)
    if running:
        running.stop()
    _forget()
    console.print("Stopped." if running else "No stack is running.")
    return OK


def order(options: argparse.Namespace) -> int:
    """Place one order and wait for its end."""
    running = _running()
    try:
        item = shop.parse(options.file.read_text())
    except OSError as error:
        raise Problem(f"Cannot read {options.file}: {error.strerror}.") from None
    shop.place(running, item)
    order_id = item["order_id"]
    with console.status(f"{order_id} is on its way"):
        deadline = time.monotonic() + 60
        now = ledger.look(running)
        while not now.settled(order_id) and time.monotonic() < deadline:
            time.sleep(watch.POLL_SECONDS)
            now = ledger.look(running)
    watch.show_order(now.orders[order_id], now)
    if now.settled(order_id):
        return OK
    raise Problem(f"{order_id} was not finished within a minute. See what its functions say: make logs")


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
        console.print(
            f"[red]✘[/] {kills} kills are too few to prove anything, {crash.ENOUGH_KILLS} are needed. "
            "Give it more orders: make crash-test ORDERS=100",
            soft_wrap=True,
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
            process = emulator.start(bind)
            with deploy.one_at_a_time():
                built = step("sam build", 8)
                deploy.build(lambda line: built() if "Running" in line else None)
                created = step("sam deploy", deploy.resource_count())
                running = deploy.deploy(
                    process,
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
            # A second, impatient Ctrl-C must not leave processes behind.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
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
    kept = STATE / "last-failure.log"
    kept.write_text(_all_logs(running))
    console.print(f"\nThe functions' logs are in {kept.relative_to(stack.ROOT)}. To look around: make up")


def _running() -> Stack:
    if emulator.load(EMULATOR_FILE) is None:
        _forget()
    return stack.load()


def _forget() -> None:
    for path in (EMULATOR_FILE, stack.STACK_FILE, stack.SAM_ENV_FILE):
        path.unlink(missing_ok=True)


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


if __name__ == "__main__":
    # The reader of a pipe may leave early: `make logs | head`.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
