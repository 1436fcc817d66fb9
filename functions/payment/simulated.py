"""A payment provider that keeps its own durable ledger, with the semantics of Stripe's, for stacks without an account.

One item per payment intent: `id`, `order_id`, `amount`, `currency`, `status`, and `answers`, which maps each
idempotency key to the request's fingerprint and the status that was answered. Each call is one conditional write, so it
is as atomic as the provider that it stands for. Keys are never forgotten. A key that captured or canceled one intent is
not recognized at another.

Test payment methods are Stripe's (https://docs.stripe.com/testing#declined-payments): those with `chargeDeclined` in
their names decline, and so does `pm_card_authenticationRequired`, because nobody is there to authenticate; others
succeed. What Stripe charges no card, this provider refuses as well.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from typing import Any

from aws import clients
from orders import Charge, money
from orders.errors import Unrecoverable
from payment.gateway import GatewayRefused, Intent, IntentStatus, most_telling

ORDER_INDEX = "by-order"
KEY_REUSED = "the provider knows the idempotency key from another request"


class SimulatedGateway:
    """The `Gateway` protocol over a DynamoDB table of the provider's own."""

    def authorize(self, key: str, charge: Charge) -> Intent:
        if obstacle := money.obstacle(charge.amount, charge.currency):
            raise GatewayRefused(obstacle)
        declined = any(name in charge.payment_method for name in ("chargeDeclined", "authenticationRequired"))
        status: IntentStatus = "requires_payment_method" if declined else "requires_capture"
        request = _digest(json.dumps(asdict(charge), sort_keys=True))
        reference = f"pi_{_digest(key)[:24]}"
        try:
            clients.dynamodb().put_item(
                TableName=_table(),
                Item={
                    "id": {"S": reference},
                    "order_id": {"S": charge.order_id},
                    "amount": {"N": str(charge.amount)},
                    "currency": {"S": charge.currency},
                    "status": {"S": status},
                    "answers": {"M": {key: _answer(request, status)}},
                },
                ConditionExpression="attribute_not_exists(id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except clients.dynamodb().exceptions.ConditionalCheckFailedException as error:
            known = error.response["Item"]["answers"]["M"][key]  # type: ignore[typeddict-item]
            if known["M"]["request"]["S"] != request:
                raise Unrecoverable(KEY_REUSED) from None
            # As the provider does: what was answered then, also when the intent has moved on since.
            status = known["M"]["status"]["S"]
        return Intent(reference, status, charge.amount, charge.currency)

    def capture(self, key: str, reference: str) -> Intent:
        return self._finish(key, reference, "succeeded")

    def cancel(self, key: str, reference: str) -> Intent:
        return self._finish(key, reference, "canceled")

    def find(self, charge: Charge, asked_at: int) -> Intent | None:
        """Of all the order's intents: the index needs no time to look in."""
        answer = clients.dynamodb().query(
            TableName=_table(),
            IndexName=ORDER_INDEX,
            KeyConditionExpression="order_id = :order_id",
            ExpressionAttributeValues={":order_id": {"S": charge.order_id}},
        )
        found = [intent_from(item) for item in answer["Items"]]
        wanted = (charge.amount, charge.currency)
        return most_telling([intent for intent in found if (intent.amount, intent.currency) == wanted])

    def _finish(self, key: str, reference: str, status: IntentStatus) -> Intent:
        """Move a held intent to `status`, once; a repeated call finds it there."""
        answer = _answer(_digest(f"{status} {reference}"), status)
        try:
            item = clients.dynamodb().update_item(
                TableName=_table(),
                Key={"id": {"S": reference}},
                UpdateExpression="SET #status = :status, answers.#key = :answer",
                ConditionExpression="#status = :held AND attribute_not_exists(answers.#key)",
                ExpressionAttributeNames={"#status": "status", "#key": key},
                ExpressionAttributeValues={
                    ":status": {"S": status},
                    ":answer": answer,
                    ":held": {"S": "requires_capture"},
                },
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )["Attributes"]
        except clients.dynamodb().exceptions.ConditionalCheckFailedException as error:
            item = error.response.get("Item")  # type: ignore[assignment]
            if item is None:
                raise GatewayRefused("resource_missing") from None
            if item["answers"]["M"].get(key, answer) != answer:
                raise Unrecoverable(KEY_REUSED) from None
            if item["status"]["S"] != status:
                raise GatewayRefused("payment_intent_unexpected_state") from None
        return intent_from(item)


def _answer(request: str, status: str) -> dict[str, Any]:
    return {"M": {"request": {"S": request}, "status": {"S": status}}}


def _table() -> str:
    return os.environ["SIMULATED_GATEWAY_TABLE"]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def intent_from(item: dict[str, Any]) -> Intent:
    """The payment intent in an item of the provider's table."""
    return Intent(item["id"]["S"], item["status"]["S"], int(item["amount"]["N"]), item["currency"]["S"])
