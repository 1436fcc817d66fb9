"""A night's jobs are killed by SIGKILL at every request and run again, run beside themselves and fail: it is all the
same, byte for byte.

A kill leaves what the services have by then, and nothing else. Where two kills leave the same, the job is run again
after one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle

import pytest

from jobs.sources import BRANCHES
from local import emulator
from local.stack import RunningStack
from orders import Line, Reservation, ReservationStatus
from orders.tables import Item, order_key, reservation_item, stock_key
from tests.exhaustive import exhaustive
from tests.jobs.killer import KILLED, Kill, Nursery, Proxy
from tests.jobs.real_services import Left, Services

# In `make test` jobs die in its own process: test_begin.py, test_extract.py, test_repair.py, test_load.py.
pytestmark = exhaustive

DAY = "2026-03-02"
SEGMENTS = PARTITIONS = 2
FIRST = "first"
PAY = "POST /2015-03-31/functions/payment/invocations"
READS = ("GetItem", "BatchGetItem", "Query", "Scan", "DescribeExecution", "GET ")


@dataclass(frozen=True)
class Step:
    """A job, as the workflow submits it; in an array it has an index."""

    arguments: tuple[str, ...]
    index: int | None = None

    def __str__(self) -> str:
        return " ".join(self.arguments) + ("" if self.index is None else f" {self.index}")


NIGHT = [
    Step(("begin", "--day", DAY, "--repair", "yes")),
    *(Step(("extract", branch), segment) for branch in BRANCHES for segment in range(SEGMENTS)),
    *(Step(("reconcile",), partition) for partition in range(PARTITIONS)),
    Step(("repair",)),
    Step(("load",)),
]


@dataclass
class Jobs:
    """The jobs of a run. The first nursery's are watched; the second hashes otherwise."""

    services: Services
    proxy: Proxy
    first: Nursery
    second: Nursery

    def start(self, step: Step, run: str, nursery: Nursery) -> int:
        index = {} if step.index is None else {"AWS_BATCH_JOB_ARRAY_INDEX": str(step.index)}
        return nursery.start(*step.arguments, "--run", run, **index)

    def do(self, step: Step, run: str, *, again: bool = False) -> None:
        """Do a step to its end."""
        nursery = self.second if again else self.first
        self.proxy.expect()
        pid = self.start(step, run, nursery)
        self.proxy.name(pid)
        self._ends(nursery, pid)

    def kill(self, step: Step, run: str, kill: Kill) -> None:
        """Begin a step, and die at a request."""
        self.proxy.expect(kill)
        pid = self.start(step, run, self.first)
        self.proxy.name(pid)
        self._ends(self.first, pid, KILLED)
        self.proxy.settle()

    def overtake(self, step: Step, run: str, request: int) -> None:
        """Do a step twice: at a request the first waits for the second, which does all of it."""
        self.proxy.expect(hold=request)
        slow = self.start(step, run, self.first)
        self.proxy.name(slow)
        self.proxy.wait_for_hold()
        self._ends(self.second, self.start(step, run, self.second))
        self.proxy.let_go()
        self._ends(self.first, slow)

    def at_once(self, *jobs: tuple[Step, str]) -> None:
        """Do some steps at the same time, each with its run."""
        self.proxy.expect()
        by_turns = zip(cycle((self.first, self.second)), jobs, strict=False)
        started = [(nursery, self.start(step, run, nursery)) for nursery, (step, run) in by_turns]
        self.proxy.name(0)
        for nursery, pid in started:
            self._ends(nursery, pid)

    def _ends(self, nursery: Nursery, pid: int, status: int = 0) -> None:
        assert nursery.wait(pid) == status, nursery.said(pid)


# ── A shop ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def an_order(order_id: str) -> Item:
    """Two pots of tea."""
    line = {"sku": {"S": "TEA"}, "quantity": {"N": "2"}, "unit_price": {"N": "450"}}
    return {
        **order_key(order_id),
        "customer": {"M": {"customer_id": {"S": "c-1"}, "email": {"S": "ada@example.com"}}},
        "currency": {"S": "EUR"},
        "lines": {"L": [{"M": line}]},
        "total": {"N": "900"},
        "payment_method": {"S": "pm_card_visa"},
        "placed_at": {"S": f"{DAY}T09:00:00Z"},
        "schema_version": {"N": "1"},
    }


