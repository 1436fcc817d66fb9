"""Time and threads that belong to the simulation: a discrete-event loop.

Everything that runs (an execution, a branch of a Parallel, an invocation, the stream's poller) is an *actor*: a thread
that only runs while it holds the loop's baton. An actor gives the baton away by sleeping; the loop hands it to whoever
wakes up next and moves the clock there. So there is exactly one order of events for each sequence of sleeps, and 25
hours take no time. Latencies come from the schedule's random numbers, which is what interleaves actors at every
request and still replays exactly.
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

EPOCH = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.UTC).timestamp()
MAX_STEPS = 200_000  # no schedule needs a tenth of it; a loop that never ends must become a failure


class Stuck(Exception):
    """The schedule does not come to an end."""


class Abandoned(BaseException):
    """Ends an actor that still waits when its schedule is over."""


class Actor:
    """A thread that runs only when the loop says so."""

    def __init__(self, loop: Loop, body: Callable[[], Any], name: str) -> None:
        self.loop, self.body, self.name = loop, body, name
        self.context = contextvars.copy_context()
        self.baton = threading.Lock()
        self.baton.acquire()
        self.thread: Any = None
        self.finished = self.abandoned = False
        self.waiting: list[Actor] = []  # for its end
        self.invocation: Any = None  # whose code it runs

    def resume(self) -> None:
        if self.thread is None:
            self.thread = _WORKERS.pop() if _WORKERS else _Worker()
            self.thread.give(self)
        else:
            self.baton.release()

    def run(self) -> None:
        """In its own thread: the whole of its life."""
        try:
            self.context.run(self.body)
        except Abandoned:
            pass
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever drives the loop, in the main thread
            self.loop.error = self.loop.error or error
        self.finished = True
        for actor in self.waiting:
            self.loop.wake(actor)


class _Worker(threading.Thread):
    """A thread that actors use one after another: starting one for each takes as long as a request does."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._baton = threading.Lock()
        self._baton.acquire()
        self._actor: Actor | None = None

    def give(self, actor: Actor) -> None:
        self._actor = actor
        if self.ident is None:
            self.start()
        else:
            self._baton.release()

    def run(self) -> None:
        while True:
            assert self._actor
            loop = self._actor.loop
            self._actor.run()
            self._actor = None
            _WORKERS.append(self)
            loop.pass_on()
            self._baton.acquire()


_WORKERS: list[_Worker] = []


class Loop:
    """The clock, and who runs next."""

    def __init__(self) -> None:
        self.now = EPOCH
        self.error: BaseException | None = None
        self._queue: list[tuple[float, int, Actor]] = []
        self._order = itertools.count()
        self._parked: dict[Actor, None] = {}
        self._single = False
        self._driver = self._running = self._main()

    def _main(self) -> Actor:
        driver = Actor(self, lambda: None, "driver")
        driver.thread = threading.current_thread()
        return driver

    @property
    def steps(self) -> int:
        """How often the baton could have changed hands: the simulation's own measure of work."""
        return next(self._order)

    def spawn(self, body: Callable[[], Any], delay: float = 0.0, name: str = "actor") -> Actor:
        """Run `body` as an actor of its own, `delay` seconds from now."""
        actor = Actor(self, body, name)
        self._push(delay, actor)
        return actor

    def sleep(self, seconds: float) -> None:
        """Let others run, and come back `seconds` later."""
        me = self._running
        self._push(seconds, me)
        self._give_way(me)

    def park(self) -> None:
        """Let others run until somebody calls `wake`."""
        me = self._running
        self._parked[me] = None
        self._give_way(me)

    def wake(self, actor: Actor) -> None:
        """End an actor's park; nothing if it is not parked."""
        if actor in self._parked:
            del self._parked[actor]
            self._push(0.0, actor)

    def join(self, actor: Actor) -> None:
        """Wait for an actor's end."""
        if not actor.finished:
            actor.waiting.append(self._running)
            self.park()

    def current(self) -> Actor:
        """Who holds the baton."""
        return self._running

    def settle(self) -> None:
        """Let everybody run until nobody has anything left to do; only the driver calls this.

        Raises what an actor died of, which is a fault of the simulation: handlers' exceptions never come here.
        """
        self._give_way(self._driver)
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
        self.now = max(self.now, entry[0])
        self._single, self._running = True, entry[2]
        entry[2].resume()
        self._driver.baton.acquire()
        self._single, self._running = False, self._driver
        return True

    def close(self) -> None:
        """End the actors that still wait."""
        for actor in list(self._parked):
            actor.abandoned = True
            self.wake(actor)
        self._give_way(self._driver)

    def pass_on(self) -> None:
        """Hand the baton to whoever is due next; the driver, when nobody is."""
        actor = self._next()
        self._running = actor
        actor.resume()

    def _push(self, delay: float, actor: Actor) -> None:
        heapq.heappush(self._queue, (self.now + delay, next(self._order), actor))

    def _next(self) -> Actor:
        if self._single or not self._queue:
            return self._driver
        at, order, actor = heapq.heappop(self._queue)
        if order > MAX_STEPS and not self.error:
            self.error = Stuck(f"still busy after {MAX_STEPS} steps: {actor.name}")
        if self.error:
            return self._driver
        self.now = max(self.now, at)
        return actor

    def _give_way(self, me: Actor) -> None:
        actor = self._next()
        if actor is not me:
            self._running = actor
            actor.resume()
            me.baton.acquire()
            self._running = me
        if me.abandoned:
            raise Abandoned


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
        if loop.current().thread is threading.current_thread():
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
