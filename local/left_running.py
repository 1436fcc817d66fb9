"""What `make up` has left running, or is about to: the files under .local by which other commands and tools find it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import emulator, folders, stack
from local.emulator import Emulator
from local.environment import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from local.page import Page
from local.processes import Identity
from local.stack import ACCOUNT_ID, Problem, RunningStack


@dataclass(frozen=True)
class LeftRunning:
    """The emulator and the console that `up` has left running, or the `up` that is still at it."""

    starting: Identity | None
    emulator: Emulator | None
    console: Identity | None = None


def find() -> LeftRunning:
    """What there is now."""
    if starting := _noted("starting"):
        return LeftRunning(starting if starting.alive() else None, None)
    console = _noted("console")
    return LeftRunning(None, emulator.load(emulator_file()), console if console and console.alive() else None)


def claim() -> LeftRunning:
    """Say that this process starts one, unless something runs or is being started: that is what it answers."""
    with folders.changing(stack.STATE):
        found = find()
        if not found.starting and not found.emulator:
            me = Identity.of()
            _write(emulator_file(), {"starting": {"pid": me.pid, "started": me.started}})
    return found


def describe(
    process: Emulator, running: RunningStack, environments: dict[str, dict[str, str]], page: Page | None = None
) -> None:
    """Tell others where everything is, once it is there: .local/stack.json, and the functions' environments in
    .local/sam-env.json, as `sam local invoke --env-vars` takes them. The console comes last, since it reads this.
    """
    _write(_sam_env_file(), environments)
    description = {
        "endpoint_url": running.endpoint_url,
        "region": REGION,
        "stack_name": running.stack_name,
        "account_id": ACCOUNT_ID,
        "credentials": {"access_key_id": ACCESS_KEY_ID, "secret_access_key": SECRET_ACCESS_KEY},
        "outputs": running.outputs,
    }
    _write(stack_file(), description | ({"console_url": page.url} if page else {}))
    noted = {"pid": page.process.pid, "started": page.process.started} if page else None
    _write(emulator_file(), process.description() | ({"console": noted} if noted else {}))


def running() -> RunningStack:
    """The stack that was left running. Raises Problem when there is none, or when nobody can tell where."""
    if emulator.load(emulator_file()) is None:
        if find().starting:
            raise Problem("The stack is being started. Wait for it.")
        forget()
    try:
        description = json.loads(stack_file().read_text())
        return RunningStack(description["endpoint_url"], description["stack_name"], description["outputs"])
    except FileNotFoundError:
        raise Problem("No stack is running. Start one with: make up") from None
    except (ValueError, KeyError, TypeError):
        raise Problem(f"{stack_file()} can't be read. Start anew with: make down && make up") from None


def forget() -> None:
    """There is nothing any more."""
    for path in (emulator_file(), stack_file(), _sam_env_file()):
        path.unlink(missing_ok=True)


def emulator_file() -> Path:
    """Where `up` notes its process, and then its emulator."""
    return stack.STATE / "emulator.json"


def stack_file() -> Path:
    """Where `up` describes the stack, for any tool."""
    return stack.STATE / "stack.json"


def _sam_env_file() -> Path:
    return stack.STATE / "sam-env.json"


def _noted(name: str) -> Identity | None:
    """A process that `up` has noted; None where there is none, or it was not written to its end."""
    try:
        noted = json.loads(emulator_file().read_text())[name]
        return Identity(int(noted["pid"]), float(noted["started"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, description: Any) -> None:
    """Write a JSON file at once: readers find the old one or the new one, never half of it."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(description, indent=2) + "\n")
    new.replace(path)