def a_state(order_id: str, outcome: str, reason: str) -> Item:
    at = {"S": f"{DAY}T09:00:05Z"}
    decision = {"outcome": {"S": outcome}, "reason": {"S": reason}, "decided_at": at, "execution": {"S": "run-1"}}
    return {
        **order_key(order_id),
        "decision": {"M": decision},
        "status": {"S": outcome},
        "history": {"M": {outcome: at}},
    }


def an_amount(amount: int, status: str) -> Item:
    return {"amount": {"N": str(amount)}, "currency": {"S": "EUR"}, "status": {"S": status}}


def a_shop() -> dict[str, list[Item]]:
    """Five orders went well. Of one that was cancelled the money is still held, and one was lost."""
    sold = [f"sold-{number}" for number in range(5)]
    held = [reservation_item(Reservation(one, ReservationStatus.RESERVED, (Line("TEA", 2, 450),))) for one in sold]
    released = Reservation("cancelled", ReservationStatus.RELEASED, reason="PAYMENT_DECLINED")
    stock = {"available": {"N": "90"}, "received": {"N": "100"}, "unit_price": {"N": "450"}, "currency": {"S": "EUR"}}
    payment = {"payment_method": {"S": "pm_card_visa"}, "provider_reference": {"S": "pi"}}
    return {
        "OrdersTable": [an_order(one) for one in (*sold, "cancelled", "lost")],
        "OrderStatesTable": [
            *(a_state(one, "CONFIRMED", "ACCEPTED") for one in sold),
            a_state("cancelled", "CANCELLED", "OUT_OF_STOCK"),
        ],
        "InventoryTable": [{**stock_key("TEA"), **stock, "name": {"S": "Tea"}}, *held, reservation_item(released)],
        "PaymentsTable": [
            *({**order_key(one), **an_amount(900, "CAPTURED"), **payment} for one in sold),
            {**order_key("cancelled"), **an_amount(900, "VOIDED"), **payment, "reason": {"S": "OUT_OF_STOCK"}},
        ],
        "SimulatedGatewayTable": [
            *({"id": {"S": f"pi-{one}"}, **order_key(one), **an_amount(900, "succeeded")} for one in sold),
            {"id": {"S": "pi-cancelled"}, **order_key("cancelled"), **an_amount(900, "requires_capture")},
        ],
    }


