import traceback
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from aws import clients, mail
from aws.mail import Email, EmailNotSent
from tests.unit.builders import EMAIL
from tests.unit.faults import fails
from tests.unit.stack import MotoStack

SENDER = "orders@shop.example"
MESSAGE = Email("A subject – of more than ASCII", "The text", "<p>The HTML</p>")


@pytest.fixture
def parameters() -> dict[str, str]:
    return {"SenderEmail": SENDER}


@pytest.fixture(autouse=True)
def _environment(stack: MotoStack) -> None:
    stack.run_as("NotifyFunction")


def test_an_email_goes_from_the_shops_address_to_one_other(outbox):
    message_id = mail.send(MESSAGE, EMAIL)

    assert message_id
    assert outbox == [
        {
            "FromEmailAddress": SENDER,
            "Destination": {"ToAddresses": [EMAIL]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": MESSAGE.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": MESSAGE.text, "Charset": "UTF-8"},
                        "Html": {"Data": MESSAGE.html, "Charset": "UTF-8"},
                    },
                }
            },
        }
    ]


REJECTED = ClientError({"Error": {"Code": "MessageRejected", "Message": EMAIL}}, "SendEmail")
REFUSED = {
    "refused": (REJECTED, "MessageRejected"),
    "no answer": (ReadTimeoutError(endpoint_url=f"https://email/{EMAIL}"), "ReadTimeoutError"),
}


@pytest.mark.parametrize(("error", "says"), REFUSED.values(), ids=REFUSED)
def test_of_what_ses_says_only_its_code_goes_on(error, says):
    with pytest.raises(EmailNotSent) as raised, fails(clients.email(), "send_email", error):
        mail.send(MESSAGE, EMAIL)

    assert str(raised.value) == says
    assert EMAIL not in "".join(traceback.format_exception(raised.value))


def test_an_email_is_tried_once_because_each_attempt_is_one(monkeypatch):
    attempts: list[Any] = []

    def throttled(**_: Any) -> None:
        attempts.append(True)
        raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": ""}}, "SendEmail")

    monkeypatch.setattr(clients.email(), "send_email", throttled)
    with pytest.raises(EmailNotSent):
        mail.send(MESSAGE, EMAIL)

    assert len(attempts) == 1
