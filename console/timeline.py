"""One order's way in plain words: what was placed, announced, started, said, sent and decided, in the order of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from console.dossier import Dossier, Line
from console.executions import Execution
from console.model import local_time, text
from console.orders_grid import reason_text
from console.parts import words
from console.telling import Account
from console.watch import Mail, SeenEvent

# Of a log line, what is said elsewhere or is of no use to a reader.
_UNSAID = {"level", "location", "message", "timestamp", "service", "order_id", "xray_trace_id", "_aws"}


class Kind(StrEnum):
    """What sort of thing happened. The value is shown."""

    ORDER = "order"
    EVENT = "event"
    EXECUTION = "execution"
    FUNCTION = "function"
    REQUEST = "request"
    EMAIL = "email"
    TROUBLE = "trouble"


@dataclass(frozen=True)
class Entry:
    """Something that happened `at` a moment, in seconds since 1970. `who` did it, `detail` says more."""

    at: float
    kind: Kind
    who: str
    text: str
    detail: str = ""


def tell(
    dossier: Dossier,
    executions: Sequence[Execution],
    accounts: Mapping[str, Account],
    events: Iterable[SeenEvent],
    mails: Iterable[Mail],
) -> list[Entry]:
    """Everything in the order of time."""
    entries = [
        *_placed(dossier.one("OrdersTableName")),
        *_statuses(dossier.one("OrderStatesTableName")),
        *_events(events, executions),
        *_executions(executions, accounts),
        *_lines(dossier.lines),
        *_mails(mails),
    ]
    return sorted(entries, key=lambda entry: entry.at)


def seconds(moment: object) -> float | None:
    """A time as ISO 8601 or in seconds since 1970, in the latter; None for what is none."""
    found = local_time(moment)
    return None if found is None else found.timestamp()


def after(at: float, start: float) -> str:
    """When something happened, seen from the start: `+3.2 s`, `+4 min 10 s`, `+2 h 5 min`."""
    passed = max(0.0, at - start)
    if passed < 60:
        return f"+{passed:.1f} s"
    minutes, rest = divmod(round(passed), 60)
    if minutes < 60:
        return f"+{minutes} min {rest} s"
    return f"+{minutes // 60} h {minutes % 60} min"


def nth(number: int) -> str:
    """A number of a row: 1st, 2nd, 3rd, 11th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _placed(order: Mapping[str, Any]) -> Iterator[Entry]:
    if (at := seconds(order.get("placed_at"))) is not None:
        yield Entry(at, Kind.ORDER, "customer", "The order was placed.")


def _statuses(state: Mapping[str, Any]) -> Iterator[Entry]:
    decision = state.get("decision")
    decision = decision if isinstance(decision, Mapping) else {}
    history = state.get("history")
    for status, moment in (history if isinstance(history, Mapping) else {}).items():
        if (at := seconds(moment)) is not None:
            why = reason_text(text(decision.get("reason"))).lower() if status == decision.get("outcome") else ""
            yield Entry(at, Kind.ORDER, "order", f"The order became {status}{f': {why}' if why else ''}.")


def _events(events: Iterable[SeenEvent], executions: Sequence[Execution]) -> Iterator[Entry]:
    """What came by on the bus. It is seen a little late: what it started did not begin before it."""
    began: dict[str, list[float]] = {}
    for one in executions:
        began.setdefault(one.event_id, []).append(one.started.timestamp())
    seen: Counter[str] = Counter()
    for event in events:
        started = began.get(event.event_id, [])[seen[event.event_id] :]
        seen[event.event_id] += 1
        number = seen[event.event_id]
        text = f"The event {event.what} came by" + (f", for the {nth(number)} time." if number > 1 else ".")
        yield Entry(min([event.seen_at, *started[:1]]), Kind.EVENT, "event bus", text, event.event_id)


def _executions(executions: Sequence[Execution], accounts: Mapping[str, Account]) -> Iterator[Entry]:
    started: Counter[tuple[str, str]] = Counter()
    for one in executions:
        account = accounts[one.arn]
        name = f"Execution {account.number} of the {one.workflow} workflow"
        started[one.workflow, one.event_id] += 1
        number = started[one.workflow, one.event_id]
        again = f": the same event was delivered for the {nth(number)} time" if number > 1 else ""
        yield Entry(one.started.timestamp(), Kind.EXECUTION, "workflow", f"{name} began{again}.", one.event_id)
        if one.stopped:
            yield Entry(one.stopped.timestamp(), Kind.EXECUTION, "workflow", f"{name} ended.", account.sentence)
        for visit in one.history.visits:
            if visit.errors and visit.kind != "Fail":
                tried = f", and was retried {times(visit.retries)}" if visit.retries else ""
                text = f"{visit.state} in execution {account.number} failed{tried}."
                at = visit.exited or visit.entered
                yield Entry(at.timestamp(), Kind.TROUBLE, "workflow", text, ", ".join(dict.fromkeys(visit.errors)))


def times(number: int) -> str:
    """How often: once, twice, 3 times."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _lines(lines: Iterable[Line]) -> Iterator[Entry]:
    said: Counter[tuple[str, str]] = Counter()
    for line in lines:
        if "_aws" in line.said and not line.said.get("message"):  # it only counts, for CloudWatch
            continue
        text = str(line.said.get("message", "")).rstrip(".")
        said[line.function, text] += 1
        again = " again" if said[line.function, text] > 1 else ""
        kind = Kind.REQUEST if line.answers else Kind.FUNCTION
        if str(line.said.get("level", "INFO")) not in ("INFO", "DEBUG"):
            kind = Kind.TROUBLE
        more = {name: value for name, value in line.said.items() if name not in _UNSAID and value not in (None, "")}
        detail = ", ".join(f"{words(name).replace('_', ' ')}: {_value(value)}" for name, value in more.items())
        yield Entry(line.at, kind, f"{line.function} function", f"Says{again}: {text}.", detail)


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _mails(mails: Iterable[Mail]) -> Iterator[Entry]:
    for mail in mails:
        if (at := seconds(mail.sent_at)) is not None:
            yield Entry(at, Kind.EMAIL, f"to {mail.to}", f"An email was sent: “{mail.subject}”.")
