"""An order's workflows as its page shows them: each execution drawn, lit as it happens, with what it did in words."""

from __future__ import annotations

import time

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.events import GenericEventArguments

from console.drawing import FOUND_DONE, Lit, draw
from console.executions import Execution, Workflow, by_subject
from console.following import View, at_work
from console.history import SIGNS, Progress, Standing, progress
from console.layout import heading
from console.machine import Machine
from console.order_look import MEANINGS
from console.picture import Picture
from console.telling import Account, Role
from console.timeline import times

SIDE_BY_SIDE = 2
LINGERS_SECONDS = 5.0  # in which a reader sees how it ended, before the next workflow is shown unasked
PASSING_BY = ("Tab", "Shift")  # keys that lead past a tab

Subject = tuple[str, str]  # a workflow's name, and which of the order's returns it is about


class Workflows:
    """The part of the page. `show` changes what has changed, and leaves the rest as it is."""

    def __init__(self) -> None:
        self._groups: dict[Subject, Group] = {}
        self._view: View | None = None
        self._led_to = ""  # the tab that was last shown unasked
        self._lingers = self._chosen = False
        with ui.element("section").classes("panel p-4 w-full").props('aria-labelledby="workflows"') as self._section:
            with ui.row().classes("items-center w-full gap-x-4"):
                heading("Its way through the workflows").props("id=workflows")
                ui.space()
                self._everything = ui.switch("Every error’s way", on_change=self._again)
            self._tabs = ui.tabs().props("no-caps align=left outside-arrows mobile-arrows").classes("w-full")
            self._panels = ui.tab_panels(self._tabs, animated=False, keep_alive=False).classes("w-full bg-transparent")
            _legend()

    def show(self, view: View) -> None:
        """Show these executions of these workflows."""
        self._view = view
        subjects = by_subject(view.executions)
        for workflow in view.workflows:
            mine = [subject for subject in subjects if subject[0] == workflow.name] or [(workflow.name, "")]
            for subject in mine:
                group = self._group(workflow, subject)
                group.show(subjects.get(subject, []), view.accounts, everything=self._everything.value)
        self._lead(subjects)

    def _group(self, workflow: Workflow, subject: Subject) -> Group:
        """That of a subject: made once, and until there is one that of the workflow alone."""
        if subject not in self._groups:
            idle = self._groups.get((workflow.name, ""))
            if idle and not idle.together:
                self._groups[subject] = self._groups.pop((workflow.name, ""))
            else:
                self._groups[subject] = group = Group(workflow, self._tabs, self._panels, str(len(self._groups)))
                group.tab.on("click", self._choose)  # a click on the one that is shown changes no value
                group.tab.on("keydown", self._choose_by_key, ["key"])
            number = sum(name == workflow.name for name, _ in self._groups)
            self._groups[subject].name = workflow.name if number == 1 else f"{workflow.name} {number}"
        return self._groups[subject]

    def _lead(self, subjects: dict[Subject, list[Execution]]) -> None:
        """Show what ran twice, or else what began last. It is left alone once the reader has chosen a tab, and what is
        shown is left only when it has come to its end a moment ago, or waits.
        """
        ran_twice = [subject for subject, together in subjects.items() if len(together) > 1]
        subject = next(iter([*ran_twice, *reversed(subjects), *self._groups]), None)
        if self._chosen or subject is None or self._groups[subject].key == self._led_to:
            return
        shown = next((group for group in self._groups.values() if group.key == self._led_to), None)
        if shown and shown.at_work:
            return
        if shown and (left := shown.ended_at + LINGERS_SECONDS - time.monotonic()) > 0:
            self._linger(left)
            return
        self._led_to = self._groups[subject].key
        self._tabs.set_value(self._led_to)

    def _linger(self, seconds: float) -> None:
        """Lead on a moment later."""

        def over() -> None:
            self._lingers = False
            self._again()

        if not self._lingers:
            self._lingers = True
            with self._section:
                ui.timer(seconds, over, once=True)

    def _choose(self) -> None:
        self._chosen = True

    def _choose_by_key(self, event: GenericEventArguments) -> None:
        self._chosen = self._chosen or event.args.get("key") not in PASSING_BY

    def _again(self) -> None:
        if self._view:
            self.show(self._view)


