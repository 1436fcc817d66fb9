"""An order whose event was delivered twice, as it was read of a stack: what its page shows."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from console import machine
from console.dossier import Dossier, Line
from console.executions import Execution, Workflow
from console.facts import facts, headline
from console.following import View
from console.telling import told
from console.timeline import tell
from console.watch import Mail, SeenEvent
from tests.console.executed import ORDER, at, execution, stepped
from tests.console.test_machine import DEFINITIONS

MACHINES = {name: machine.read(definition) for name, definition in DEFINITIONS.items() if name != "books"}
ARN = "arn:aws:states:us-east-1:123456789012:execution:order:one"
STEPS = [
    ("Validate", {"amount": 3750}),
    ("Confirm", {"decision": {"M": {"execution": {"S": ARN}}}}),
    ("Notify", {"notified": True}),
]


def dossier(**items: list[dict[str, Any]]) -> Dossier:
    """What the tables say of a confirmed order, and what was logged of it."""
    lines = [{"sku": "MUG-BLUE", "quantity": Decimal(3)}]
    state = {"decision": {"outcome": "CONFIRMED", "reason": "ACCEPTED"}, "status": "CONFIRMED"}
    money = {"amount": Decimal(3750), "currency": "EUR", "status": "succeeded"}
    tables: dict[str, list[dict[str, Any]]] = {
        "OrdersTableName": [
            {
                "order_id": ORDER,
                "lines": lines,
                "total": Decimal(3750),
                "currency": "EUR",
                "placed_at": at(0).isoformat(),
            }
        ],
        "OrderStatesTableName": [state | {"history": {"CONFIRMED": at(2).isoformat()}}],
        "InventoryTableName": [{"pk": f"ORDER#{ORDER}", "status": "RESERVED", "lines": lines}],
        "SimulatedGatewayTableName": [money],
        "ApprovalsTableName": [],
    }
    said = [Line(at(seconds).timestamp(), "inventory", {"message": "reserved"}) for seconds in (1.5, 61.5)]
    return Dossier(ORDER, tables | items, (), tuple(said))


def executions() -> list[Execution]:
    return [execution("one", stepped(1, STEPS)), execution("two", stepped(61, STEPS))]


def mails(count: int = 1) -> list[Mail]:
    one = json.loads(json.dumps({"to": "ada@example.com", "subject": f"Your order {ORDER} is confirmed", "text": ""}))
    return [Mail(number=number, html="", sent_at=str(at(3).timestamp()), **one) for number in range(count)]


def events() -> list[SeenEvent]:
    """As they were seen: a little later than they set off what they did."""
    return [
        SeenEvent(at(s).timestamp(), "OrderPlaced", ORDER, f"{ORDER}:placed", at(0).isoformat()) for s in (1.4, 61.4)
    ]


def view(given: Dossier | None = None, emails: list[Mail] | None = None, swept: int = 0, **changes: Any) -> View:
    """All of it together, as following.py puts it."""
    read, ran, got = given or dossier(), executions(), mails() if emails is None else emails
    accounts, counted = told(ran, MACHINES), facts(read, ran, got)
    return View(
        **{
            "order_id": ORDER,
            "status": str(read.one("OrderStatesTableName").get("status", "PLACED")),
            "dossier": read,
            "workflows": tuple(Workflow(name, name, one) for name, one in MACHINES.items()),
            "executions": tuple(ran),
            "accounts": accounts,
            "entries": tuple(tell(read, ran, accounts, events(), got)),
            "mails": tuple(got),
            "facts": tuple(counted),
            "headline": tuple(headline(ran, accounts, counted, swept)),
            **changes,
        }
    )
