"""A workflow's drawing, with what an execution has come to (history.py) laid over it, as mermaid's flowchart text.

A label holds what the definition says, and numbers, and nothing of an order; it is escaped all the same. Colours are
not in the text: each state that was entered has its standing as a class, and order_page.py's style says what that is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from console.history import SIGNS, Progress, Standing
from console.machine import STEPS, Kind, Machine, State, Way

FOUND = "found"  # the class of a step that an execution found done
FOUND_DONE = "found it done"
TAKEN = "3px"  # how thick a way is that was taken: by this the page's style knows it
START, END = "start_", "end_"  # nodes that are no states; no state's node ends with `_`


@dataclass(frozen=True)
class Lit:
    """What an execution has come to: how each state stands, the ways that it took, and the steps that it found done."""

    progress: Mapping[str, Progress] = field(default_factory=dict)
    taken: Sequence[tuple[str, str]] = ()
    found: Collection[str] = ()


def draw(
    machine: Machine,
    title: str,
    lit: Lit | None = None,
    *,
    everything: bool = False,
) -> str:
    """The flowchart's text, lit by what an execution has come to. With `everything`, each error's way is drawn, also
    those that most states have.
    """
    lit = lit or Lit()
    progress, found, walked = lit.progress, lit.found, set(lit.taken)
    ways = [way for way in _chosen(machine, walked, everything=everything) if way.source != way.target]
    shown = _reached(machine, ways) | set(progress)
    drawn = list(_merged(way for way in ways if way.source in shown and way.target in shown))
    lines = [
        "flowchart TB",
        f"accTitle: {_one_line(title)}",
        f"accDescr: {_one_line(_spoken(machine, progress))}",
        f"{START}(( ))",
    ]
    top = [state for state in machine.states.values() if state.parent is None and state.name in shown]
    for state in top:
        lines += _node(machine, state, progress, shown, found)
    edges = [(START, machine.states[machine.start].node, "-->", "", bool(progress))]
    edges += [_edge(machine, way, walked) for way in drawn]
    ends = [state for state in top if state.ends and state.kind not in ("Succeed", "Fail")]
    if ends:
        lines.append(f"{END}(( ))")
        edges += [(state.node, END, "-->", "", _is_over(progress.get(state.name))) for state in ends]
    for number, (source, target, arrow, label, is_taken) in enumerate(edges):
        between = f"|{_escaped(label)}|" if label else ""
        lines.append(f"{source} {arrow}{between} {target}")
        if is_taken:
            lines.append(f"linkStyle {number} stroke-width:{TAKEN}")
    for name, one in progress.items():
        lines.append(f"class {machine.states[name].node} {one.standing}")
        if name in found:
            lines.append(f"class {machine.states[name].node} {FOUND}")
    return "\n".join(lines)


def _chosen(machine: Machine, walked: set[tuple[str, str]], *, everything: bool) -> list[Way]:
    """The ways that are drawn. Of those that an error takes, the ones that were taken, and those to another course of
    business: the others lead out of the workflow, and most states have the same.
    """
    return [
        way
        for way in machine.ways
        if everything
        or way.kind != Kind.CATCH
        or (way.source, way.target) in walked
        or machine.steps_from(way.target) >= STEPS
    ]


def _merged(ways: Iterable[Way]) -> Iterator[Way]:
    """The ways, those of one kind between the same two states as one."""
    found: dict[tuple[str, str, Kind], list[str]] = {}
    for way in ways:
        found.setdefault((way.source, way.target, way.kind), []).append(way.label)
    for (source, target, kind), labels in found.items():
        yield Way(source, target, kind, ", ".join(filter(None, labels)))


def _reached(machine: Machine, ways: Iterable[Way]) -> set[str]:
    """The states that these ways lead to, those within others as well."""
    after: defaultdict[str, set[str]] = defaultdict(set)
    for way in ways:
        after[way.source].add(way.target)
    found: set[str] = set()
    ahead = [machine.start]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += [*after[name], *(branch[0] for branch in machine.states[name].branches)]
    return found


def _node(
    machine: Machine, state: State, progress: Mapping[str, Progress], shown: set[str], found: Collection[str]
) -> Iterator[str]:
    label = _label(state, progress.get(state.name), found=state.name in found)
    if state.branches:
        yield f'subgraph {state.node}["{label}"]'
        yield "direction TB"  # branches side by side, as they run
        for name in chain.from_iterable(state.branches):
            if name in shown:
                yield from _node(machine, machine.states[name], progress, shown, found)
        yield "end"
        return
    opening, closing = {"Choice": ("{", "}"), "Succeed": ("([", "])"), "Fail": ("([", "])"), "Wait": ("(", ")")}.get(
        state.kind, ("[", "]")
    )
    yield f'{state.node}{opening}"{label}"{closing}'


def _label(state: State, progress: Progress | None, *, found: bool) -> str:
    sign = f"{SIGNS[progress.standing]} " if progress else ""
    lines = [f"{sign}{state.name}" + (f" ×{progress.times}" if progress and progress.times > 1 else "")]
    if state.calls:
        lines.append(state.calls)
    if found and not state.branches:  # a box has room for one line
        lines.append(FOUND_DONE)
    if progress and progress.retries:
        lines.append(f"retried {progress.retries} ×")
    return "<br>".join(map(_escaped, lines))


def _edge(machine: Machine, way: Way, walked: set[tuple[str, str]]) -> tuple[str, str, str, str, bool]:
    arrow = "-.->" if way.kind == Kind.CATCH else "-->"
    is_taken = (way.source, way.target) in walked
    return machine.states[way.source].node, machine.states[way.target].node, arrow, way.label, is_taken


def _is_over(progress: Progress | None) -> bool:
    return bool(progress and progress.standing == Standing.DONE)


def _spoken(machine: Machine, progress: Mapping[str, Progress]) -> str:
    """What the drawing shows, for whoever hears it."""
    order = [name for name in machine.states if name in progress]
    said = (f"{name} {progress[name].standing}" for name in order)
    return "; ".join(said) or machine.comment or "no state was entered yet"


def _escaped(text: str) -> str:
    """A text as mermaid takes it in a label: what could be its syntax, or HTML's, is spelled as an entity."""
    return re.sub(r"[^\w .,:×✓✗↻▶…■↷-]", lambda char: f"#{ord(char[0])};", text)


def _one_line(text: str) -> str:
    """A text as mermaid takes it in a title: without what could be its syntax."""
    return " ".join(re.sub(r"[^\w .,:()'-]", " ", text).split()) or "-"
