"""The report shows what was run, all of it, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from simulation import report
from simulation.explore import Summary
from simulation.faults import Fault, faults_at
from simulation.mutants import MUTANTS
from simulation.schedule import Result, Schedule, Violation, run

RESERVED = Fault("reserve/dynamodb.TransactWriteItems#1", "crash_after")
SENT = Fault("notify/sesv2.SendEmail#1", "lost")


class Page(HTMLParser):
    """What a browser would find: elements with their attributes, and the text of the scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._in_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.append(data)

    @property
    def links(self) -> dict[str, str]:
        """The class of each link, by its address."""
        return {given["href"]: given.get("class", "") for tag, given in self.elements if tag == "a" and "href" in given}

    @property
    def stories(self) -> dict[str, dict[str, Any]]:
        """The timelines by their address."""
        return {story["address"]: story for story in json.loads(self.scripts[0])["stories"]}


@pytest.fixture(scope="module")
def calm() -> Result:
    return run(Schedule("happy", "twice"))


def summed(*results: Result) -> Summary:
    summary = Summary()
    for result in results:
        summary.add(result)
    return summary


def page(*results: Result, failures: list[tuple[Result, Result]] | None = None) -> str:
    stories = [*report.tell(results), *map(report.found, failures or [])]
    return report.render(stories, summed(*results), "Seeds 1 to 2")


def test_the_page_needs_nothing_from_elsewhere(calm: Result) -> None:
    text = page(calm, run(Schedule("happy", "twice", (RESERVED,))))
    loads = {"src", "srcset", "data", "action", "poster"}
    assert not [
        element for element in Page(text).elements if element[0] in ("link", "img", "iframe") or loads & set(element[1])
    ]
    assert not re.findall(r"https?:|//\w+\.\w+/|@import|url\(|fetch\(|XMLHttpRequest", text)


def test_every_link_of_the_page_leads_to_a_timeline(calm: Result) -> None:
    seen = Page(page(calm, run(Schedule("happy", "twice", (RESERVED,)))))
    assert {href.removeprefix("#") for href in seen.links} == set(seen.stories)
    assert all(story["entries"] for story in seen.stories.values())


def some_faults_at(site: str) -> tuple[str, ...]:
    """Two kinds are enough to see that none is forgotten."""
    return faults_at(site)[:2]


def test_every_fault_at_every_site_that_was_reached_has_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Schedule("out of stock in one line")
    summary = summed(run(elsewhere))
    ran: list[Schedule] = []

    def here(work: Any, total: Any = None, *, keep: Any, **_: Any) -> None:  # one process is enough for this few
        for schedule in work:
            ran.append(schedule)
            keep(run(schedule))

    monkeypatch.setattr(report, "run_all", here)
    monkeypatch.setattr(report, "DELIVERIES", {"twice": None})
    monkeypatch.setattr(report, "SCENARIOS", {"invalid": None})
    monkeypatch.setattr(report, "ASTRAY", {})
    monkeypatch.setattr(report, "faults_at", some_faults_at)
    stories = report.tell(report.run_for_page(summary))
    reached = {site for schedule in ran if not schedule.faults for site in run(schedule).reached} | set(summary.reached)
    expected = {Fault(site, kind) for site in reached for kind in some_faults_at(site)}
    assert {story.fault for story in stories if story.fault} == expected
    addresses = Page(report.render(stories, summary, "")).links
    assert len(addresses) == len(stories) == len(expected) + 2


def test_the_outcome_is_what_became_of_the_schedule(calm: Result) -> None:
    def became(*faults: Fault, scenario: str = "happy") -> str:
        return report.outcome(run(Schedule(scenario, "twice", faults)), calm)

    assert report.outcome(calm) == "absorbed"
    assert report.outcome(run(Schedule("invalid", "twice"))) == "absorbed"
    assert became(Fault(RESERVED.site, "lost_once")) == "absorbed"
    assert became(RESERVED) == "retried"
    assert became(Fault("confirm/states.UpdateItem#1", "lost")) == "retried"
    assert became(Fault("publish/events.PutEvents#1", "partial")) == "retried"
    assert became(Fault(RESERVED.site, "away 55")) == "late"
    assert became(Fault(RESERVED.site, "away 90")) == "cancelled"
    assert became(SENT) == "repeated"
    assert became(Fault("capture/gateway.capture#1", "away 90")) == "late"
    assert became(scenario="a price that is no number") == "late"  # a person is called there without any fault
    broken = Fault("validate/dynamodb.BatchGetItem#1", "away 90"), Fault("capture/dynamodb.GetItem#1", "away 90")
    assert became(*broken) == "called"


def test_the_page_says_what_costs_a_sale_and_that_nothing_does_which_passes_in_time(calm: Result) -> None:
    short, long = (run(Schedule("happy", "twice", (Fault(RESERVED.site, kind),))) for kind in ("away 55", "away 90"))
    text = page(calm, short, long)
    assert "Of the faults that pass within 60 minutes, 0 cancel an order and 0 call a person." in text
    assert "Longer than the patience" in text
    assert ">55 min<" in text


def test_a_fault_that_did_not_happen_has_no_cell(calm: Result) -> None:
    nowhere = run(Schedule("happy", "twice", (Fault("void/gateway.cancel#1", "lost"),)))
    assert set(Page(page(calm, nowhere)).links) == {"#happy-twice"}


def test_a_broken_promise_is_red_and_its_schedule_can_be_run_again(calm: Result) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.hint.faults)
    failure = run(dataclasses.replace(mutant.hint, seed=4711), mutant.mutation)
    small = run(mutant.hint, mutant.mutation)
    assert small.violations
    text = page(calm, failure, failures=[(failure, small)])
    address = report.found((failure, small)).address
    seen = Page(text)
    assert seen.links[f"#{address}"] == "violation"
    assert Schedule.from_json(seen.stories[address]["replay"]) == mutant.hint
    assert seen.stories[address]["violations"]
    assert "1 violation." in text
    assert "SEED=4711" in text


def test_a_promise_that_breaks_without_a_fault_is_shown_as_well(calm: Result) -> None:
    mutant = next(mutant for mutant in MUTANTS if not mutant.hint.faults)
    broken = run(mutant.hint, mutant.mutation)
    seen = Page(page(calm, failures=[(broken, broken)]))
    assert seen.links[f"#{report.found((broken, broken)).address}"] == "violation"


def test_whatever_is_shown_is_escaped(calm: Result) -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    entry = calm.timeline[0]._replace(label=evil, outcome=evil, order=evil)
    broken = dataclasses.replace(calm, timeline=[entry], violations=[Violation(evil, evil)], outcomes={evil: evil})
    seen = Page(page(broken, failures=[(broken, broken)]))
    assert not [tag for tag, _ in seen.elements if tag == "img"]
    assert seen.stories["happy-twice"]["orders"] == {evil: evil}
