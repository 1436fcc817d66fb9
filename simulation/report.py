"""What the simulation found, for people: a matrix of sites and faults, each cell with its schedule's timeline.

One HTML file without anything from elsewhere. The picture in the README is a photograph of it: `make picture`.
"""

from __future__ import annotations

import html
import json
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invariants.checks import PATIENCE_MINUTES
from simulation.deliveries import DELIVERIES
from simulation.explore import Summary, run_all
from simulation.faults import AWAY, KINDS, Fault, faults_at, minutes_away
from simulation.scenarios import SCENARIOS
from simulation.schedule import ONCE_MORE, Result, Schedule
from simulation.singles import singles
from simulation.stack import ROOT
from simulation.world import SWEPT

PAGE = ROOT / ".local" / "simulation.html"
FRAME = Path(__file__).with_name("report.html")

# What a schedule can come to, from harmless to broken: a mark, so that nobody depends on colours, and its meaning.
OUTCOMES = {
    "absorbed": ("✓", "Absorbed on the spot"),
    "retried": ("↻", "Absorbed by a retry"),
    "late": ("◷", "Finished by the sweep"),
    "repeated": ("2×", "Email repeated, in the documented window"),
    "cancelled": ("↩\N{VARIATION SELECTOR-15}", "Cancelled after the patience, and all given back"),
    "called": ("!", "A person called"),
    "violation": ("✗", "A promise broke"),
}
# These lead to every retry and clean-up.
ASTRAY = {"happy": ("lost", "throttled", "away 10"), "out of stock in one line": ("zombie",)}
STEPS = (
    *("publish", "validate", "reserve", "authorize", "confirm", "decline", "capture", "release", "void", "notify"),
    *("sweep", "escalate"),
)
COSTLY = ("cancelled", "called", "violation")
LONGEST = 160  # characters of an outcome


@dataclass(frozen=True)
class Story:
    """One schedule as the page shows it: in the cell of `fault`, or, without one, under `name`.

    `found`: a failure of the run before, cut down to the smallest schedule that shows it; the value is its seed.
    """

    result: Result
    outcome: str
    fault: Fault | None = None
    name: str = ""
    found: int | None = None

    @property
    def address(self) -> str:
        """The part of the page's address behind the #."""
        where = f"{self.fault.site}/{self.fault.kind}" if self.fault else self.name
        return re.sub(r"[^\w./]+", "-", where)


def write(
    summary: Summary,
    ran: str,
    failures: Sequence[tuple[Result, Result]] = (),
    page: Path = PAGE,
    progress: Callable[[int], None] = lambda _: None,
) -> Path:
    """Run one schedule for each fault at each site, and write the page; answers where it is.

    `ran` says what was run before, `failures` are those found in it, each with its smallest schedule. `progress` is
    told the number of schedules that were run for the page.
    """
    stories = [*tell(run_for_page(summary, progress)), *map(found, failures)]
    page.parent.mkdir(exist_ok=True)
    page.write_text(render(stories, summary, ran), encoding="utf-8")
    return page


def run_for_page(summary: Summary, progress: Callable[[int], None] = lambda _: None) -> list[Result]:
    """For each fault at each site the plainest schedule that reaches it, with every message delivered twice; and what
    happens without any fault.
    """
    total = Summary()

    def count(_: Summary) -> bool:
        progress(total.schedules)
        return False

    calm: list[Result] = []
    quiet = [Schedule("happy", delivery) for delivery in DELIVERIES]
    quiet += [Schedule(scenario, "twice") for scenario in SCENARIOS if scenario != "happy"]
    run_all(quiet, total, enough=count, keep=calm.append, timelines=True)
    calm.sort(key=lambda result: quiet.index(result.schedule))
    ways: dict[str, Schedule] = {}  # the plainest one to each site
    twice = [result for result in calm if result.schedule.delivery == "twice"]
    for result in twice:
        for site in result.reached:
            ways.setdefault(site, result.schedule)
    # What is only reached when something went wrong before; an outage is the last resort.
    astray: list[Result] = []
    strays = [s for s in singles(twice) if s.faults[0].kind in ASTRAY.get(s.scenario, ())]
    run_all(strays, total, enough=count, keep=astray.append)
    for result in sorted(astray, key=lambda result: (result.schedule.faults[0].kind in AWAY, str(result.schedule))):
        for site in result.reached:
            ways.setdefault(site, result.schedule)
    # And what only the run before has found, as it came there.
    for (_, site), schedule in sorted(summary.witness.items(), key=lambda item: (len(item[1].faults), str(item[1]))):
        ways.setdefault(site, schedule)
    faulty = [
        Schedule(way.scenario, way.delivery, (*way.faults, Fault(site, kind)), way.seed)
        for site, way in ways.items()
        for kind in faults_at(site)
    ]
    results: list[Result] = []
    run_all(faulty, total, enough=count, keep=results.append, timelines=True)
    results.sort(key=lambda result: faulty.index(result.schedule))
    return calm + results


