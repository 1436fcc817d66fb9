"""What a person sees of a lesson: the schedule as lanes, and the books at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from lessons import harness
from lessons.harness import Finding, Lesson, Run, Variant
from simulation import Entry

WIDTH = 80
console = Console(highlight=False, width=min(WIDTH, Console().width))

HOUR, DAY = 3600, 24 * 3600
LANES = ("cyan", "magenta", "blue", "yellow", "green", "cyan", "magenta")

# How each outcome of a request is written, and in which style.
OUTCOMES = {
    "crash_before": ("the sandbox dies before it leaves", "bold red"),
    "crash_after": ("takes effect, then the sandbox dies", "bold red"),
    "slow": ("nothing, until the time is up", "bold red"),
    "slow_with_effect": ("takes effect, no answer in time", "bold red"),
    "zombie": ("freezes before it leaves", "bold red"),
    "zombie_late": ("freezes before it leaves", "bold red"),
    "throttled": ("throttled", "bold red"),
    "partial": ("the first one is refused", "bold red"),
    "ConditionalCheckFailedException": ("refused by its condition", "yellow"),
    "TransactionCanceledException": ("refused by its condition", "yellow"),
    "None": ("nothing", "yellow"),
    "canceled": ("given back", "green"),
    "requires_capture": ("held", "green"),
    "refunded": ("paid back", "green"),
}
DEATHS = ("crash_before", "crash_after", "slow", "slow_with_effect")
FREEZES = ("zombie", "zombie_late")


def listing() -> RenderableType:
    """All lessons, with the command for each."""
    table = Table(box=None, show_header=False, padding=(0, 1))
    for number in harness.folders():
        table.add_row(f"make lesson N={number}", harness.load(number).title)
    return table


def lesson(number: int, runs: dict[Variant, Run]) -> RenderableType:
    """A lesson from its schedule to its moral."""
    shown, folder = harness.load(number), harness.folders()[number]
    parts: list[RenderableType] = [
        Text(f"Lesson {number}: {shown.title}", style="bold"),
        Text(),
        Text(shown.schedule),
    ]
    for variant, run in runs.items():
        path = next(path for path in folder.glob(f"{variant}.*") if path.suffix in (".py", ".json"))
        style = "green" if run.survived else "red"
        parts += [
            Text(),
            Rule(Text(f"lessons/{folder.name}/{path.name}", style=f"bold {style}"), align="left", style=style),
            timeline(shown, run),
            Text(),
            Group(*map(_finding, run.findings)),
        ]
    return Group(*parts, Text(), Rule(Text("Why", style="bold"), align="left", style="dim"), Text(shown.why), Text())


def verdict(runs: dict[Variant, Run]) -> Text:
    """The last line."""
    broken, fixed = runs["broken"].survived, runs["fixed"].survived
    seconds = f" ({sum(run.seconds for run in runs.values()):.2f} s)"
    if not fixed:
        return Text(f"✗ The repaired version does not survive.{seconds}", style="bold red")
    if broken:
        return Text(f"✔ The broken version survives too: you have repaired it.{seconds}", style="bold green")
    return Text(f"✔ The broken version breaks, the repaired one survives the same.{seconds}", style="green")


def _finding(found: Finding) -> Text:
    mark, style = ("✔", "green") if found.right else ("✗", "bold red")
    line = Text(f"  {mark} {found.measure.what}: {found.text(found.was)}", style=style)
    if not found.right:
        line.append(f", should be {found.text(found.measure.should_be)}: {found.text(found.damage)} off")
    return line


# ── The timeline ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Row:
    """One line: something happens in `lane`; `reaches` is the lane that it sets off."""

    at: float
    lane: int
    mark: str
    text: Text
    reaches: int | None = None
    opens: int | None = None
    closes: int | None = None
    times: int = 1


@dataclass
class Lanes:
    """Which lanes are drawn as alive: the sender's always, an invocation's from its begin to its end."""

    count: int
    alive: set[int] = field(default_factory=set)
    frozen: set[int] = field(default_factory=set)

    def draw(self, row: Row) -> Text:
        """The lanes at one row."""
        cells = Text("  ")
        for lane in range(self.count):
            across = row.reaches is not None and row.lane <= lane < row.reaches
            if lane == row.lane:
                mark, style = row.mark, LANES[lane % len(LANES)]
            elif lane == row.reaches:
                mark, style = "▶", LANES[lane % len(LANES)]
            elif lane in self.frozen:
                mark, style = "┊", "dim"
            elif lane == 0 or lane in self.alive:
                mark, style = "│", "dim"
            else:
                mark, style = "─" if across else " ", "dim"
            cells.append(mark, style="bold red" if mark == "✗" else style)
            cells.append("──" if across else "  ", style="dim")
        return cells


def timeline(shown: Lesson, run: Run) -> RenderableType:
    """Time, lanes, and what happens. The first lane is the sender's, each invocation has one of its own."""
    rows = list(_folded(_rows(shown, run)))
    count = 1 + max((row.reaches or row.lane for row in rows), default=0)
    lanes = Lanes(count)
    table = Table(box=None, show_header=False, padding=(0, 0), expand=True)
    table.add_column(justify="right", width=9, no_wrap=True, style="dim")
    table.add_column(width=3 * count + 2, no_wrap=True)
    table.add_column(ratio=1)
    heads = Text("  ")
    heads.append("".join(f"{name:<3}" for name in ("○", *map(str, range(1, count)))), style="dim")
    table.add_row("", heads, Text(f"○ {shown.sender}   1, 2, … invocations", style="dim"))
    for row in rows:
        if row.opens is not None:
            lanes.alive.add(row.opens)
            lanes.frozen.discard(row.opens)
        if row.mark == "┊":
            lanes.frozen.add(row.lane)
        text = row.text.copy()
        if row.times > 1:
            text.append(f" ({row.times}×)")
        table.add_row(_clock(row.at), lanes.draw(row), text)
        if row.closes is not None:
            lanes.alive.discard(row.closes)
    return table


