"""Those who send webhooks: the carrier, who gets parcels to carry, and the payment provider."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orders import PaymentStatus
from orders.shipping import read_reference
from simulation import ministack
from simulation.front_door import Answer, FrontDoor

if TYPE_CHECKING:
    from simulation.services import Services

# How each sender says who it is: the header's name, and the output that names its secret.
SIGNATURES = {
    "carrier": ("carrier-signature", "CarrierSecretArn"),
    "stripe": ("stripe-signature", "StripeWebhookSecretArn"),
}


class Senders(FrontDoor):
    """The part of the world that tells of parcels and payments. `World` empties it for each schedule."""

    services: Services

    def stored(self) -> dict[str, list[dict[str, Any]]]:
        """The items of every table by its logical name, as DynamoDB writes them."""
        tables = ministack.TABLES.get()
        return {
            name: [item for by_sort in tables[table]["items"].values() for item in by_sort.values()]
            for name, table in self.stack.tables.items()
        }

    def forget_senders(self) -> None:
        """Nobody has carried or told anything yet."""
        self.carry: Callable[[str], None] | None = None  # called with the reference of each parcel that is booked
        self.news: list[tuple[str, dict[str, Any], Answer]] = []  # what was told, and what was answered at last
        self.unpaid: list[str] = []  # parcels that were booked before their order's money was taken
        self._booked: set[str] = set()

    def company_did(self, operation: str, arguments: tuple[Any, ...]) -> None:
        """A company outside has done what it was asked for."""
        if operation != "book" or arguments[1].reference in self._booked:
            return
        reference = arguments[1].reference
        self._booked.add(reference)
        order_id = read_reference(reference)[0]
        paid = [item["status"]["S"] for item in self.stored()["PaymentsTable"] if item["order_id"]["S"] == order_id]
        if paid != [PaymentStatus.CAPTURED]:
            self.unpaid.append(reference)
        if self.carry:
            self.carry(reference)

    def tell(self, sender: str, body: dict[str, Any]) -> None:
        """Send a webhook until it is taken, as its senders do."""
        answer = self.insist_upon(sender, lambda: self.signed(sender, body))
        self.news.append((sender, body, answer))

    def insist_upon(self, sender: str, make: Callable[[], tuple[str, dict[str, str]]]) -> Answer:
        """The same for a body and headers of any kind, made anew for each attempt: what is old is refused."""
        wait = 5.0
        while True:
            body, headers = make()
            answer = self.ask("POST", f"/webhooks/{sender}", body, headers)
            if answer.status < 500:
                return answer
            self.loop.sleep(wait)
            wait = min(2 * wait, 3600.0)

    def signed(self, sender: str, body: dict[str, Any]) -> tuple[str, dict[str, str]]:
        """A body as it is sent, and the header that says who sends it, and when."""
        header, output = SIGNATURES[sender]
        secret = self._secret(output)
        text, now = json.dumps(body), int(self.loop.now)
        digest = hmac.new(secret.encode(), f"{now}.{text}".encode(), hashlib.sha256).hexdigest()
        return text, {header: f"t={now},v1={digest}"}

    def _secret(self, output: str) -> str:
        client = self.services.client("secretsmanager")
        return str(client.get_secret_value(SecretId=self.stack.outputs[output])["SecretString"])
