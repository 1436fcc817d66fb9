"""A payment provider that keeps its own durable ledger, with the semantics of Stripe's, for stacks without an account.

One item per payment intent: `id`, `order_id`, `amount`, `currency`, `status`, and `answers`, which maps each
idempotency key to the request's fingerprint and the status that was answered. What is given back of it adds up in
`amount_refunded`, and each refund is an attribute under its own id. Each call is one conditional write, so it is as
atomic as the provider that it stands for. Keys are never forgotten. A key of a call about one intent is not recognized
at another.

Test payment methods are Stripe's (https://docs.stripe.com/testing#declined-payments): those with `chargeDeclined` in
their names decline, and so does `pm_card_authenticationRequired`, because nobody is there to authenticate; others
succeed. What Stripe charges no card, this provider refuses as well.

Whoever plays the customer's bank writes to the ledger as well: an intent that is `disputed` is refunded no more, and a
refund whose `status` is `failed` has gone out of `amount_refunded`.
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
from payment.gateway import (
    GatewayRefused,
    Intent,
    IntentStatus,
    MadeRefund,
    RefundRequest,
    most_telling,
    the_refund,
)

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

    def refund(self, key: str, wanted: RefundRequest) -> str:
        """The amount is read before the write: it never changes."""
        room = int(_read(wanted.reference)["amount"]["N"]) - wanted.amount
        reference = f"re_{_digest(f'{wanted.reference} {key}')[:24]}"
        answer = _answer(_digest(json.dumps(asdict(wanted), sort_keys=True)), "succeeded")
        made = {"return_id": {"S": wanted.return_id}, "amount": {"N": str(wanted.amount)}, "status": {"S": "succeeded"}}
        try:
            clients.dynamodb().update_item(
                TableName=_table(),
                Key={"id": {"S": wanted.reference}},
                UpdateExpression=(
                    "SET #refund = :refund, answers.#key = :answer,"
                    " amount_refunded = if_not_exists(amount_refunded, :none) + :amount"
                ),
                ConditionExpression=(
                    "#status = :taken AND attribute_not_exists(answers.#key) AND amount >= :amount"
                    " AND (attribute_not_exists(amount_refunded) OR amount_refunded <= :room)"
                    " AND (attribute_not_exists(disputed) OR disputed = :no)"
                ),
                ExpressionAttributeNames={"#status": "status", "#key": key, "#refund": reference},
                ExpressionAttributeValues={
                    ":refund": {"M": made},
                    ":answer": answer,
                    ":amount": made["amount"],
                    ":none": {"N": "0"},
                    ":room": {"N": str(room)},
                    ":taken": {"S": "succeeded"},
                    ":no": {"BOOL": False},
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except clients.dynamodb().exceptions.ConditionalCheckFailedException as error:
            item: dict[str, Any] = error.response["Item"]  # type: ignore[typeddict-item]
            known = item["answers"]["M"].get(key)
            if known is None:
                raise GatewayRefused(_why_not_refunded(item)) from None
            if known != answer:
                raise Unrecoverable(KEY_REUSED) from None
        return reference

    def find_refund(self, wanted: RefundRequest) -> str | None:
        made = [
            MadeRefund(
                name,
                written["M"]["return_id"]["S"],
                int(written["M"]["amount"]["N"]),
                written["M"]["status"]["S"] == "failed",
            )
            for name, written in _read(wanted.reference).items()
            if name.startswith("re_")
        ]
        return the_refund(made, wanted)

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


def _read(reference: str) -> dict[str, Any]:
    answer = clients.dynamodb().get_item(TableName=_table(), Key={"id": {"S": reference}}, ConsistentRead=True)
    if "Item" not in answer:
        raise GatewayRefused("resource_missing")
    return answer["Item"]


def _why_not_refunded(item: dict[str, Any]) -> str:
    """By Stripe's codes, where it has one. https://docs.stripe.com/error-codes"""
    if item["status"]["S"] != "succeeded":
        return "payment_intent_unexpected_state"
    if item.get("disputed", {"BOOL": False})["BOOL"]:
        return "charge_disputed"
    refunded = int(item.get("amount_refunded", {"N": "0"})["N"])
    return "charge_already_refunded" if refunded == int(item["amount"]["N"]) else "amount_too_large"


def _answer(request: str, status: str) -> dict[str, Any]:
    return {"M": {"request": {"S": request}, "status": {"S": status}}}


def _table() -> str:
    return os.environ["SIMULATED_GATEWAY_TABLE"]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def intent_from(item: dict[str, Any]) -> Intent:
    """The payment intent in an item of the provider's table."""
    return Intent(
        item["id"]["S"],
        item["status"]["S"],
        int(item["amount"]["N"]),
        item["currency"]["S"],
        int(item.get("amount_refunded", {"N": "0"})["N"]),
    )
