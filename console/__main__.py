"""Serve the console: `python -m console`, as `make up` and `make console` do."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nicegui import app, ui
from nicegui.server import Server

from console import invitation, layout, place
from console.place import Place
from console.safety import ADDRESSES, SameOriginOnly
from console.watch import Watch
from local import left_running, stack
from local.command import OK, execute, exit_with
from local.console import console
from local.stack import Problem

MAX_PORT = 65535
GONE_SECONDS = 2.0  # between two looks whether the embedded stack is still described


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal ends it, or until the embedded stack is taken away.

    Exit status 0 in the latter case; 1 when there is nothing to show; 2 for wrong usage; after a signal 128 and its
    number, 130 for Ctrl-C.
    """
    parser = argparse.ArgumentParser(
        prog="python -m console",
        description="Show the shop at work, as pages on loopback: the embedded stack, or with a profile one on AWS.",
    )
    parser.add_argument(
        "--description", type=Path, metavar="FILE", help="of an embedded stack (default: that of `make up`)"
    )
    parser.add_argument("--profile", type=_name, metavar="NAME", help="of an AWS account, to show a stack there")
    parser.add_argument(
        "--stack", type=_name, metavar="NAME", help="with --profile: the pipeline's stack (default: orders)"
    )
    parser.add_argument("--write", action="store_true", help="with --profile: place orders there, and act on them")
    parser.add_argument("--port", type=_port, metavar="N", help="listen there (default: a free one)")
    options = parser.parse_args(arguments)
    if not options.profile and (options.stack or options.write):
        parser.error("--stack and --write go with --profile: they are about a stack on AWS")
    if options.profile and options.description:
        parser.error("--profile shows a stack on AWS, and --description an embedded one: say which")
    return execute(lambda: run(options))


def run(options: argparse.Namespace) -> int:
    """Find the place, and serve it. Raises Problem where there is none, and when the port is taken."""
    if options.profile:
        shown = place.on_aws(options.profile, options.stack or "orders", may_write=options.write)
        description = None
    else:
        if not options.description:
            left_running.running()  # says what to do when there is none
        description = options.description or stack.STATE / "stack.json"
        shown = place.embedded(description)
    port = options.port or free_port()
    check_port(port)
    key = "" if shown.embedded else secrets.token_urlsafe()
    invited = f"/?{invitation.KEY}={key}" if key else ""
    console.print(f"The console shows {shown.name} at http://{ADDRESSES[0]}:{port}{invited}", soft_wrap=True)
    serve(shown, port, key, description)
    return OK


def serve(shown: Place, port: int, key: str = "", description: Path | None = None) -> None:
    """Serve until a signal ends it, or until the description of the embedded stack is gone. Where there is a key, only
    to those who have it.
    """
    register(shown, Watch(shown))
    if key:
        app.add_middleware(invitation.OnlyInvited, key=key, port=port)
    app.add_middleware(SameOriginOnly, port=port)  # around the other: what was added last comes first
    if description:
        app.on_startup(lambda: _end_with(description))
    app.on_startup(_end_with_the_terminal)
    sys.stdout.flush()
    ui.run(
        host=ADDRESSES[0],
        port=port,
        title="The shop",
        favicon="🛒",
        language="en-US",
        dark=None,
        show=False,
        reload=False,
        show_welcome_message=False,
        uvicorn_logging_level="warning",
        gzip_middleware_factory=None,  # on loopback it only costs time
        root=partial(layout.nowhere, shown),
    )


def register(shown: Place, watch: Watch) -> None:
    """Put every page that there is in its place, and watch from the server's start to its end."""
    for module in layout.pages():
        module.add(shown, watch)
    layout.add_banner(lambda: trouble(watch))
    app.on_startup(lambda: _watch(watch))


def trouble(watch: Watch) -> None:
    """Why nothing moves, when the stack does not answer."""
    label = ui.label().classes("panel bad px-4 py-2 w-full").props("role=alert")
    label.bind_text_from(watch, "trouble").bind_visibility_from(watch, "trouble", bool)


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind((ADDRESSES[0], 0))
        port: int = probe.getsockname()[1]
        return port


def check_port(port: int) -> None:
    """Raises Problem when nobody can listen there: before anybody is told to look at it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server: what has ended is not in its way
        try:
            probe.bind((ADDRESSES[0], port))
        except OSError as error:
            raise Problem(f"Port {port} can't be had: {error.strerror}. Leave it out for a free one.") from None


def _port(word: str) -> int:
    if not word.isdecimal() or not 1 <= int(word[:6]) <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to {MAX_PORT}")
    return int(word)


def _name(word: str) -> str:
    if not word.strip():
        raise argparse.ArgumentTypeError("it is empty")
    return word


async def _watch(watch: Watch) -> None:
    """Watch in the background; ends with the server."""
    task = asyncio.create_task(watch.run())

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    app.on_shutdown(end)


def _end_with_the_terminal() -> None:
    """End on SIGHUP as on the signals that the server listens to by itself. It raises them again once it has ended."""
    before = signal.getsignal(signal.SIGHUP)
    if before != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, Server.instance.handle_exit)
        app.on_shutdown(lambda: signal.signal(signal.SIGHUP, before))


async def _end_with(description: Path) -> None:
    """End when `make down` has taken the stack away."""

    def look() -> None:
        if not description.exists():
            app.shutdown()

    app.timer(GONE_SECONDS, look)


if __name__ == "__main__":
    exit_with(main, keep_accounts=any(word.startswith("--profile") for word in sys.argv))
