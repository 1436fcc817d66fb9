"""The embedded stack's commands; `make help` lists them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from local import emulator, left_running, page, templates
from local.command import OK, commands_of, execute, exit_with, workflow_option
from local.console import console, progress
from local.environment import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from local.logs import all_logs
from local.session import session
from local.stack import Problem
from local.templates import Template

APPROVAL_LIMIT = "100000"  # in minor units; an order over it waits for its approval
RETURN_DAYS = "0.0014"  # two minutes, after which what is delivered is archived
ENDING_SECONDS = 60  # within which a command that is told to end has cleaned up


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit status as `execute` has it; 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m local", description="The embedded stack's commands.")
    command = commands_of(parser)
    starting = command("up", up, "Start a stack and leave it running")
    starting.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="listen there (default: loopback)")
    starting.add_argument("--stacks", metavar="NAMES", help="these beside the pipeline (default: all in stacks/)")
    starting.add_argument("--tables", type=Path, metavar="FILE", help="what the tables hold at first, as JSON")
    workflow_option(starting)
    command("down", down, "Stop the stack that `up` left running")
    reading = command("logs", logs, "Show the functions' logs")
    reading.add_argument("--function", default="", metavar="NAME", help="only this function's")

    options = parser.parse_args(arguments)
    return execute(lambda: options.run(options))


def up(options: argparse.Namespace) -> int:
    """Start and deploy, and leave it running."""
    beside = templates.beside(options.stacks)
    found = left_running.claim()
    if found.starting:
        raise Problem("A stack is being started already. Wait for it, or stop it with: make down")
    if found.emulator:
        console.print(f"A stack is running already, at {found.emulator.endpoint_url}. Stop it with: make down")
        return OK
    parameters = {"WorkflowType": options.workflow} | approval_limit(beside) | after_sale(beside)
    try:
        with session(beside=beside, tables=options.tables, bind=options.bind, parameters=parameters) as opened:
            environments = opened.function_environments()
            left_running.describe(opened.emulator, opened.stack, environments)
            with progress() as begin:
                starting = begin("starting the console", 1)
                shown = page.start(["--description", str(left_running.stack_file())], opened.emulator.folder)
                starting()
            left_running.describe(opened.emulator, opened.stack, environments, shown)
            opened.keep()
            shown.group.let_live()
    except BaseException:
        left_running.forget()
        raise
    console.print(f"\nThe stack is running at {opened.stack.endpoint_url}, described by .local/stack.json.\n")
    for name, value in opened.stack.outputs.items():
        console.print(f"  {name:<26} {value}", soft_wrap=True)
    console.print("\nPlace an order:  make order FILE=events/order.json")
    if "ShipmentsTableName" in opened.stack.outputs:
        console.print("Its whole life:  make order FILE=demo/two-parcels.json UNTIL=ARCHIVED")
    if "BooksWorkflowArn" in opened.stack.outputs:
        console.print("Close the books: make books")
    console.print("Read the logs:   make logs\nStop it:         make down")
    if api_url := opened.stack.outputs.get("ApiUrl"):
        console.print(
            f"\nPlace one through the API, which takes signed requests:\n\n{request(api_url)}", soft_wrap=True
        )
    console.print(f"\nLook at it, and try to break it: {shown.url}", soft_wrap=True)
    return OK


def approval_limit(beside: Sequence[Template]) -> dict[str, str]:
    """The pipeline's parameter by which large orders wait for a person, where a stack beside it asks one."""
    asks = any("ApproverEmail" in template.parameters for template in beside)
    return {"ApprovalLimit": APPROVAL_LIMIT} if asks else {}


def after_sale(beside: Sequence[Template]) -> dict[str, str]:
    """The parameters by which an order's life is short enough to watch, where a stack beside it ships: it is archived
    soon after its delivery. Until it ships, its customer may cancel it.
    """
    ships = any("ReturnDays" in template.parameters for template in beside)
    return {"ReturnDays": RETURN_DAYS, "AfterSale": "yes"} if ships else {}


def request(api_url: str) -> str:
    """A command that places an order through the API of a stack on the emulator; curl 7.82 is the first to know it all.

    https://curl.se/docs/manpage.html#--aws-sigv4, https://curl.se/docs/manpage.html#--json
    """
    order = {
        "customer": {"customer_id": "customer-1", "email": "ada@example.com"},
        "currency": "EUR",
        "lines": [{"sku": "TEA-100", "quantity": 2}],
        "payment_method": "pm_card_visa",
    }
    return (
        f"curl --aws-sigv4 aws:amz:{REGION}:execute-api --user {ACCESS_KEY_ID}:{SECRET_ACCESS_KEY} "
        f"-H 'Idempotency-Key: 1' --json '{json.dumps(order)}' {api_url}/orders"
    )


def down(_: argparse.Namespace) -> int:
    """Stop what `up` started, or is starting. Harmless when nothing runs."""
    found = left_running.find()
    if found.starting and not found.starting.end(ENDING_SECONDS):
        raise Problem(
            f"The `make up` with process id {found.starting.pid} does not end. Try: kill -9 {found.starting.pid}"
        )
    if found.console:
        found.console.end(page.END_SECONDS)  # it gives back what it has taken away
    if found.emulator:
        found.emulator.stop()
    swept = emulator.sweep()  # also one of which nothing tells any more
    left_running.forget()
    stopped = found.starting or found.emulator or swept
    console.print("Stopped." if stopped else "No stack is running.")
    return OK


def logs(options: argparse.Namespace) -> int:
    """Print the functions' log lines, oldest first."""
    print(all_logs(left_running.running(), options.function), end="")
    return OK


if __name__ == "__main__":
    exit_with(main)
