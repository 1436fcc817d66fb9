"""The event bus between a handler and moto."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from aws import clients

UNREACHABLE = EndpointConnectionError(endpoint_url="https://events")
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "PutEvents")


class Bus:
    """It can refuse some events, once or for good.

    moto refuses a request of more than ten entries, as EventBridge does, and never a single entry.
    """

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.requests: list[int] = []
        self.refuses: Callable[[str], bool] = lambda event_id: False
        client: Any = clients.events()
        self._put = client.put_events
        client.put_events = self.put_events

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        answers = self._put(Entries=Entries)["Entries"]
        self.requests.append(len(Entries))
        for position, entry in enumerate(Entries):
            if self.refuses(json.loads(entry["Detail"])["event_id"]):
                answers[position] = {"ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded"}
            else:
                self.taken.append(entry)
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}

    @property
    def details(self) -> list[dict[str, Any]]:
        """The bodies of the events that it took."""
        return [json.loads(entry["Detail"]) for entry in self.taken]

    @property
    def event_ids(self) -> list[str]:
        return [detail["event_id"] for detail in self.details]