def _folded(rows: Iterator[Row]) -> Iterator[Row]:
    """The SDK repeats a request that was throttled: one row, counted."""
    last: Row | None = None
    for row in rows:
        if last and (row.lane, row.mark, row.text) == (last.lane, last.mark, last.text) and row.reaches is None:
            last.times += 1
            continue
        if last:
            yield last
        last = row
    if last:
        yield last


def _rows(shown: Lesson, run: Run) -> Iterator[Row]:
    refused = {fault.site for fault in run.fired if fault.kind == "partial"}
    says: list[str] = []
    for entry in run.timeline:
        lane = int(entry.actor) if entry.lane in ("invocation", "request") and entry.actor else 0
        match entry.lane:
            case "sender" if entry.label != "gives up":
                says.append(" ".join(filter(None, (entry.order, entry.label))))
            case "stream":
                says.append(f"{entry.order} from the stream, {entry.outcome}")
            case "invocation" if entry.outcome == "begins":
                yield Row(entry.at, 0, "●", Text(_begins(says, entry)), reaches=lane, opens=lane)
                says.clear()
            case "invocation" if entry.outcome == "goes on, late":
                yield Row(entry.at, lane, "●", Text("goes on, late", style="bold red"), opens=lane)
            case "invocation" if entry.outcome.startswith("warns: "):
                yield Row(entry.at, lane, "!", Text(entry.outcome, style="yellow"))
            case "invocation":
                yield _end(entry, lane)
            case "request":
                outcome = entry.outcome
                if entry.label in refused:
                    refused.remove(entry.label)
                    outcome = "partial"
                yield _request(shown, entry, lane, outcome)
            case "execution" if entry.label in ("running", "Held"):
                pass
            case _:
                yield _at_the_sender(entry)


def _begins(says: list[str], entry: Entry) -> str:
    if not says:
        return f"{entry.label} {entry.order}"
    orders, _, rest = says[-1].partition(" ")
    return ", ".join([*(line.split(" ")[0] for line in says[:-1]), orders]) + f" {rest}"


def _end(entry: Entry, lane: int) -> Row:
    outcome = entry.outcome
    failed = not outcome.startswith(("{", "["))
    if outcome in ("Runtime.ExitError", "Sandbox.Timedout"):
        return Row(entry.at, lane, "✗", Text(f"ends as {outcome}", style="red"), closes=lane)
    if failed:
        name, _, message = outcome.partition(": ")
        code = re.search(r"\((\w+)\)", message)
        text = f"raises {name}" + (f" ({code[1]})" if code and name == "ClientError" else "")
        return Row(entry.at, lane, "✗", Text(text, style="red"), closes=lane)
    return Row(entry.at, lane, "■", Text(f"answers {outcome}", style="green"), closes=lane)


def _request(shown: Lesson, entry: Entry, lane: int, outcome: str) -> Row:
    step, request = entry.label.split("/")
    name = request.split("#")[0]
    keys = (f"{step}/{request}", f"{step}/{name}", request, name)
    purpose = next((shown.words[key] for key in keys if key in shown.words), "")
    reference = None
    if told := re.search(r"status='(\w+)'", outcome):
        outcome, reference = told[1], re.search(r"reference='(\w+)'", outcome)
    elif made := re.fullmatch(r"(re_\w+)", outcome):
        outcome, reference = "refunded", made
    text = Text(name.split(".")[1])
    if purpose:
        text.append(f": {purpose}")
    if outcome in OUTCOMES:
        what, style = OUTCOMES[outcome]
        text.append(" → ")
        text.append(what, style=style)
        if reference:
            text.append(f" ({reference[1][:7]})", style="dim")
    elif outcome not in ("done", ""):
        text.append(f" → {outcome}")
    mark = "✗" if outcome in DEATHS else "┊" if outcome in FREEZES else "●"
    return Row(entry.at, lane, mark, text)


def _at_the_sender(entry: Entry) -> Row:
    what = {
        "bus": f"the bus has {entry.label} of {entry.order}",
        "execution": ": ".join(filter(None, (f"workflow, {entry.label}", entry.outcome))),
    }.get(entry.lane, " ".join(filter(None, (entry.order, entry.label))))
    if entry.label == "a task failed" and entry.outcome == "Lambda.TooManyRequestsException":
        what = "turned away: all are busy"
    bad = entry.label in ("failed", "a task failed", "gives up")
    return Row(entry.at, 0, "✗" if bad else "●", Text(what, style="red" if bad else ""))


def _clock(at: float) -> str:
    if at < 100:
        return f"{at:.3f} s"
    return f"{at / HOUR:.2f} h" if at < DAY else f"{at / DAY:.2f} d"
