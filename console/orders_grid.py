"""The list of orders as a grid: which columns it has, and how a row is shown. Cells are texts, whatever is in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from nicegui import ui

from console import layout
from console.model import Row, local_time
from orders import Reason, Status

# A sign and a word for each status: nobody has to tell colours apart. The second is a class of layout.STYLE.
SIGNS: dict[str, tuple[str, str]] = {
    Status.PLACED: ("◷", "busy"),
    Status.CONFIRMED: ("✓", "good"),
    Status.CANCELLED: ("✕", "bad"),
    Status.REJECTED: ("⊘", "bad"),
    Status.SHIPPING: ("➔", "moving"),
    Status.DELIVERED: ("⌂", "moving"),
    Status.ARCHIVED: ("▣", "calm"),
    Status.RETURNED: ("↩", "calm"),
}
_UNKNOWN = ("?", "calm")
NARROW = 700  # pixels of a window in which only the first columns have room

_LINK = (
    "p => { const a = document.createElement('a'); a.textContent = p.value.trim() ? p.value : '(blank)'; "
    "a.href = p.data.url; a.tabIndex = -1; return a }"
)
_OPEN = "e => { if (e.event.key === 'Enter') location.href = e.data.url }"
_NARROW = f"window.innerWidth < {NARROW}"

STYLE = """
.orders { height: max(22rem, calc(100vh - 13rem)); width: 100% }
@media (max-width: 599px) { .orders { --ag-cell-horizontal-padding: 9px } }
.orders a { color: var(--accent); text-decoration: underline; text-underline-offset: 2px }
.orders .good, .orders .bad, .orders .busy, .orders .moving { font-weight: 550 }
"""


def grid(rows: Mapping[str, Row]) -> ui.aggrid:
    """The grid with these rows in it, newest first; `change` brings it up to date."""
    found = ui.aggrid(
        layout.GRID
        | {
            "columnDefs": _columns(),
            "defaultColDef": {
                "sortable": True,
                "resizable": True,
                "suppressHeaderMenuButton": True,
                "suppressHeaderFilterButton": True,
            },
            "rowData": [cells(row) for row in rows.values()],
            ":getRowId": "p => 'id ' + p.data.order_id",
            ":onCellKeyDown": _OPEN,
            "ensureDomOrder": True,
            "suppressColumnVirtualisation": True,
            "enableCellTextSelection": True,
            "deltaSort": True,
            "animateRows": False,  # many move at once in a burst
            "rowHeight": 40,
            "overlayNoRowsTemplate": "No orders here yet: place one above.",
        }
    )
    return found.classes("size-full")


def change(shown: ui.aggrid, known: set[str], rows: Mapping[str, Row], changed: Collection[str]) -> None:
    """Add, update and remove the rows of these orders, and no others. `known` are those that it has, kept up here."""
    there = [order_id for order_id in changed if order_id in rows]
    gone = [order_id for order_id in changed if order_id in known and order_id not in rows]
    transaction = {
        "add": [cells(rows[order_id]) for order_id in there if order_id not in known],
        "update": [cells(rows[order_id]) for order_id in there if order_id in known],
        "remove": [{"order_id": order_id} for order_id in gone],
    }
    known.update(there)
    known.difference_update(gone)
    if any(transaction.values()):
        shown.run_grid_method("applyTransaction", transaction)


def filter_by(shown: ui.aggrid, status: str, text: str) -> None:
    """Show only orders of this status, or all for an empty one, in which these words are found."""
    model = {"status": {"filterType": "text", "type": "equals", "filter": status}} if status else None
    shown.run_grid_method("setFilterModel", model)
    shown.run_grid_method("setGridOption", "quickFilterText", text)


def cells(row: Row) -> dict[str, str]:
    """A row as the grid gets it: what is sorted by, and what is shown."""
    return row.as_dict() | {
        # Sorted by: what is no time comes last.
        "placed_at": f"{max(0.0, placed.timestamp()):017.3f}" if (placed := local_time(row.placed_at)) else "",
        "url": layout.order_url(row.order_id),
        "status_text": status_text(row.status),
        "reason": reason_text(row.reason),
        "placed_text": clock(row.placed_at),
        "changed_text": clock(row.changed_at),
    }


def status_text(status: str) -> str:
    """A status for people."""
    return f"{SIGNS.get(status, _UNKNOWN)[0]} {status.capitalize()}"


def reason_text(reason: str) -> str:
    """A reason for people; none where all is as it should be."""
    return "" if reason == Reason.ACCEPTED else reason.replace("_", " ").capitalize()


def clock(moment: str) -> str:
    """A time on this machine's clock, with its day unless that is today; what is none is shown as it is."""
    local = local_time(moment)
    if local is None:
        return moment
    return f"{local:%H:%M:%S}" if local.date() == datetime.now().astimezone().date() else f"{local:%d %b %Y, %H:%M}"


def _columns() -> list[dict[str, Any]]:
    by_status = {colour: f"data.status == '{status}'" for status, (_, colour) in SIGNS.items()}
    for colour in set(by_status):
        of_it = [f"data.status == '{status}'" for status, (_, other) in SIGNS.items() if other == colour]
        by_status[colour] = " || ".join(of_it)
    return [
        {"field": "order_id", "headerName": "Order", ":cellRenderer": _LINK, "flex": 2, "minWidth": 110},
        {
            "field": "status",
            "headerName": "Status",
            ":valueFormatter": "p => p.data.status_text",
            "cellClassRules": by_status,
            "filter": "agTextColumnFilter",
            "enableCellChangeFlash": True,
            "flex": 1,
            "minWidth": 125,
        },
        {"field": "reason", "headerName": "Why", ":hide": _NARROW, "flex": 1.4, "minWidth": 130},
        {"field": "total_text", "headerName": "Total", "flex": 1, "minWidth": 108, "type": "rightAligned"},
        {"field": "lines_text", "headerName": "What", ":hide": _NARROW, "flex": 2.2, "minWidth": 160},
        {
            "field": "placed_at",
            "headerName": "Placed",
            ":valueFormatter": "p => p.data.placed_text",
            ":hide": _NARROW,
            "sort": "desc",
            "flex": 0.9,
            "minWidth": 105,
        },
        {
            "field": "changed_at",
            "headerName": "Changed",
            ":valueFormatter": "p => p.data.changed_text",
            ":hide": _NARROW,
            "flex": 0.9,
            "minWidth": 105,
        },
    ]
