"""A carrier that keeps its own durable ledger, for stacks without an account at a real one.

One item per booking: `id`, which is the tracking number, `reference`, `units`, and the idempotency `key` with the
`request` that came with it, as a digest: no address is kept. A booking is one conditional write, so it is as atomic as
the carrier that it stands for. Keys are never forgotten, and a reference is booked once, under whatever key.

It moves nothing. Its news are the carrier's webhooks, which whoever plays the carrier sends.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from typing import Any

from aws import clients
from orders.errors import Unrecoverable
from orders.shipping import counted
from ship.carrier import Booking, CarrierRefused


class SimulatedCarrier:
    """The `Carrier` protocol over a DynamoDB table of the carrier's own."""

    def book(self, key: str, booking: Booking) -> str:
        if not booking.units:
            raise CarrierRefused("nothing_to_carry")
        tracking = _tracking(booking.reference)
        request = _digest(json.dumps(asdict(booking), sort_keys=True))
        try:
            clients.dynamodb().put_item(
                TableName=_table(),
                Item={
                    "id": {"S": tracking},
                    "reference": {"S": booking.reference},
                    "units": counted(booking.units),
                    "key": {"S": key},
                    "request": {"S": request},
                },
                ConditionExpression="attribute_not_exists(id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except clients.dynamodb().exceptions.ConditionalCheckFailedException as error:
            known: Any = error.response["Item"]  # type: ignore[typeddict-item]
            if known["key"]["S"] != key:
                raise CarrierRefused("reference_in_use") from None
            if known["request"]["S"] != request:
                raise Unrecoverable("the carrier knows the idempotency key from another request") from None
        return tracking

    def find(self, reference: str) -> str | None:
        answer = clients.dynamodb().get_item(
            TableName=_table(), Key={"id": {"S": _tracking(reference)}}, ConsistentRead=True
        )
        return answer["Item"]["id"]["S"] if "Item" in answer else None


def _tracking(reference: str) -> str:
    return f"SIM-{_digest(reference)[:16]}"


def _table() -> str:
    return os.environ["SIMULATED_CARRIER_TABLE"]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
