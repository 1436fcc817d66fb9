"""A list of rows that is changed row by row: the browser gets what differs, and draws no other row anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nicegui import events, ui

from console import layout

_NUMBERS = ("available", "held", "received", "price", "amount", "refunded", "sweeps")
# From any cell of an order's row: whoever has no mouse is not to look for the one that leads there.
_OPEN = (
    "e => { const id = e.data.order_id; "
    f"if (e.event.key === 'Enter' && id) location.href = '{layout.order_url('')}' + encodeURIComponent(id) }}"
)


class Grid:
    """Rows of plain values, each with an `id` of its own. Column definitions hold no code and no cell is HTML."""

    def __init__(self, label: str, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> None:
        self._rows = {str(row["id"]): dict(row) for row in rows}
        definitions = [
            {
                "headerName": heading,
                "field": field,
                "minWidth": 110,
                "flex": 2 if field in ("order_id", "name", "body", "units", "reference", "intent") else 1,
                "type": "rightAligned" if field in _NUMBERS else None,
                "cellClass": "text-primary underline cursor-pointer" if field == "order_id" else None,
                "tooltipField": field,
            }
            for field, heading in columns.items()
        ]
        self._grid = (
            ui.aggrid(
                layout.GRID
                | {
                    "columnDefs": [{k: v for k, v in one.items() if v is not None} for one in definitions],
                    # Values are texts as they are: what looks like a number in one row is none in another.
                    "defaultColDef": {"sortable": True, "filter": True, "resizable": True, "cellDataType": False},
                    "rowData": list(self._rows.values()),
                    ":getRowId": "(row) => 'id ' + row.data.id",
                    ":onCellKeyDown": _OPEN,
                    "suppressFieldDotNotation": True,
                    "enableCellTextSelection": True,
                    "ensureDomOrder": True,
                    "domLayout": "normal",
                }
            )
            .classes("w-full h-96")
            .props(f'aria-label="{label}"')
        )
        self._grid.on("cellClicked", self._open, ["colId", "data"])

    def show(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Bring it up to these rows."""
        new = {str(row["id"]): dict(row) for row in rows}
        change = {
            "add": [row for key, row in new.items() if key not in self._rows],
            "update": [row for key, row in new.items() if key in self._rows and row != self._rows[key]],
            "remove": [{"id": key} for key in self._rows if key not in new],
        }
        self._rows = new
        if any(change.values()):
            self._grid.run_grid_method("applyTransactionAsync", change | {"addIndex": 0})

    def _open(self, event: events.GenericEventArguments) -> None:
        if event.args.get("colId") == "order_id" and (order_id := event.args.get("data", {}).get("order_id")):
            ui.navigate.to(layout.order_url(order_id))
