"""What is broken on the embedded stack, on purpose and from outside: each fault by its key, and how it is mended.

Nothing of what ships knows of it. A fault is a request to one of the stack's services, as an operator might send it,
and its mending is another. The keeper (console/keeper.py) learns of the mending first, so everything is given back when
the console ends, however it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
from botocore.exceptions import BotoCoreError, ClientError

from console import healing
from console.keeper import Call, Keeper, perform
from console.listeners import Listeners
from console.parts import Kind, Part
from console.place import Place
from crash.runtimes import runtimes
from local.stack import Problem, RunningStack

# A queue says that it is empty after so many seconds. Also how late it is noticed that somebody has mended it.
_LISTEN_SECONDS = 1


@dataclass(frozen=True)
class Broken:
    """A fault that is on, `since` so many seconds since 1970. `heals` says what becomes of what it leaves behind."""

    key: str
    title: str
    heals: str
    since: float
    part: str  # the key of what is broken
    calls: tuple[Call, ...]  # that mend it


@dataclass(frozen=True)
class Note:
    """Something that was done, or has happened, `at` so many seconds since 1970. `order_id` is whom it befell."""

    at: float
    text: str
    order_id: str = ""


class Faults:
    """All that this console has broken. What it does takes a request or two, so pages call it in a thread."""

    def __init__(self, place: Place) -> None:
        """Raises Problem on AWS: things are broken on the embedded stack only."""
        self._stack: RunningStack = place.running()
        self._emulator_pid = place.emulator_pid
        self._keeper = Keeper(self._stack)
        self._broken: dict[str, Broken] = {}
        self._notes: list[Note] = []
        self._listeners: Listeners[[]] = Listeners()
        self._changing = threading.RLock()

    @property
    def broken(self) -> Sequence[Broken]:
        """What is broken now, the oldest first."""
        return list(self._broken.values())

    @property
    def notes(self) -> Sequence[Note]:
        """What was broken, mended and lost, the latest first."""
        return list(reversed(self._notes))

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have it called when something is broken, mended or noted, in whatever thread; answers how to stop."""
        return self._listeners.add(listener)

    # ── Breaking ────────────────────────────────────────────────────────────────────────────────────────────────────

    def switch_off(self, part: Part) -> None:
        """Let nobody invoke a function: with nothing of the account's concurrency, every call is throttled.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
        """
        self._limit(part, 0, f"The function {part.title} is switched off")

    def throttle(self, part: Part) -> None:
        """Let a function run once at a time: what comes at the same moment is throttled."""
        self._limit(part, 1, f"The function {part.title} is throttled: one call at a time")

    def _limit(self, part: Part, concurrency: int, title: str) -> None:
        name = {"FunctionName": part.physical}
        limit = Call("lambda", "put_function_concurrency", name | {"ReservedConcurrentExecutions": concurrency})
        self._break(part, title, [limit], [Call("lambda", "delete_function_concurrency", name)])

    def hold(self, part: Part) -> None:
        """Let nobody read a stream."""
        mapping = {"UUID": part.physical}
        stop, go = (Call("lambda", "update_event_source_mapping", mapping | {"Enabled": on}) for on in (False, True))
        self._break(part, f"The stream is held back: {part.says.lower()}", [stop], [go])

    def let_sleep(self, part: Part) -> None:
        """Disable a schedule."""
        known = self._stack.client("scheduler").get_schedule(Name=part.physical)
        # An update replaces everything: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UpdateSchedule.html
        kept = {
            name: known[name]
            for name in ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target", "Description")
            if known.get(name)
        }
        sleep, wake = (
            Call("scheduler", "update_schedule", kept | {"State": state}) for state in ("DISABLED", known["State"])
        )
        self._break(part, f"The schedule of {part.calls} is asleep: nobody runs it", [sleep], [wake])

    def drop_next(self, part: Part) -> None:
        """Disable a rule until an event has passed it by. What comes in the same moment is lost with it."""
        events, queues = self._stack.client("events"), self._stack.client("sqs")
        name, bus = f"passed-by-{part.physical}"[:60], self._stack.outputs["EventBusName"]
        url = queues.create_queue(QueueName=name)["QueueUrl"]
        arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        rule = {"Name": part.physical, "EventBusName": bus}
        witness = {"Name": name, "EventBusName": bus}
        mend = [
            Call("events", "enable_rule", rule),
            Call("events", "remove_targets", {"Rule": name, "EventBusName": bus, "Ids": [name]}),
            Call("events", "delete_rule", witness),
            Call("sqs", "delete_queue", {"QueueUrl": url}),
        ]
        events.put_rule(**witness, EventPattern=part.pattern, State="DISABLED")
        events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": name, "Arn": arn}])
        # First nobody gets it, then we see that: the other way round one could be seen that was delivered as well.
        broken = self._break(
            part,
            f"The rule “{part.title}” of {part.stack} drops the next event",
            [Call("events", "disable_rule", rule), Call("events", "enable_rule", witness)],
            mend,
        )
        threading.Thread(target=self._until_one_is_lost, args=(broken, url), daemon=True).start()

    def _until_one_is_lost(self, broken: Broken, url: str) -> None:
        client = self._stack.client("sqs")
        lost: list[dict[str, Any]] = []
        try:
            while broken.key in self._broken and not lost:
                lost = client.receive_message(
                    QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=_LISTEN_SECONDS
                ).get("Messages", [])
            if lost:  # before anything else, for others may be on their way
                perform(self._stack, broken.calls[:1])
            while lost:
                event = json.loads(lost.pop(0)["Body"])
                order_id = str(event["detail"].get("order_id", ""))
                self._note(f"{event['detail-type']} of {order_id} was dropped. {healing.SWEPT}", order_id)
                lost = lost or client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            self.mend(broken.key)
        except (BotoCoreError, ClientError, ValueError, KeyError):  # it was mended meanwhile, or the stack has gone
            return

    def kill(self, part: Part) -> str:
        """Kill each process that a function runs in, by SIGKILL, as a machine that fails does. Answers a sentence."""
        if self._emulator_pid is None:
            raise Problem("Nobody knows the emulator's process here, so nothing of it can be killed.")
        killed = 0
        for runtime in runtimes(self._emulator_pid):
            if runtime.function == part.handler and _function_of(runtime.pid) in ("", part.physical):
                with contextlib.suppress(ProcessLookupError):  # it ended by itself meanwhile
                    os.kill(runtime.pid, signal.SIGKILL)
                    killed += 1
        if not killed:
            return f"{part.title} has no runtime at the moment: it starts cold with its next call."
        said = f"{killed} runtime{'s' if killed != 1 else ''} of {part.title} killed."
        self._note(f"{said} {healing.of_killed(part)}")
        return said

    # ── Mending ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def mend(self, key: str) -> None:
        """Give back what this fault has taken. Harmless when that was done before."""
        with self._changing:
            broken = self._broken.get(key)
            if broken is None:
                return
            with _told_as_problem():
                perform(self._stack, broken.calls)
            del self._broken[key]
            self._keeper.forget(key)
        self._note(f"Mended after {_minutes(time.time() - broken.since)}: {broken.title}.")

    def mend_all(self) -> None:
        """Give everything back."""
        for broken in self.broken:
            self.mend(broken.key)

    def close(self) -> None:
        """The console ends. Raises Problem when something could not be given back."""
        with self._changing:
            self._broken.clear()
            self._keeper.close()

    def _break(self, part: Part, title: str, calls: Sequence[Call], mend: Sequence[Call]) -> Broken:
        with self._changing:
            if before := next((one for one in self._broken.values() if one.part == part.key), None):
                self.mend(before.key)
            broken = Broken(f"{part.key}:{title}", title, healing.of(part), time.time(), part.key, tuple(mend))
            self._keeper.remember(broken.key, mend)
            self._broken[broken.key] = broken
            try:
                with _told_as_problem():
                    perform(self._stack, calls)
            except Problem:
                with contextlib.suppress(Problem):
                    self.mend(broken.key)
                raise
        self._note(f"{title}.")
        return broken

    def _note(self, text: str, order_id: str = "") -> None:
        self._notes.append(Note(time.time(), text, order_id))
        del self._notes[:-200]
        self._listeners.tell()

    def tell(self, text: str, order_id: str = "") -> None:
        """Note something that was done to the stack without breaking it."""
        self._note(text, order_id)


