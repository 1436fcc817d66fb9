"""One order as its page shows it, read again when something of it may have changed, once for all who look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from botocore.exceptions import BotoCoreError, ClientError

from console import model
from console.actions import Action, possible
from console.dossier import Dossier, Reader, is_telling, mentions
from console.executions import Execution, Executions, Workflow
from console.facts import Fact, facts, headline
from console.history import UNDER_WAY, Standing, progress
from console.listeners import Listeners, unforeseen
from console.machine import Machine
from console.model import PLACED
from console.orders_grid import reason_text
from console.place import Place
from console.telling import Account, told
from console.timeline import Entry, tell
from console.watch import Mail, Watch
from local.stack import Problem

TROUBLE = (ClientError, BotoCoreError, OSError, Problem)
RUNNING_SECONDS = 0.4  # between two looks while something runs
SETTLED = 12  # looks that find nothing new before all is read again anyway


@dataclass(frozen=True)
class View:
    """Everything that the page shows of an order, as of one moment."""

    order_id: str
    status: str = PLACED
    dossier: Dossier = field(default_factory=lambda: Dossier(""))
    workflows: tuple[Workflow, ...] = ()
    executions: tuple[Execution, ...] = ()
    accounts: dict[str, Account] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    mails: tuple[Mail, ...] = ()
    facts: tuple[Fact, ...] = ()
    headline: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    actions: tuple[Action, ...] = field(default=(), compare=False)
    trouble: str = ""

    @property
    def known(self) -> bool:
        """Whether there is such an order at all, or anything of it."""
        return bool(self.executions) or any(self.dossier.items.values())

    @property
    def why(self) -> str:
        """The reason of its decision, where it was not accepted, and of an invalid order what is wrong with it."""
        decision = self.dossier.one("OrderStatesTableName").get("decision")
        if not isinstance(decision, dict):
            return "not decided yet"
        wrong = decision.get("violations") or ()
        reason = reason_text(model.text(decision.get("reason")))
        return ": ".join(filter(None, (reason, "; ".join(map(model.text, wrong)))))

    @property
    def swept(self) -> int:
        """How often the sweep has sent its event again, while it is open."""
        return swept(self.dossier)

    @property
    def lines(self) -> str:
        return model.lines_text(self.dossier.one("OrdersTableName").get("lines"))

    @property
    def total(self) -> str:
        order = self.dossier.one("OrdersTableName")
        return model.amount(order.get("total"), order.get("currency"))

    @property
    def moves(self) -> bool:
        """Whether a workflow is at work on it, and does not only wait."""
        machines = {workflow.name: workflow.machine for workflow in self.workflows}
        return any(at_work(one, machines[one.workflow]) for one in self.executions)


def swept(dossier: Dossier) -> int:
    """How often the sweep has sent an order's event again, as far as the list of open orders still says."""
    times = dossier.one("OpenOrdersTableName").get("sweeps")
    return int(times) if isinstance(times, int | Decimal) and times == int(times) else 0


def at_work(one: Execution, machine: Machine) -> bool:
    """Whether an execution runs, and does not only wait for a time or for somebody's answer."""
    standing = progress(machine, one.history).values() if one.runs else ()
    return one.runs and UNDER_WAY.intersection(each.standing for each in standing) != {Standing.WAITING}


class Sources:
    """What a place's orders are read from."""

    def __init__(self, place: Place, watch: Watch) -> None:
        self.place, self.watch = place, watch
        self.executions, self.reader = Executions(place), Reader(place)

    def view(self, order_id: str) -> View:
        """Read all there is of an order. Waits for answers: call it in a thread. Raises one of TROUBLE."""
        executions = self.executions.of(order_id)
        return self.seen(order_id, executions)

    def seen(self, order_id: str, executions: list[Execution]) -> View:
        """The same, where its executions were read just now."""
        workflows = self.executions.workflows()
        subjects = sorted({one.about for one in executions if one.about})
        dossier = self.reader.read(order_id, subjects)
        accounts = told(executions, {name: workflow.machine for name, workflow in workflows.items()})
        mails = self.mails(order_id)
        status = str(dossier.one("OrderStatesTableName").get("status", PLACED))
        counted = facts(dossier, executions, mails if self.place.embedded else None)
        actions = tuple(possible(self.place, order_id, status))
        events = [event for event in self.watch.seen_events() if event.order_id == order_id]
        return View(
            order_id=order_id,
            status=status,
            dossier=dossier,
            workflows=tuple(workflows.values()),
            executions=tuple(executions),
            accounts=accounts,
            entries=tuple(tell(dossier, executions, accounts, events, mails)),
            mails=tuple(mails),
            facts=tuple(counted),
            headline=tuple(headline(executions, accounts, counted, swept(dossier))),
            offered=tuple(f"{action.name} {action.asks}" for action in actions),
            actions=actions,
        )

    def mails(self, order_id: str) -> list[Mail]:
        """The emails about an order."""
        if is_telling(order_id):
            return [mail for mail in self.watch.mails if mentions((mail.subject, mail.text), order_id)]
        return [mail for mail in self.watch.mails if mentions(mail.subject, f"order {order_id}")]


class Followed:
    """An order that somebody looks at. `view` is the latest; listeners are told in the event loop when it changes."""

    def __init__(self, sources: Sources, order_id: str) -> None:
        self.order_id = order_id
        self.view: View | None = None
        self._sources = sources
        self._listeners: Listeners[[]] = Listeners()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stop: list[Callable[[], None]] = []
        self._unchanged = 0

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have it told; answers how to stop."""
        forget = self._listeners.add(listener)
        if self._task is None:
            watch = self._sources.watch
            self._stop = [watch.subscribe(self._changed), watch.follow(self.order_id)]
            self._wanted.set()
            self._task = asyncio.create_task(self._run())

        def stop() -> None:
            forget()
            if not self._listeners and self._task:
                self._task.cancel()
                self._task = None
                for each in self._stop:
                    each()

        return stop

    @property
    def looked_at(self) -> bool:
        return bool(self._listeners)

    def look(self) -> None:
        """Read again soon: somebody has just done something."""
        self._unchanged = SETTLED
        self._wanted.set()

    def _changed(self, order_ids: set[str]) -> None:
        if self.order_id in order_ids:
            self._wanted.set()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            view = await self._seen()
            if view != self.view:
                self.view = view
                self._listeners.tell()
            await asyncio.sleep(RUNNING_SECONDS)
            if view.trouble or view.moves:
                self._wanted.set()

    async def _seen(self) -> View:
        """What there is of it now, or what there was before and why it can't be read."""
        try:
            return await asyncio.to_thread(self._read)
        except TROUBLE as error:
            trouble = f"The stack can't be read: {error}"
        except Exception as error:  # noqa: BLE001 - or the page would stand still, and nobody would know
            trouble = unforeseen(error)
        return replace(self.view or View(self.order_id), trouble=trouble)

    def _read(self) -> View:
        """Read what changes first, and all the rest only when it has."""
        executions, before = self._sources.executions.of(self.order_id), self.view
        row = self._sources.watch.rows.get(self.order_id)
        same = (
            before is not None
            and not before.trouble
            and list(before.executions) == executions
            and (row is None or row.status == before.status)
            and len(self._sources.mails(self.order_id)) == len(before.mails)
            and not before.moves
            and self._unchanged < SETTLED
        )
        if same and before:
            self._unchanged += 1
            return before
        self._unchanged = 0
        return self._sources.seen(self.order_id, executions)
