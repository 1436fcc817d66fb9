"""Time and actors that belong to the simulation: a discrete-event loop.

Everything that runs (an execution, a branch of a Parallel, an invocation, the stream's poller) is an *actor*: a
greenlet, which runs until it gives way by sleeping or parking. The loop then goes on with whoever wakes up next and
moves the clock there. So there is exactly one order of events for each sequence of sleeps, and 25 hours take no time.
Latencies come from the schedule's random numbers, which is what interleaves actors at every request and still replays
exactly.
"""

from __future__ import annotations

import contextvars
import datetime
import heapq
import itertools
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from greenlet import greenlet

EPOCH = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.UTC).timestamp()
MAX_STEPS = 200_000  # no schedule needs a tenth of it; a loop that never ends must become a failure


class Stuck(Exception):
    """The schedule does not come to an end."""


class Abandoned(BaseException):
    """Ends an actor that still waits when its schedule is over."""


class Actor:
    """Something that runs only when the loop says so."""

    def __init__(self, loop: Loop, body: Callable[[], Any], name: str) -> None:
        self.name = name
        self.finished = False
        self.waiting: list[Actor] = []  # for its end
        self.invocation: Any = None  # whose code it runs
        self._loop, self._body = loop, body
        self._driver = greenlet.getcurrent()
        self._greenlet = greenlet(self._live)
        self._greenlet.gr_context = contextvars.copy_context()

    def go_on(self) -> None:
        """Run until it gives way or ends; only the loop calls this."""
        self._greenlet.parent = self._driver = greenlet.getcurrent()
        self._greenlet.switch()

    def give_way(self) -> None:
        """Back to the loop; from inside."""
        self._driver.switch()

    def abandon(self) -> None:
        """End it where it waits; nothing if it has not begun."""
        if self._greenlet:
            self._greenlet.parent = greenlet.getcurrent()
            self._greenlet.throw(Abandoned)

    def _live(self) -> None:
        try:
            self._body()
        except Abandoned:
            pass
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever drives the loop
            self._loop.error = self._loop.error or error
        self.finished = True
        for actor in self.waiting:
            self._loop.wake(actor)


class Loop:
    """The clock, and who runs next."""

    def __init__(self) -> None:
        self.now = EPOCH
        self.error: BaseException | None = None
        self.thread = threading.get_ident()
        self._queue: list[tuple[float, int, Actor]] = []
        self._order = itertools.count()
        self._parked: dict[Actor, None] = {}
        self._limits: dict[Actor, tuple[float, int, Actor]] = {}  # when those who park for a time go on anyway
        self.running: Actor | None = None  # nobody: the driver

    @property
    def busy(self) -> bool:
        """Whether anybody but who runs now has anything left to do."""
        return bool(self._queue or self._parked)

    def spawn(self, body: Callable[[], Any], delay: float = 0.0, name: str = "actor") -> Actor:
        """Run `body` as an actor of its own, `delay` seconds from now."""
        actor = Actor(self, body, name)
        self._push(delay, actor)
        return actor

    def sleep(self, seconds: float) -> None:
        """Let others run, and come back `seconds` later."""
        me = self.current()
        self._push(seconds, me)
        me.give_way()

    def park(self, seconds: float | None = None) -> bool:
        """Let others run until somebody calls `wake`, or for so many seconds; answers whether it was woken."""
        me = self.current()
        self._parked[me] = None
        if seconds is not None:
            self._limits[me] = self._push(seconds, me)
        me.give_way()
        woken = me not in self._parked
        self._parked.pop(me, None)
        self._limits.pop(me, None)
        return woken

    def wake(self, actor: Actor) -> None:
        """End an actor's park; nothing if it is not parked."""
        if actor in self._parked:
            del self._parked[actor]
            if limit := self._limits.pop(actor, None):
                self._queue.remove(limit)
                heapq.heapify(self._queue)
            self._push(0.0, actor)

    def join(self, actor: Actor) -> None:
        """Wait for an actor's end."""
        if not actor.finished:
            actor.waiting.append(self.current())
            self.park()

    def current(self) -> Actor:
        """Who runs now."""
        if not self.running:
            raise RuntimeError("only actors sleep, park and make requests")
        return self.running

    def settle(self) -> None:
        """Let everybody run until nobody has anything left to do.

        Raises what an actor died of, which is a fault of the simulation: handlers' exceptions never come here.
        """
        while self._queue and not self.error:
            entry = heapq.heappop(self._queue)
            if entry[1] > MAX_STEPS:
                self.error = Stuck(f"still busy after {MAX_STEPS} steps: {entry[2].name}")
                break
            self._go_on(entry)
        if self.error:
            raise self.error

    def step(self, choice: int) -> bool:
        """Let one actor go on until it gives way: any of those that are due within seconds of the first. Answers
        whether there was one. For a driver that decides on every interleaving itself.
        """
        soon = sorted(entry for entry in self._queue if entry[0] <= max(self.now, min(self._queue)[0]) + 5)
        if not soon:
            return False
        entry = soon[choice % len(soon)]
        self._queue.remove(entry)
        heapq.heapify(self._queue)
        self._go_on(entry)
        return True

    def close(self) -> None:
        """End the actors that still wait."""
        for actor in [*self._parked, *(actor for _, _, actor in self._queue)]:
            actor.abandon()
        self._parked.clear()
        self._limits.clear()
        self._queue.clear()

    def _go_on(self, entry: tuple[float, int, Actor]) -> None:
        at, _, self.running = entry
        self.now = max(self.now, at)
        self.running.go_on()
        self.running = None

    def _push(self, delay: float, actor: Actor) -> tuple[float, int, Actor]:
        entry = (self.now + delay, next(self._order), actor)
        heapq.heappush(self._queue, entry)
        return entry


