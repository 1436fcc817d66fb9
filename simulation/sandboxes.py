"""Lambda as the simulation has it: invocations in sandboxes that can die, hang and go on late, and their requests.

Every request that an invocation makes passes `Sandboxes.request`, which is where faults happen.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from orders.approval import order_of
from simulation import clock, stack
from simulation.faults import Injector

if TYPE_CHECKING:
    from simulation.services import Failures


class Entry(NamedTuple):
    """One thing that happened. `lane` is stream, bus, execution, invocation or request; `actor` tells apart what runs
    at the same time in a lane: an execution's name, an invocation's number. `execution` is who invoked.
    """

    lane: str
    at: float  # seconds since the schedule began
    order: str
    label: str
    outcome: str = ""
    actor: str = ""
    execution: str = ""


STALE_SECONDS = 20  # enough for an execution to finish its order meanwhile


class SandboxDied(BaseException):
    """The runtime process is gone. Not an Exception: nothing in the handler may catch it and tidy up."""


@dataclass
class Sandbox:
    """What one Lambda execution environment keeps between invocations: the values of `functools.cache`."""

    memory: dict[Any, Any] = field(default_factory=dict)


@dataclass
class Call:
    """One request of an invocation, with the SDK's repetitions. `effects` counts how often it was carried out."""

    site: str
    fault: str | None
    attempts: int = 0
    effects: int = 0
    effect_at: float | None = None


@dataclass
class Invocation:
    """One invocation of a function."""

    number: int
    function: str
    step: str
    order_id: str
    event: dict[str, Any]
    sandbox: Sandbox
    deadline: float
    patience: float  # for how long the caller waits
    started: float
    calls: list[Call] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    at_provider: bool = False
    answer: dict[str, Any] | None = None  # what the caller was told
    ended: bool = False
    zombie: bool = False
    caller: Any = None
    actor: Any = None
    execution: str = ""


class Context:
    """The handler's `context`."""

    memory_limit_in_mb = 256

    def __init__(self, world: Sandboxes, invocation: Invocation) -> None:
        self._world, self._invocation = world, invocation
        self.function_name = invocation.function
        self.invoked_function_arn = f"arn:aws:lambda:{stack.REGION}:000000000000:function:{invocation.function}"
        self.aws_request_id = f"invocation-{invocation.number}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._invocation.deadline - self._world.loop.now) * 1000))


