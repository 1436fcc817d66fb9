"""Sending an email through SES."""

from __future__ import annotations

import os
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from aws import clients


@dataclass(frozen=True)
class Email:
    """An email, ready to send."""

    subject: str
    text: str
    html: str


class EmailNotSent(Exception):
    """SES did not take the email, or did not say so. The message is its error code."""


def send(email: Email, address: str) -> str:
    """Send an email from the shop's address; answers its message id. Raises EmailNotSent."""
    try:
        answer = clients.email().send_email(
            FromEmailAddress=os.environ["SENDER_EMAIL"],
            Destination={"ToAddresses": [address]},
            Content={
                "Simple": {
                    "Subject": {"Data": email.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": email.text, "Charset": "UTF-8"},
                        "Html": {"Data": email.html, "Charset": "UTF-8"},
                    },
                }
            },
        )
    except ClientError as error:
        # SES quotes addresses in its messages: only the code may go on.
        raise EmailNotSent(error.response["Error"]["Code"]) from None
    except BotoCoreError as error:
        raise EmailNotSent(type(error).__name__) from None
    return answer["MessageId"]