@pytest.fixture(autouse=True)
def _no_network(socket_enabled: None) -> None:
    """These jobs are processes, and talk to an emulator."""


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    folder = tmp_path_factory.mktemp("jobs")
    with ExitStack() as stack:
        started = emulator.start()
        stack.callback(started.stop)
        services = Services(RunningStack(started.endpoint_url, "none", {}))
        services.fill(a_shop())
        proxy = Proxy(started.endpoint_url, FIRST, {PAY: lambda _: (200, b"{}")})
        variables = services.variables() | {
            "AWS_ENDPOINT_URL": stack.enter_context(proxy.open()),
            "ORDERS_PER_CONTAINER": "100",
        }
        first, second = (
            stack.enter_context(Nursery(name, variables, folder, hash_seed=seed).open())
            for seed, name in enumerate((FIRST, "second"), 1)
        )
        yield Jobs(services, proxy, first, second)


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing happened to: what there was before each step, and after; and what each has asked for."""

    run: str
    before: dict[Step, Left]
    after: dict[Step, Left]
    asked: dict[Step, list[str]]

    def came_to(self, step: Step) -> Left:
        """What there was after a step, but for the time at which it was done."""
        return self.after[step].but_for_moments()


@pytest.fixture(scope="module")
def night(jobs: Jobs) -> Undisturbed:
    done = Undisturbed(jobs.services.run("undisturbed"), {}, {}, {})
    for step in NIGHT:
        done.before[step] = jobs.services.look()
        jobs.do(step, done.run)
        done.asked[step] = list(jobs.proxy.asked)
        done.after[step] = jobs.services.look()
    return done


# ── Killed ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("step", [step for step in NIGHT if not step.index], ids=str)
def test_a_job_that_is_killed_at_any_request_and_run_again_leaves_the_same(
    step: Step, jobs: Jobs, night: Undisturbed
) -> None:
    before = left = night.before[step]
    jobs.services.put_back(before)
    finished = set()
    for kill in deaths(night.asked[step]):
        jobs.services.put_back(before, left)
        jobs.kill(step, night.run, kill)
        left = jobs.services.look()
        if left.mark() not in finished:
            finished.add(left.mark())
            jobs.do(step, night.run, again=True)
            left = jobs.services.look()
            assert left.but_for_moments() == night.came_to(step), kill
    assert finished


def deaths(asked: Sequence[str]) -> Iterator[Kill]:
    """At every request, before the service has heard of it. When it was carried out, at every write: after a read there
    is what there was before.
    """
    for request, what in enumerate(asked, 1):
        yield Kill(request, carried_out=False)
        if not what.startswith(READS):
            yield Kill(request, carried_out=True)


@pytest.mark.parametrize("step", NIGHT, ids=str)
def test_a_job_that_was_done_runs_again_and_changes_nothing(step: Step, jobs: Jobs, night: Undisturbed) -> None:
    jobs.services.put_back(night.after[step])
    jobs.do(step, night.run, again=True)
    assert jobs.services.look() == night.after[step]


def test_a_partition_that_fails_twice_leaves_the_same_when_it_succeeds(jobs: Jobs, night: Undisturbed) -> None:
    step = Step(("reconcile",), 1)
    requests = len(night.asked[step])
    jobs.services.put_back(night.before[step])
    jobs.kill(step, night.run, Kill(requests // 2, carried_out=True))
    jobs.kill(step, night.run, Kill(requests - 1, carried_out=False))
    jobs.do(step, night.run, again=True)
    assert jobs.services.look() == night.after[step]


# ── Beside itself ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("step", [step for step in NIGHT if not step.index], ids=str)
def test_a_job_that_is_overtaken_by_itself_before_any_write_leaves_the_same(
    step: Step, jobs: Jobs, night: Undisturbed
) -> None:
    for request in (kill.request for kill in deaths(night.asked[step]) if kill.carried_out):
        jobs.services.put_back(night.before[step])
        jobs.overtake(step, night.run, request)
        assert jobs.services.look().but_for_moments() == night.came_to(step), night.asked[step][request - 1]


@pytest.mark.parametrize("step", NIGHT, ids=str)
def test_a_job_that_runs_beside_itself_leaves_the_same(step: Step, jobs: Jobs, night: Undisturbed) -> None:
    jobs.services.put_back(night.before[step])
    jobs.at_once((step, night.run), (step, night.run))
    assert jobs.services.look().but_for_moments() == night.came_to(step)


# ── Two runs of one day ─────────────────────────────────────────────────────────────────────────────────────────────


def test_of_two_runs_at_once_one_has_the_day_and_the_other_does_nothing(jobs: Jobs, night: Undisturbed) -> None:
    begin, *rest = NIGHT
    jobs.services.put_back(night.before[begin])
    runs = [jobs.services.run(name) for name in ("one", "other")]
    jobs.at_once(*((begin, run) for run in runs))
    [ours] = [run for run in runs if jobs.services.standing(run) == "OURS"]
    [taken] = [run for run in runs if jobs.services.standing(run) == "TAKEN"]
    begun = jobs.services.look()
    for step in rest:
        jobs.do(step, taken)
    assert jobs.services.look() == begun
    for step in rest:
        jobs.do(step, ours)
    assert of_the_day(jobs.services.look()) == of_the_day(night.after[NIGHT[-1]])


@pytest.mark.parametrize("last", ["begin", "reconcile"])
def test_a_run_that_died_leaves_its_day_to_the_next_and_changes_nothing_any_more(
    last: str, jobs: Jobs, night: Undisturbed
) -> None:
    jobs.services.put_back(night.before[NIGHT[0]])
    dead, next_one = (jobs.services.run(f"{name}-{last}") for name in ("dead", "next"))
    position = max(number for number, step in enumerate(NIGHT) if step.arguments[0] == last)
    for step in NIGHT[: position + 1]:
        jobs.do(step, dead)
    jobs.services.end(dead)
    for step in NIGHT:
        jobs.do(step, next_one)
    closed = jobs.services.look()
    assert of_the_day(closed) == of_the_day(night.after[NIGHT[-1]])
    for step in NIGHT[position + 1 :]:
        if step.arguments[0] in ("repair", "load"):
            jobs.do(step, dead)
    assert jobs.services.look() == closed


def of_the_day(left: Left) -> dict[str, str]:
    """What Athena reads."""
    return {key: tag for key, tag in left.objects.items() if f"/day={DAY}/" in key}
