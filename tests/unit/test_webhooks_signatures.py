"""Nothing is believed that its sender did not say, or said too long ago."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stripe

from aws import clients
from tests.unit import sandbox
from tests.unit.signing import (
    CARRIER,
    HEADERS,
    KEYS,
    STRIPE,
    call,
    header,
    of_a_parcel,
    of_money,
    request,
    signature,
)
from tests.unit.stack import aws
from tests.unit.sweeping import MINUTE, OPENED

BOTH = pytest.mark.parametrize("sender", [CARRIER, STRIPE])
CONTENT = {CARRIER: of_a_parcel("delivered", "order-1/out/main"), STRIPE: of_money("charge.dispute.created")}
BODY = {sender: json.dumps(content).encode() for sender, content in CONTENT.items()}


def signed(sender: str, at: float = OPENED) -> str:
    return header(BODY[sender], KEYS[sender], at)


def send(sender: str, body: bytes, text: str | None, **how: Any) -> int:
    return call(request(sender, body, text, **how)).status


@BOTH
def test_what_its_sender_signed_is_kept(sender, senders, inbox):
    assert send(sender, BODY[sender], signed(sender)) == 200
    assert list(inbox()) == [f"{sender}:{CONTENT[sender]['id']}"]


def forgeries(sender: str) -> dict[str, str | None]:
    body, right = BODY[sender], signature(BODY[sender], KEYS[sender], OPENED)
    other = KEYS[STRIPE if sender == CARRIER else CARRIER]
    return {
        "none": None,
        "empty": "",
        "no header of this kind": "Bearer token",
        "signed by the other sender": header(body, other, OPENED),
        "signed without a key": header(body, "", OPENED),
        "of another body": header(body + b" ", KEYS[sender], OPENED),
        "of another time": f"t={OPENED + 1},v1={right}",
        "no time": f"v1={right}",
        "no number for a time": f"t=now,v1={right}",
        "two times": f"t={OPENED - 600},t={OPENED},v1={right}",
        "no signature": f"t={OPENED}",
        "an empty one": f"t={OPENED},v1=",
        "of another scheme": f"t={OPENED},v0={right}",
        "cut off": f"t={OPENED},v1={right[:-1]}",
        "one digit more": f"t={OPENED},v1={right}0",
        "not ASCII": f"t={OPENED},v1=é{right[1:]}",
        "in other digits": f"t={OPENED},v1={right}".replace("1", "١"),
        "a time without end": f"t={'9' * 5000},v1={right}",
    }


@pytest.mark.parametrize("which", forgeries(CARRIER))
@BOTH
def test_a_forged_one_is_refused_and_leaves_no_trace(sender, which, senders, inbox, log):
    assert send(sender, BODY[sender], forgeries(sender)[which]) == 400

    assert inbox() == {}
    [line] = log()
    assert (line["level"], line["message"], line["sender"]) == ("INFO", "news refused", sender)


@BOTH
def test_a_body_that_was_written_anew_is_another_one(sender, senders, inbox):
    assert send(sender, json.dumps(CONTENT[sender], indent=1).encode(), signed(sender)) == 400
    assert inbox() == {}


@BOTH
def test_each_sender_has_a_route_and_a_key_of_its_own(sender, senders, inbox):
    other = STRIPE if sender == CARRIER else CARRIER
    event = request(other, BODY[sender], header(BODY[sender], KEYS[sender], OPENED))
    assert call(event).status == 400
    assert inbox() == {}


@pytest.mark.parametrize(("age", "status"), [(0, 200), (299, 200), (300, 200), (301, 400), (24 * 60 * MINUTE, 400)])
@BOTH
def test_it_is_good_for_five_minutes(sender, age, status, senders, clock):
    clock.now = OPENED + age
    assert send(sender, BODY[sender], signed(sender)) == status


@pytest.mark.parametrize(("ahead", "status"), [(300, 200), (301, 400)])
def test_the_carriers_clock_may_be_five_minutes_ahead(ahead, status, senders):
    assert send(CARRIER, BODY[CARRIER], signed(CARRIER, OPENED + ahead)) == status


@BOTH
def test_one_of_two_signatures_is_enough_while_a_key_is_changed(sender, senders):
    wrong, right = signature(BODY[sender], "old", OPENED), signature(BODY[sender], KEYS[sender], OPENED)
    assert send(sender, BODY[sender], f"t={OPENED},v1={wrong},v1={right}") == 200
    assert send(sender, BODY[sender], f"t={OPENED},v1={wrong},v1={wrong}") == 400


def test_stripes_own_library_signs_as_these_tests_do():
    body = BODY[STRIPE]
    stripes: Any = stripe.WebhookSignature.generate_signature_header(body.decode(), KEYS[STRIPE], OPENED)
    assert stripes == signed(STRIPE)


def test_the_header_may_be_written_in_any_case(senders):
    event = request(CARRIER, BODY[CARRIER], None)
    event["headers"] |= {"Carrier-Signature": signed(CARRIER)}
    assert call(event).status == 200


@BOTH
def test_the_key_is_read_once_per_sandbox(sender, senders, monkeypatch):
    asked: list[str] = []
    clients.secrets().meta.events.register("before-call", lambda model, **_: asked.append(model.name))

    for _ in range(3):
        send(sender, BODY[sender], signed(sender))
    assert asked == ["GetSecretValue"]


@BOTH
def test_a_changed_key_reaches_the_next_sandbox(sender, senders, monkeypatch):
    send(sender, BODY[sender], signed(sender))
    name = {CARRIER: "CarrierSecret", STRIPE: "StripeWebhookSecret"}[sender]
    aws("secretsmanager").put_secret_value(SecretId=name, SecretString="new")
    now = header(BODY[sender], "new", OPENED)
    assert send(sender, BODY[sender], now) == 400

    sandbox.forget()

    assert send(sender, BODY[sender], now) == 200
    assert send(sender, BODY[sender], signed(sender)) == 400


@BOTH
def test_no_key_and_no_signature_is_ever_logged_nor_told(sender, senders, log):
    right, wrong = signed(sender), header(BODY[sender], "wrong", OPENED)
    answers = [call(request(sender, BODY[sender], text)) for text in (right, wrong)]

    seen = f"{answers} {log()}"
    assert [secret for secret in (KEYS[sender], right, wrong, right[-20:], wrong[-20:]) if secret in seen] == []


def test_the_names_of_the_headers_are_those_that_senders_use():
    assert HEADERS == {CARRIER: "carrier-signature", STRIPE: "stripe-signature"}
