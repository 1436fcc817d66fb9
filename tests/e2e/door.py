"""A front door on the embedded stack: its API as clients see it, and the emails that its approver gets."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from botocore.credentials import Credentials

from local import api
from local.api import OWNER, Reply
from local.environment import fetch
from local.stack import APPROVER, RunningStack


@dataclass(frozen=True)
class Door:
    """The API of a deployed front door."""

    stack: RunningStack

    def ask(
        self,
        method: str,
        path: str,
        body: str | None = None,
        *,
        signed_by: Credentials | None = OWNER,
        **headers: str,
    ) -> Reply:
        """One request; headers are named with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return api.ask(method, self.stack.outputs["ApiUrl"] + path, body, named, signed_by=signed_by)

    def place(self, key: str, sku: str = "TEA-100", quantity: int = 2, **how: Any) -> Reply:
        """Order so many of a SKU under an idempotency key."""
        order = {
            "customer": {"customer_id": "customer-1", "email": "ada@example.com"},
            "currency": "EUR",
            "lines": [{"sku": sku, "quantity": quantity}],
            "payment_method": "pm_card_visa",
        }
        body = json.dumps(order | how.pop("changes", {}))
        return self.ask("POST", "/orders", body, Content_Type="application/json", Idempotency_Key=key, **how)

    def click(self, link: str, choice: str | None = None) -> Reply:
        """Open an approver's link, or answer there."""
        path = link.removeprefix(self.stack.outputs["ApiUrl"])
        if choice is None:
            return self.ask("GET", path, signed_by=None)
        form = "application/x-www-form-urlencoded"
        return self.ask("POST", path, f"decision={choice}", signed_by=None, Content_Type=form)

    def links(self, order_id: str) -> list[str]:
        """The links in the emails that the approver got about an order."""
        with fetch(f"{self.stack.endpoint_url}/_ministack/ses/messages", timeout=10) as answer:
            messages = [one for each in json.load(answer)["messages"].values() for one in each]
        asked = [one["BodyText"] for one in messages if one["To"] == [APPROVER] and order_id in one["Subject"]]
        return [found[0] for text in asked if (found := re.search(r"http\S+/approvals/\S+", text))]