def tell(results: Iterable[Result]) -> list[Story]:
    """What to show of these runs; of a scenario those without faults come first."""
    calm: dict[str, Result] = {}
    stories = []
    for result in results:
        schedule = result.schedule
        if not schedule.faults:
            if schedule.delivery == "twice":
                calm[schedule.scenario] = result
            stories.append(Story(result, outcome(result), name=f"{schedule.scenario}, {schedule.delivery}"))
        elif schedule.faults[-1] in result.fired:
            stories.append(Story(result, outcome(result, calm.get(schedule.scenario)), schedule.faults[-1]))
    return stories


def found(failure: tuple[Result, Result]) -> Story:
    """A failure, by the smallest schedule that shows it."""
    result, smallest = failure
    faults, name = smallest.schedule.faults, f"{smallest.schedule.scenario}, {smallest.schedule.delivery}"
    return Story(smallest, "violation", faults[-1] if faults else None, name, result.schedule.seed)


def outcome(result: Result, calm: Result | None = None) -> str:
    """What became of a schedule: the most serious of OUTCOMES that applies."""
    if result.violations:
        return "violation"
    if result.called and not SCENARIOS[result.schedule.scenario].repairs:
        return "called"
    # Which of two orders gets the last unit may differ, and costs no sale.
    if calm and Counter(result.outcomes.values()) != Counter(calm.outcomes.values()):
        return "cancelled"
    if any(count > 1 for count in result.told.values()):
        return "repeated"
    if result.sweeps > (calm.sweeps if calm else 0):
        return "late"
    return "retried" if _tried_again(result) else "absorbed"


def _tried_again(result: Result) -> bool:
    """The stream's poller or the workflow asked again; the SDK's own retries don't count."""
    asked = Counter(
        (entry.execution, entry.order, entry.label)
        for entry in result.timeline
        if entry.execution and entry.lane in ("invocation", "request")
    )
    later = any(
        entry.lane == "stream" and re.fullmatch(r"attempt ([2-9]|\d\d+)", entry.outcome) for entry in result.timeline
    )
    return later or any(count > 1 for count in asked.values())


# ── The page ────────────────────────────────────────────────────────────────────────────────────────────────────────


def render(stories: Sequence[Story], summary: Summary, ran: str) -> str:
    """The page."""
    by_address: dict[str, Story] = {}
    for story in stories:  # a failure that was found takes the place of what is there
        by_address[story.address] = story
    shown = list(by_address.values())
    cells = {(story.fault.site, story.fault.kind): story for story in shown if story.fault}
    values = {
        "schedules": f"{summary.schedules:,}",
        "broken": f"{len(summary.failures):,} violation{'' if len(summary.failures) == 1 else 's'}",
        "ran": html.escape(ran),
        "sites": str(len({site for site, _ in cells})),
        "cells": str(len(cells)),
        "found": _found([story for story in shown if story.found is not None]),
        "legend": _legend(list(cells.values())),
        "kinds": "".join(f"<dt>{_words(kind)}</dt><dd>{html.escape(text)}</dd>" for kind, text in KINDS.items()),
        "calm": _calm([story for story in shown if not story.fault]),
        "matrix": _matrix(cells),
        "remains": _remains(cells),
        "data": _data(shown),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], FRAME.read_text(encoding="utf-8"))


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _link(story: Story, text: str = "") -> str:
    mark, means = OUTCOMES[story.outcome]
    title = html.escape(f"{story.fault or story.name}: {means}")
    inside = f"{mark}" + (f" <span>{html.escape(text)}</span>" if text else "")
    return f'<a class="{story.outcome}" href="#{story.address}" title="{title}" aria-label="{title}">{inside}</a>'


def _found(stories: Iterable[Story]) -> str:
    items = []
    for story in stories:
        seed = f". <code>make simulate SEED={story.found}</code> finds it again." if story.found else ""
        broken = story.result.violations[0]
        items.append(
            f"<li>{_link(story, str(story.result.schedule))} <b>{html.escape(_words(broken.invariant))}</b>: "
            f"{html.escape(textwrap.shorten(broken.what, 300))}{seed}</li>"
        )
    return f'<section class="found"><h2>Promises that broke</h2><ul>{"".join(items)}</ul></section>' if items else ""


def _legend(stories: Sequence[Story]) -> str:
    return "".join(
        f'<li><i class="{key}">{mark}</i><b>{sum(story.outcome == key for story in stories)}</b> {means}</li>'
        for key, (mark, means) in OUTCOMES.items()
    )


def _calm(stories: Iterable[Story]) -> str:
    lines = {"deliveries": "", "scenarios": ""}
    for story in stories:
        schedule = story.result.schedule
        if schedule.scenario == "happy":
            lines["deliveries"] += f"<li>{_link(story, schedule.delivery)}</li>"
        else:
            lines["scenarios"] += f"<li>{_link(story, schedule.scenario)}</li>"
    return (
        f"<h3>A plain order, delivered</h3><ul>{lines['deliveries']}</ul>"
        f"<h3>Everything twice, while this happens</h3><ul>{lines['scenarios']}</ul>"
    )


