"""How an order's page looks: signs and tones of each status, and the colours of what is drawn.

A drawing's colours are the page's, in light and dark: mermaid's own are overruled by the classes that the states have.
"""

from __future__ import annotations

from dataclasses import dataclass

from console.history import Standing
from console.timeline import Kind
from orders import Status


@dataclass(frozen=True)
class Look:
    """An icon's name, and a class of the page's style. Neither stands without a word beside it."""

    icon: str
    tone: str


_STATUSES = {
    Status.PLACED: Look("hourglass_empty", "busy"),
    Status.CONFIRMED: Look("check_circle", "good"),
    Status.SHIPPING: Look("local_shipping", "moving"),
    Status.DELIVERED: Look("home", "good"),
    Status.ARCHIVED: Look("inventory_2", "good"),
    Status.RETURNED: Look("keyboard_return", "calm"),
    Status.CANCELLED: Look("cancel", "calm"),
    Status.REJECTED: Look("block", "bad"),
}
KINDS = {
    Kind.ORDER: Look("receipt_long", "good"),
    Kind.EVENT: Look("campaign", "moving"),
    Kind.EXECUTION: Look("account_tree", "accent"),
    Kind.FUNCTION: Look("bolt", "calm"),
    Kind.REQUEST: Look("http", "accent"),
    Kind.EMAIL: Look("mail", "moving"),
    Kind.TROUBLE: Look("warning", "bad"),
}
MEANINGS = {
    Standing.RUNNING: "at work now",
    Standing.WAITING: "waits for somebody, or for a time",
    Standing.RETRYING: "failed, and is tried again",
    Standing.DONE: "done",
    Standing.CAUGHT: "went another way",
    Standing.FAILED: "failed",
    Standing.STOPPED: "ended without an answer",
}


def look_of(status: str) -> Look:
    """That of a status, whatever it is."""
    return _STATUSES.get(Status(status), Look("help", "calm")) if status in set(Status) else Look("help", "calm")


STYLE = """
:root { --done: #d9f2e0; --done-edge: #146c2e; --now: #dbe7ff; --now-edge: #1d4ed8; --wait: #ece4ff;
  --wait-edge: #6d28d9; --again: #ffe9cc; --again-edge: #8a4b00; --other: #fff3d6; --other-edge: #8a4b00;
  --failed: #ffdfdc; --failed-edge: #b3261e; --idle: #ffffff; --idle-edge: #8b97a6 }
body.body--dark { --done: #12351f; --done-edge: #6fdc8c; --now: #172d5c; --now-edge: #8ab4ff; --wait: #2f2056;
  --wait-edge: #c9b3ff; --again: #43290a; --again-edge: #ffc56b; --other: #3b2f10; --other-edge: #ffc56b;
  --failed: #4a1a17; --failed-edge: #ff9a92; --idle: #18202a; --idle-edge: #6d7b8c }
.accent { color: var(--accent) }
.drawing { width: 100%; overflow-x: auto; display: grid }
.picture { grid-area: 1 / 1; width: 100%; min-width: 0 }
.hidden-picture { visibility: hidden; height: 0; overflow: hidden }
.drawing.whole svg { width: max(100%, 72rem) }
.drawing svg { display: block; margin: 0 auto; height: auto; width: max(100%, 32rem) }
.drawing svg .node :is(rect, polygon, path, circle), .drawing svg .cluster rect {
  fill: var(--idle) !important; stroke: var(--idle-edge) !important; stroke-width: 1px !important }
.drawing svg .cluster rect { fill: transparent !important; stroke-dasharray: 4 3 }
.drawing svg :is(.nodeLabel, .cluster-label, .cluster-label span, .edgeLabel, .edgeLabel p) {
  color: var(--ink) !important; fill: var(--ink) !important }
.drawing svg :is(.edgeLabel, .edgeLabel p, .labelBkg) { background: var(--surface) !important; opacity: 1 }
.drawing svg .flowchart-link { stroke: var(--idle-edge) !important }
.drawing svg .flowchart-link[style*="stroke-width"] { stroke: var(--done-edge) !important }
.drawing svg .marker { fill: var(--idle-edge) !important; stroke: var(--idle-edge) !important }
"""
for _standing, _colour in {
    Standing.DONE: "done",
    Standing.RUNNING: "now",
    Standing.WAITING: "wait",
    Standing.RETRYING: "again",
    Standing.CAUGHT: "other",
    Standing.FAILED: "failed",
    Standing.STOPPED: "failed",
}.items():
    STYLE += (
        f".drawing svg .{_standing} > :is(rect, polygon, path, circle, g) {{ fill: var(--{_colour}) !important; "
        f"stroke: var(--{_colour}-edge) !important; stroke-width: 2px !important }}\n"
    )
STYLE += """
.drawing svg .cluster:is(.done, .running, .waiting, .retrying, .caught, .failed, .stopped) > rect {
  fill: transparent !important }
.drawing svg .running > :is(rect, polygon, path) { animation: at-work 1.2s ease-in-out infinite }
@keyframes at-work { 50% { stroke-width: 5px } }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(11rem, 100%), 1fr)); gap: .5rem;
  margin: .75rem 0 0; padding: 0; list-style: none }
.fact { border-left: 3px solid var(--edge); padding: .1rem 0 .1rem .75rem; min-width: 0 }
.executions { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1rem }
.execution { border: 1px solid var(--edge); border-radius: 10px; padding: 1rem; min-width: 0 }
.executions.one-column { grid-template-columns: minmax(0, 1fr) }
.executions > .execution { display: grid; grid-row: span 6; grid-template-rows: subgrid; gap: 0; align-items: start }
.below { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 1rem;
  align-items: start }
.said { display: grid; grid-template-columns: auto 1fr; gap: .1rem .75rem; list-style: none; margin: 0; padding: 0 }
"""
STYLE += """
.q-timeline--dense .q-timeline__entry { min-height: 0 }
.happened .q-timeline { margin: .5rem 0 0; color: inherit }
.happened .q-timeline__content { padding-bottom: .75rem; color: inherit; gap: .1rem }
.happened .q-timeline__subtitle, .happened .q-timeline__title { display: none }
.attributes { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .15rem 1rem; margin: 0;
  font-size: .875rem }
.attributes dd { margin: 0; font-family: ui-monospace, monospace }
@media (max-width: 599px) { .attributes { grid-template-columns: 1fr } .attributes dd { margin-bottom: .35rem } }
.found > :is(rect, polygon, path) { stroke-dasharray: 5 3 }
.drawing svg .found > :is(rect, polygon, path) { fill: var(--surface) !important }
"""
