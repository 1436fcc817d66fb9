"""What the simulation found, for people: a matrix of sites and faults, each cell with the schedule's timeline.

One HTML file without anything from elsewhere. The picture in the README is a photograph of it: `make picture`.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.simulation.explore import Summary, run_all, singles
from tests.simulation.faults import KINDS, Fault, faults_at
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.schedule import Result, Schedule
from tests.simulation.stack import ROOT

PAGE = ROOT / ".local" / "simulation.html"
FRAME = Path(__file__).with_name("report.html")

# In the order of the legend; the first that applies from the end of the list is a cell's colour.
OUTCOMES = {
    "absorbed": "Absorbed on the spot",
    "retried": "Absorbed, after a retry",
    "cancelled": "Given up cleanly: cancelled, all given back",
    "repeated": "Email repeated, in the documented window",
    "escalated": "Escalated to a person, done after a redrive",
    "violation": "A promise broke",
}
ASTRAY = ("lost", "throttled", "outage")  # these lead to every retry and clean-up
STEPS = ("publish", "validate", "reserve", "authorize", "decide", "capture", "release", "void", "notify", "escalate")


@dataclass(frozen=True)
class Cell:
    """One fault at one site, shown by one schedule."""

    fault: Fault
    outcome: str
    result: Result


def write(summary: Summary, page: Path = PAGE) -> Path:
    """Run one schedule for each fault at each site, and write the page; answers where it is."""
    results: list[Result] = []
    run_all(shown(summary), keep=results.append, timelines=True)
    calm: dict[str, Result] = {}
    cells: dict[Fault, Cell] = {}
    for result in sorted(results, key=lambda result: len(result.schedule.faults)):
        schedule = result.schedule
        if not schedule.faults:
            calm[schedule.scenario] = result
        elif schedule.faults[-1] in result.fired:
            fault = schedule.faults[-1]
            cells.setdefault(fault, Cell(fault, outcome(result, calm.get(schedule.scenario)), result))
    page.parent.mkdir(exist_ok=True)
    page.write_text(render(list(cells.values()), summary), encoding="utf-8")
    return page


def shown(summary: Summary) -> list[Schedule]:
    """For each fault at each site the plainest schedule that reaches it, with every message delivered twice."""
    quiet = [Schedule(scenario, "twice") for scenario in SCENARIOS]
    found: dict[str, Schedule] = {}
    calm: list[Result] = []
    run_all(quiet, keep=calm.append)
    calm.sort(key=lambda result: list(SCENARIOS).index(result.schedule.scenario))
    for result in calm:
        for site in result.reached:
            found.setdefault(site, result.schedule)
    # What is only reached when something went wrong before; an outage is the last resort.
    one_fault = [s for s in singles(calm[:1]) if s.faults[0].kind in ASTRAY]
    astray: list[Result] = []
    run_all(one_fault, keep=astray.append)
    for result in sorted(astray, key=lambda result: (result.schedule.faults[0].kind == "outage", str(result.schedule))):
        for site in result.reached:
            found.setdefault(site, result.schedule)
    for (_, site), schedule in sorted(summary.witness.items(), key=lambda item: (len(item[1].faults), str(item[1]))):
        found.setdefault(site, schedule)
    return quiet + [
        Schedule(at.scenario, at.delivery, (*at.faults, Fault(site, kind)), at.seed)
        for site, at in found.items()
        for kind in faults_at(site)
    ]


def outcome(result: Result, calm: Result | None) -> str:
    """What became of a fault: the most serious of OUTCOMES that applies."""
    if result.violations:
        return "violation"
    if result.escalated:
        return "escalated"
    if any(count > 1 for count in result.told.values()):
        return "repeated"
    if calm and result.outcomes != calm.outcomes:
        return "cancelled"
    again = (entry.label == "a task failed" or re.fullmatch(r"attempt [2-9]", entry.outcome) for entry in result.timeline)
    return "retried" if any(again) else "absorbed"


def render(cells: Sequence[Cell], summary: Summary) -> str:
    """The page."""
    kinds = [kind for kind in KINDS if any(cell.fault.kind == kind for cell in cells)]
    sites = sorted({cell.fault.site for cell in cells}, key=_place)
    by_fault = {(cell.fault.site, cell.fault.kind): cell for cell in cells}
    numbers = {id(cell): number for number, cell in enumerate(cells)}
    rows = []
    step = ""
    for site in sites:
        if site.split("/")[0] != step:
            step = site.split("/")[0]
            rows.append(f'<tr class="step"><th colspan="{len(kinds) + 1}">{step}</th></tr>')
        name = html.escape(site.split("/")[1])
        row = [f'<th scope="row">{name}</th>']
        for kind in kinds:
            cell = by_fault.get((site, kind))
            if cell is None:
                row.append('<td class="none"></td>')
                continue
            title = html.escape(f"{cell.fault}: {OUTCOMES[cell.outcome]}")
            row.append(
                f'<td><a class="{cell.outcome}" href="#{numbers[id(cell)]}" title="{title}" aria-label="{title}"></a></td>'
            )
        rows.append(f"<tr>{''.join(row)}</tr>")
    heads = "".join(
        f'<th scope="col" title="{html.escape(KINDS[kind])}"><span>{kind.replace("_", " ")}</span></th>' for kind in kinds
    )
    counts = {key: sum(cell.outcome == key for cell in cells) for key in OUTCOMES}
    legend = "".join(
        f'<li><i class="{key}"></i><b>{counts[key]}</b> {html.escape(text)}</li>' for key, text in OUTCOMES.items()
    )
    figures = {
        "{{schedules}}": f"{summary.schedules:,}",
        "{{broken}}": str(len(summary.failures)),
        "{{sites}}": str(len(sites)),
        "{{cells}}": str(len(cells)),
        "{{legend}}": legend,
        "{{head}}": heads,
        "{{rows}}": "\n".join(rows),
        "{{data}}": _data(cells),
    }
    page = FRAME.read_text(encoding="utf-8")
    for name, value in figures.items():
        page = page.replace(name, value)
    return page


def _data(cells: Iterable[Cell]) -> str:
    data: list[dict[str, Any]] = []
    for cell in cells:
        entries = [list(asdict(entry).values()) for entry in cell.result.timeline]
        data.append(
            {
                "fault": str(cell.fault),
                "means": KINDS[cell.fault.kind],
                "kind": cell.fault.kind,
                "site": cell.fault.site,
                "outcome": cell.outcome,
                "text": OUTCOMES[cell.outcome],
                "schedule": str(cell.result.schedule),
                "replay": cell.result.schedule.to_json(),
                "orders": cell.result.outcomes,
                "violations": [f"{v.invariant}: {v.what}" for v in cell.result.violations],
                "entries": entries,
            }
        )
    return json.dumps(data, separators=(",", ":")).replace("</", "<\\/")


def _place(site: str) -> tuple[int, str]:
    step, request = site.split("/")
    return STEPS.index(step) if step in STEPS else len(STEPS), request