class Group:
    """The executions of one workflow for one subject, in a tab: the first, and beside it the latest or a chosen one."""

    def __init__(self, workflow: Workflow, tabs: ui.tabs, panels: ui.tab_panels, key: str) -> None:
        self.key = key
        self.name = workflow.name
        self.together: list[Execution] = []
        self.at_work = False
        self.ended_at = (
            -LINGERS_SECONDS
        )  # when the last one that was seen at work had ended, as `time.monotonic` counts
        self._workflow = workflow
        self._shown: tuple[dict[str, Account], bool] = ({}, False)
        with tabs:
            self.tab = ui.tab(key, label=workflow.name)
        with panels, ui.tab_panel(key).classes("p-0 pt-3"):
            ui.label(workflow.machine.comment).classes("soft wraps mb-3")
            if not workflow.listed:
                ui.label("Its executions are Express: AWS lists none of them.").classes("soft")
            with ui.element("div").classes("w-full") as self._idle:
                ui.label("The order has not come here.").classes("mb-2")
                self._plain = Picture(workflow.name)
            with ui.element("div").classes("executions w-full") as self._cards:
                self._first = Drawn(workflow)
                self._other = Drawn(workflow)
                with self._other.head:
                    self._which = ui.select([], label="Beside the first", on_change=self._again).classes("w-full mb-2")

    def show(self, together: list[Execution], accounts: dict[str, Account], *, everything: bool) -> None:
        """Show these executions, oldest first."""
        newest = self._which.value == (self.together[-1].arn if self.together else None)
        was_at_work, self.at_work = self.at_work, any(at_work(one, self._workflow.machine) for one in together)
        if (was_at_work and not self.at_work) or (together and not self.together):
            self.ended_at = time.monotonic()
        self.together, self._shown = together, (accounts, everything)
        self.tab.props["label"] = f"{self.name} ({len(together)})" if together else self.name
        self._idle.set_visibility(not together)
        if not together:
            self._plain.show(draw(self._workflow.machine, self._workflow.name, everything=everything), whole=everything)
        options = {one.arn: f"Execution {number}" for number, one in enumerate(together, 1) if number > 1}
        if list(self._which.options) != list(options):
            self._which.set_options(options, value=together[-1].arn if newest else self._which.value)
        self._which.set_visibility(len(together) > SIDE_BY_SIDE)
        self._draw()

    def _again(self) -> None:
        if self.together:
            self._draw()

    def _draw(self) -> None:
        accounts, everything = self._shown
        self._cards.classes(add="one-column" if everything else "", remove="" if everything else "one-column")
        chosen = [one for one in self.together[1:] if one.arn == self._which.value] or self.together[1:][-1:]
        for drawn, executions in ((self._first, self.together[:1]), (self._other, chosen)):
            drawn.card.set_visibility(bool(executions))
            for one in executions:
                drawn.show(one, accounts[one.arn], everything=everything)


class Drawn:
    """One execution: what it did, its drawing, and its steps."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self._said: list[tuple[str, str]] = []
        with ui.element("article").classes("execution") as self.card:
            self.head = ui.element("div")
            self._title = heading("", 3)
            self._status = ui.label().classes("soft text-sm")
            self._sentence = ui.label().classes("wraps my-2").props("aria-live=polite")
            self._picture = Picture(workflow.name)
            with ui.expansion("Step by step").classes("w-full").props("dense"):
                self._steps = ui.element("ol").classes("said")

    def show(self, execution: Execution, account: Account, *, everything: bool) -> None:
        """Show how far it is by now."""
        machine = self._workflow.machine
        standing = progress(machine, execution.history)
        idle = ": changed nothing" if account.changed_nothing else ""
        self._title.set_text(f"Execution {account.number} of {account.of}{idle}")
        self._status.set_text(_when(execution))
        self._sentence.set_text(account.sentence)
        title = f"Execution {account.number} of the {self._workflow.name} workflow"
        found = _found(account, machine)
        lit = Lit(standing, execution.history.taken, found)
        self._picture.show(draw(machine, title, lit, everything=everything), whole=everything)
        roles = account.roles
        said = [(f"{SIGNS[one.standing]} {name}", _step(one, roles.get(name))) for name, one in standing.items()]
        if said != self._said:
            self._said = said
            self._steps.clear()
            with self._steps:
                for name, what in said:
                    with ui.element("li").classes("contents"):
                        TextElement(tag="span", text=name)
                        TextElement(tag="span", text=what).classes("soft wraps")


def _found(account: Account, machine: Machine) -> frozenset[str]:
    """The steps that an execution found done, with what is in them where that has no account of its own."""
    found = {name for name, role in account.roles.items() if role != Role.FIRST}
    inside = {inner for name in found for branch in machine.states[name].branches for inner in branch}
    return frozenset(found | inside)


def _step(one: Progress, role: Role | None) -> str:
    told = {Role.FOUND: FOUND_DONE, Role.SECOND: "came second: it got the same answer"}
    said = [told[role] if role in told else MEANINGS[one.standing]]
    if one.times > 1:
        said.append(f"entered {times(one.times)}")
    if one.retries:
        said.append(f"retried {times(one.retries)}")
    if one.errors:
        said.append("errors: " + ", ".join(dict.fromkeys(one.errors)))
    return "; ".join(said)


def _when(execution: Execution) -> str:
    began = execution.started.astimezone().strftime("%H:%M:%S")
    by = f", started by the event {execution.event_id}" if execution.event_id else ""
    if execution.stopped is None:
        return f"Began at {began}{by}; still runs"
    lasted = (execution.stopped - execution.started).total_seconds()
    how = "" if execution.status == "SUCCEEDED" else f", {execution.status}"
    return f"Began at {began}{by}; took {lasted:.1f} s{how}"


def _legend() -> None:
    with ui.element("ul").classes("flex flex-wrap gap-x-5 gap-y-1 list-none p-0 mt-3 mb-0 soft text-sm"):
        for standing in Standing:
            TextElement(tag="li", text=f"{SIGNS[standing]} {MEANINGS[standing]}")
        TextElement(tag="li", text=f"“{FOUND_DONE}”: another execution had done it, and this one got the same answer")