_faults: dict[str, Faults] = {}


def of(place: Place) -> Faults:
    """The faults of a place: the same for every page. Raises Problem on AWS."""
    key = str(place.endpoint_url)
    if key not in _faults:
        _faults[key] = Faults(place)
    return _faults[key]


def close_all() -> None:
    """Give back what was broken anywhere, for the console ends. Raises Problem when something could not be."""
    for one in _faults.values():
        one.close()


def can_break(place: Place) -> bool:
    """Whether this is a stack that may be broken."""
    return place.embedded and place.may_write


def _function_of(pid: int) -> str:
    """The function that a runtime runs, by its own variables; empty where they can't be read."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).environ().get("AWS_LAMBDA_FUNCTION_NAME", "")
    return ""


@contextlib.contextmanager
def _told_as_problem() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise Problem(f"The stack refuses: {error}") from None


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def can(part: Part) -> list[tuple[str, str]]:
    """What can be done to a part: the method's name and the label of its button."""
    return {
        Kind.FUNCTION: [("switch_off", "Switch off"), ("throttle", "Throttle"), ("kill", "Kill its runtimes")],
        Kind.RULE: [("drop_next", "Drop the next event")],
        Kind.STREAM: [("hold", "Hold back")],
        Kind.SCHEDULE: [("let_sleep", "Let it sleep")],
    }[part.kind]