class Sandboxes:
    """The part of the world that runs functions. `World` has the rest, and empties this for each schedule."""

    loop: clock.Loop
    random: random.Random
    injector: Injector
    stack: stack.Deployment
    handlers: dict[str, Callable[..., Any]]

    def forget_sandboxes(self) -> None:
        """Nothing has been invoked yet."""
        self.timeline: list[Entry] = []
        self.invocations: list[Invocation] = []
        self.watchers: list[Callable[[Invocation], None]] = []  # called with each invocation that ends
        self.idle: dict[str, list[Sandbox]] = {}
        self.zombies: list[tuple[Invocation, str]] = []  # that wait to go on
        self.concurrency: int | None = None  # how many invocations may run at once; None: any number
        self.running = self.throttled = 0

    def log(
        self, lane: str, order: str, label: str, outcome: str = "", actor: str = "", *, execution: str = ""
    ) -> None:
        """Add to the timeline."""
        at = round(self.loop.now - clock.EPOCH, 4)
        self.timeline.append(Entry(lane, at, order, label, outcome, actor, execution))

    def invoke(
        self,
        function: str,
        event: dict[str, Any],
        patience: float | None = None,
        execution: str = "",
        shown_as: str = "",  # the execution, in the timeline
    ) -> Any:
        """Invoke a function and wait for its answer: `{"body": …}`, with `error` when it failed.

        The caller waits for `patience` seconds at most, and an invocation may go on after that (a zombie).
        """
        if self.concurrency is not None and self.running >= self.concurrency:
            self.throttled += 1
            self.pause()
            return _error("Lambda.TooManyRequestsException", "Rate Exceeded.")
        timeout = self.stack.timeouts[function]
        step, order_id = _what_is_asked(event, self.stack.steps.get(function, function))
        idle = self.idle.setdefault(function, [])
        invocation = Invocation(
            number=len(self.invocations) + 1,
            function=function,
            step=step,
            order_id=order_id,
            event=json.loads(json.dumps(event)),
            sandbox=idle.pop() if idle else Sandbox(),
            deadline=self.loop.now + timeout,
            patience=patience or timeout,
            started=self.loop.now,
            execution=execution,
        )
        self.invocations.append(invocation)
        self.log("invocation", invocation.order_id, step, "begins", str(invocation.number), execution=shown_as)
        invocation.caller = self.loop.current()
        invocation.actor = self.loop.spawn(lambda: self._run(invocation), name=step)
        invocation.actor.invocation = invocation
        self.running += 1
        self.loop.park()
        self.running -= 1
        if invocation.answer is None:
            raise RuntimeError(f"{step} was never answered")
        return invocation.answer

    def _run(self, invocation: Invocation) -> None:
        try:
            handler = self.handlers[invocation.function]
            result = handler(invocation.event, Context(self, invocation))
            outcome = json.dumps(result)
            answer = {"body": json.loads(outcome)}
        except SandboxDied as death:
            answer = _error(str(death), "the sandbox is gone")
            outcome = str(death)
        except Exception as error:  # noqa: BLE001 - what the runtime does with whatever a handler raises
            answer = _error(type(error).__name__, str(error))
            outcome = f"{type(error).__name__}: {error}"
            self.idle.setdefault(invocation.function, []).append(invocation.sandbox)
        else:
            self.idle.setdefault(invocation.function, []).append(invocation.sandbox)
        invocation.ended = True
        self.log("invocation", invocation.order_id, invocation.step, outcome, str(invocation.number))
        self._tell(invocation, answer)
        self.wake_zombies(lambda zombie, kind: kind == "zombie" and _is_retry(invocation, zombie))
        for watcher in list(self.watchers):
            watcher(invocation)
        self.invocation_ended()

    def invocation_ended(self) -> None:
        """Something may be due now that was not before."""

    def _tell(self, invocation: Invocation, answer: dict[str, Any]) -> None:
        if invocation.answer is None:
            invocation.answer = answer
            self.loop.wake(invocation.caller)

    # ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────

    def whose_code(self) -> Invocation | None:
        """The invocation whose code runs now; None for the workflow's own and for the world outside."""
        actor = self.loop.running
        return actor.invocation if actor else None

    def invocation(self) -> Invocation:
        """The invocation whose code runs now."""
        invocation: Invocation = self.loop.current().invocation
        return invocation

    def new_call(self, invocation: Invocation, request: str) -> Call:
        """Register that an invocation is about to make a request; finds the fault that is due there."""
        invocation.counts[request] += 1
        site = f"{invocation.step}/{request}#{invocation.counts[request]}"
        call = Call(site, self.injector.at(site))
        invocation.calls.append(call)
        return call

    def request(self, invocation: Invocation, call: Call, effect: Callable[[], Any], failures: Failures) -> Any:
        """One attempt at a request, under the fault that is due."""
        call.attempts += 1
        number = str(invocation.number)

        def take_effect() -> Any:
            result = effect()
            call.effects += 1
            call.effect_at = self.loop.now
            return result

        def die(why: str) -> SandboxDied:
            self.log("request", invocation.order_id, call.site, f"{call.fault or 'time is up'}", number)
            return SandboxDied(why)

        def time_out() -> SandboxDied:
            self.loop.sleep(max(0.0, invocation.deadline - self.loop.now))
            return die("Sandbox.Timedout")

        self.pause()
        if self.loop.now > invocation.deadline and not invocation.zombie:
            raise die("Sandbox.Timedout")
        fault = call.fault
        if fault == "lost_once" and call.attempts > 1:
            fault = None
        match fault:
            case "crash_before":
                raise die("Runtime.ExitError")
            case "crash_after":
                take_effect()
                raise die("Runtime.ExitError")
            case "slow":
                raise time_out()
            case "slow_with_effect":
                take_effect()
                raise time_out()
            case "lost" | "lost_once":
                take_effect()
                self.log("request", invocation.order_id, call.site, "answer lost", number)
                raise failures.lost()
            case "throttled" | "conflict" | "refused":
                self.log("request", invocation.order_id, call.site, fault, number)
                fail: Callable[[], Any] = getattr(failures, fault)
                return fail()
            case "zombie" | "zombie_late":
                self._become_zombie(invocation, fault)
                call.fault = None
                result = take_effect()
            case "partial":
                result = failures.partial(take_effect)
                call.fault = None
            case "stale":
                result = take_effect()
                self.loop.sleep(STALE_SECONDS)
            case _:
                result = take_effect()
        self.log("request", invocation.order_id, call.site, _outcome_of(result), number)
        self.pause()
        return result

    def pause(self) -> None:
        """The way of a message; others run meanwhile."""
        self.loop.sleep(self.random.uniform(0.002, 0.030))

    def _become_zombie(self, invocation: Invocation, kind: str) -> None:
        """Let the caller give up, and wait until the schedule lets this invocation go on."""
        invocation.zombie = True
        self.log("request", invocation.order_id, invocation.calls[-1].site, kind, str(invocation.number))
        self.loop.sleep(max(0.0, invocation.started + invocation.patience - self.loop.now))
        self.zombies.append((invocation, kind))
        self._tell(invocation, _error("States.Timeout", "the caller gave up"))
        self.loop.park()
        self.log("invocation", invocation.order_id, invocation.step, "goes on, late", str(invocation.number))

    def wake_zombies(self, which: Callable[[Invocation, str], bool]) -> bool:
        """Let those zombies go on; answers whether there was one."""
        awake = [entry for entry in self.zombies if which(*entry)]
        for entry in awake:
            self.zombies.remove(entry)
            self.loop.wake(entry[0].actor)
        return bool(awake)

    def wake_all_zombies(self) -> bool:
        """Let every zombie that still waits go on; answers whether there was one."""
        return self.wake_zombies(lambda *_: True)


def _what_is_asked(event: dict[str, Any], step: str) -> tuple[str, str]:
    """The step that an event asks for, and of which order, if that is known. A request of the API is its route."""
    if route := event.get("routeKey"):
        step = " ".join(route.replace("/", " ").split()).lower()
        return step, order_behind(event.get("pathParameters") or {})
    return event.get("action", step), event.get("order_id", "")


def order_behind(parameters: dict[str, str]) -> str:
    """The order that a path is about."""
    if "token" not in parameters:
        return unquote(parameters.get("order_id", ""))
    try:
        return order_of(parameters["token"])[0]
    except ValueError:
        return ""


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"error": True, "body": {"errorType": kind, "errorMessage": message}}


def _is_retry(invocation: Invocation, of: Invocation) -> bool:
    return invocation.number > of.number and (invocation.step, invocation.order_id) == (of.step, of.order_id)


def _outcome_of(result: Any) -> str:
    status = getattr(result, "status_code", None)
    if status is None:
        return str(result)
    if status < 300:
        return "done"
    return str(json.loads(result.content).get("__type", status)).rsplit("#", 1)[-1]