def _matrix(cells: dict[tuple[str, str], Story]) -> str:
    kinds = [kind for kind in KINDS if any(at == kind for _, at in cells)]
    heads = "".join(f'<th scope="col" title="{html.escape(KINDS[kind])}">{_words(kind)}</th>' for kind in kinds)
    survived = '<th scope="col" title="The longest time away that cost no sale and called nobody">outage survived</th>'
    rows = [f"<thead><tr><td></td>{heads}{survived}</tr></thead>"]
    step = ""
    for site in sorted({site for site, _ in cells}, key=_place):
        if site.split("/")[0] != step:
            step = site.split("/")[0]
            rows.append(f'</tbody><tbody><tr class="step"><th colspan="{len(kinds) + 2}">{html.escape(step)}</th></tr>')
        row = [cells.get((site, kind)) for kind in kinds]
        before = next(story.result.schedule.faults[:-1] for story in row if story)
        after = "; ".join(map(str, before))
        mark = f' <abbr title="{html.escape(f"reached after: {after}")}">↳</abbr>' if before else ""
        columns = "".join(f"<td>{_link(story)}</td>" if story else '<td class="none"></td>' for story in row)
        head = f'<th scope="row">{html.escape(site.split("/")[1])}{mark}</th>'
        rows.append(f'<tr>{head}{columns}<td class="survives">{survives(site, cells)}</td></tr>')
    return "\n".join(rows).replace("</tbody>", "", 1) + "</tbody>"


def survives(site: str, cells: Mapping[tuple[str, str], Story]) -> str:
    """For how long a site's requests may be refused so that no sale is lost and nobody is called, as far as tried."""
    stories = [(minutes_away(kind), cells[site, kind].outcome) for kind in AWAY if (site, kind) in cells]
    good = [minutes for minutes, outcome in stories if outcome not in COSTLY]
    return f"{max(good)} min{'+' if max(good) == max(stories)[0] else ''}" if good else ""


def costly(cells: Mapping[tuple[str, str], Story]) -> list[Story]:
    """What cost a sale or called a person."""
    return [story for story in cells.values() if story.outcome in COSTLY]


def _remains(cells: Mapping[tuple[str, str], Story]) -> str:
    """What costs a sale or calls a person, each with its reason."""
    counts = Counter(story.outcome for story in costly(cells) if within_patience(story))
    said = f"Of the faults that pass within {PATIENCE_MINUTES} minutes, {counts['cancelled']} cancel an order and "
    said += f"{counts['called']} call a person."
    longer = {_way(story): story for story in costly(cells) if not within_patience(story)}
    items = "".join(f"<li>{_link(story, way)}</li>" for way, story in sorted(longer.items()))
    because = "<p>Longer than the patience, so that orders are cancelled:</p>" if longer else ""
    return f'<section class="chips"><p>{said}</p>{because}<ul>{items}</ul></section>'


def _way(story: Story) -> str:
    """The fault that cost something: the cell's own, or the one that had to come first."""
    return str(max(story.result.schedule.faults, key=lambda fault: minutes_away(fault.kind)))


def within_patience(story: Story) -> bool:
    """Whether everything that was taken away is back before an order is declined for it."""
    return all(minutes_away(fault.kind) < PATIENCE_MINUTES for fault in story.result.schedule.faults)


def _place(site: str) -> tuple[int, str, int]:
    step, request = site.split("/")
    operation, number = request.split("#")
    return STEPS.index(step) if step in STEPS else len(STEPS), operation, int(number)


def _data(stories: Iterable[Story]) -> str:
    """The timelines as JSON. Each string is in it once, and `entries` refer to it by number."""
    numbers: dict[str, int] = {}

    def number(text: str) -> int:
        text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
        return numbers.setdefault(text, len(numbers))

    told: list[dict[str, Any]] = []
    for story in stories:
        result, faults = story.result, story.result.schedule.faults
        told.append(
            {
                "address": story.address,
                "title": _words(str(story.fault)) if story.fault else f"No fault: {story.name}",
                "means": [
                    f"{_words(fault.kind)} at {fault.site}: {KINDS[fault.kind]}"
                    if len(faults) > 1
                    else KINDS[fault.kind]
                    for fault in faults
                ],
                "faults": [[fault.site, fault.kind, fault.occurrence] for fault in faults],
                "outcome": story.outcome,
                "mark": OUTCOMES[story.outcome][0],
                "text": OUTCOMES[story.outcome][1],
                "schedule": str(result.schedule),
                "replay": result.schedule.to_json(),
                "orders": result.outcomes,
                "told": {
                    order: n for to, n in result.told.items() for order in result.outcomes if f"{order.lower()}@" in to
                },
                "violations": [f"{_words(v.invariant)}: {v.what}" for v in result.violations],
                "entries": [
                    [entry.at, *(number(text) for text in entry if isinstance(text, str))] for entry in result.timeline
                ],
            }
        )
    data = {"strings": list(numbers), "stories": told, "onceMore": ONCE_MORE, "swept": SWEPT}
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
