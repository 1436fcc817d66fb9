"""The embedded stack's mailbox: every email that SES took."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from console.place import Place
from local.environment import fetch

CALM = 20  # times as long as reading it took: so long it is not read again


@dataclass(frozen=True)
class Mail:
    """An email, `number` in the mailbox, oldest first from 0. `sent_at` is when, in seconds since 1970."""

    number: int
    to: str
    subject: str
    text: str
    html: str
    sent_at: str


class Mailbox:
    """It is read whole, so only when there is something new, and the less often the more is in it."""

    def __init__(self, place: Place) -> None:
        self._ses, self._endpoint_url = place.client("ses"), place.endpoint_url
        self._count = 0.0
        self._not_before = 0.0

    def fetch(self) -> list[Mail] | None:
        """All emails; None when there is nothing new, or it was read just now."""
        if time.monotonic() < self._not_before:
            return None
        count = float(self._ses.get_send_quota()["SentLast24Hours"])
        if count == self._count:
            return None
        began = time.monotonic()
        mails = self._read()
        self._count = count
        self._not_before = time.monotonic() + CALM * (time.monotonic() - began)
        return mails

    def _read(self) -> list[Mail]:
        with fetch(f"{self._endpoint_url}/_ministack/ses/messages", timeout=10) as answer:
            by_account = json.load(answer)["messages"]
        messages = [message for each in by_account.values() for message in each]
        return [
            Mail(
                number,
                ", ".join(one["To"]),
                one["Subject"],
                one["BodyText"] or "",
                one["BodyHtml"] or "",
                str(one["Timestamp"]),
            )
            for number, one in enumerate(messages)
        ]