class Flag:
    """As `threading.Event`, as far as the workflow engine waits for one with a task's token."""

    def __init__(self, loop: Loop) -> None:
        self._loop, self._set = loop, False
        self._waiting: Actor | None = None

    def set(self) -> None:
        """It has happened."""
        self._set = True
        if self._waiting:
            self._loop.wake(self._waiting)

    def wait(self, seconds: float) -> bool:
        """Wait until it has happened, for so many seconds at most; answers whether it has."""
        if not self._set:
            self._waiting = self._loop.current()
            self._loop.park(seconds)
            self._waiting = None
        return self._set


class Threads:
    """What the workflow engine sees as the module `threading`: its threads are actors."""

    def __init__(self, loop: Callable[[], Loop]) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)

    def Thread(self, target: Callable[..., Any], args: tuple[Any, ...] = (), **_: Any) -> _Thread:  # noqa: N802
        """As `threading.Thread`."""
        return _Thread(self._loop(), lambda: target(*args))


class _Thread:
    def __init__(self, loop: Loop, body: Callable[[], Any]) -> None:
        self.loop, self.body = loop, body

    def start(self) -> None:
        self.actor = self.loop.spawn(self.body, name="engine")

    def join(self) -> None:
        self.loop.join(self.actor)


class _Time:
    """What code under simulation sees as the module `time`."""

    def __init__(self, loop: Callable[[], Loop]) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time(self) -> float:
        return self._loop().now

    def monotonic(self) -> float:
        return self._loop().now

    def sleep(self, seconds: float) -> None:
        loop = self._loop()
        if loop.thread == threading.get_ident():
            loop.sleep(seconds)
        else:  # a thread that the emulator started for itself, outside the simulation
            time.sleep(seconds)


def _datetime_class(loop: Callable[[], Loop]) -> type[datetime.datetime]:
    class Kind(type(datetime.datetime)):  # type: ignore[misc]
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime.datetime)

    class Datetime(datetime.datetime, metaclass=Kind):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return datetime.datetime.fromtimestamp(loop().now, tz)

        @classmethod
        def utcnow(cls) -> Any:
            return datetime.datetime.fromtimestamp(loop().now, datetime.UTC).replace(tzinfo=None)

    return Datetime


class _Module:
    """A module with some of its names replaced."""

    def __init__(self, module: Any, **names: Any) -> None:
        self._module = module
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def changes(packages: tuple[str, ...], loop: Callable[[], Loop]) -> list[tuple[Any, str, Any]]:
    """What to set, as (owner, name, value), so that every loaded module of these packages has the loop's clock, under
    whatever name it holds the real one.
    """
    virtual_time, virtual_class = _Time(loop), _datetime_class(loop)
    virtual_module = _Module(datetime, datetime=virtual_class)
    replacements = {id(time): virtual_time, id(datetime): virtual_module, id(datetime.datetime): virtual_class}
    return [
        (module, key, replacements[id(value)])
        for name, module in list(sys.modules.items())
        if name.split(".")[0] in packages or name in packages
        for key, value in list(vars(module).items())
        if id(value) in replacements
    ]
