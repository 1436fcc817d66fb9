"""What a sender is answered: whether its news is taken, and whether it has to come again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from aws import clients
from tests.unit.builders import EMAIL
from tests.unit.faults import dies_after, dies_before, fails
from tests.unit.signing import CARRIER, KEYS, STRIPE, call, header, of_a_parcel, of_money, request
from tests.unit.sweeping import OPENED
from webhooks import app, signatures
from webhooks.inbox import Sender

THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": EMAIL}}, "UpdateItem")
UNREACHABLE = EndpointConnectionError(endpoint_url="https://somewhere")
NEWS = {CARRIER: of_a_parcel("delivered", "order-1/out/main"), STRIPE: of_money("refund.failed")}
BOTH = pytest.mark.parametrize("sender", [CARRIER, STRIPE])


def event(sender: str, body: bytes, *, encoded: bool = False) -> dict[str, Any]:
    return request(sender, body, header(body, KEYS[sender], OPENED), encoded=encoded)


# ── The raw body ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoded", [False, True], ids=["text", "base64"])
@BOTH
def test_the_signature_is_over_the_bytes_however_they_are_handed_over(sender, encoded, senders, inbox):
    body = json.dumps(NEWS[sender] | {"note": "Grüße, 包裹 \\u0041"}, ensure_ascii=False, indent=3).encode()
    assert call(event(sender, body, encoded=encoded)).status == 200
    assert len(inbox()) == 1


@pytest.mark.parametrize("body", ["%%%", "aGVsbG8", "é"])
def test_what_is_no_base64_is_malformed(body, senders):
    broken = event(CARRIER, b"{}", encoded=True) | {"body": body}
    assert call(broken).status == 400


@BOTH
def test_bytes_that_are_no_text_are_malformed(sender, senders, inbox):
    assert call(event(sender, b'{"id": "\xff"}', encoded=True)).status == 400
    assert inbox() == {}


def test_half_a_character_is_malformed(senders):
    assert call(event(CARRIER, b"{}") | {"body": '{"id": "\ud800"}'}).status == 400


@BOTH
def test_a_request_without_a_body_is_malformed(sender, senders):
    empty = event(sender, b"")
    del empty["body"]
    assert call(empty).status == 400


@pytest.mark.parametrize("encoded", [False, True], ids=["text", "base64"])
@BOTH
def test_an_absurdly_large_body_is_refused_before_anything_is_done_with_it(sender, encoded, senders, monkeypatch):
    def check(*_: object) -> None:
        raise AssertionError("it was looked at")

    within = event(sender, b" " * app.MAX_BODY_BYTES, encoded=encoded)
    beyond = event(sender, b" " * (app.MAX_BODY_BYTES + 3), encoded=encoded)
    assert call(within).status == 400  # signed, and no JSON
    monkeypatch.setattr(signatures, "check", check)

    assert call(beyond).status == 413


# ── What is in it ───────────────────────────────────────────────────────────────────────────────────────────────────


def without(content: dict[str, Any], *path: str) -> dict[str, Any]:
    first, *rest = path
    left = {name: value for name, value in content.items() if name != first}
    return {**left, first: without(content[first], *rest)} if rest else left


MALFORMED: dict[str, list[Any]] = {
    CARRIER: [
        [],
        "delivered",
        None,
        {},
        *(without(NEWS[CARRIER], name) for name in ("id", "kind", "reference", "occurred_at")),
        *(NEWS[CARRIER] | {name: value} for name in ("id", "kind", "reference", "occurred_at") for value in (1, None)),
        *(NEWS[CARRIER] | {name: "x" * 501} for name in ("id", "reference", "occurred_at")),
        *(NEWS[CARRIER] | {name: ""} for name in ("id", "reference", "occurred_at")),
        NEWS[CARRIER] | {"occurred_at": "yesterday"},
        NEWS[CARRIER] | {"occurred_at": "0001-01-01T00:00:00"},
    ],
    STRIPE: [
        [],
        None,
        {},
        *(without(NEWS[STRIPE], name) for name in ("id", "type", "created", "data")),
        without(NEWS[STRIPE], "data", "object"),
        without(NEWS[STRIPE], "data", "object", "id"),
        *(NEWS[STRIPE] | {"id": value} for value in (1, None, "", "x" * 501)),
        *(NEWS[STRIPE] | {"created": value} for value in ("now", None, 1.5, -1, 10**20)),
    ],
}


@pytest.mark.parametrize(
    ("sender", "content"), [(sender, content) for sender, contents in MALFORMED.items() for content in contents]
)
def test_what_is_not_of_the_form_that_was_agreed_on_is_malformed(sender, content, senders, inbox):
    answer = senders.tell(sender, content)
    assert answer.status == 400
    assert inbox() == {}


@pytest.mark.parametrize("text", ["", "{", "{'id': 1}", '{"id": NaN}', '{"id": "\\ud800"}', "[" * 100_000])
@BOTH
def test_what_is_no_json_is_malformed(sender, text, senders):
    assert call(event(sender, text.encode())).status == 400


@pytest.mark.parametrize(
    "content",
    [
        *(NEWS[CARRIER] | {"kind": kind} for kind in ("parcel.lost", "parcel.weighed", "")),
        {"kind": "invoice.sent"},
    ],
)
def test_the_carrier_may_tell_more_than_we_want_to_know(content, senders, inbox):
    answer = senders.tell(CARRIER, content)
    assert (answer.status, answer.body) == (200, {"status": "IGNORED"})
    assert inbox() == {}


@pytest.mark.parametrize("kind", ["charge.succeeded", "payment_intent.succeeded", "charge.dispute.updated"])
def test_so_may_stripe(kind, senders, inbox):
    answer = senders.stripe(kind)
    assert (answer.status, answer.body) == (200, {"status": "IGNORED"})
    assert inbox() == {}


@pytest.mark.parametrize("route", ["POST /webhooks/bank", "$default"])
def test_there_is_nobody_else_who_tells(route, senders):
    assert call(event(CARRIER, b"{}") | {"routeKey": route}).status == 404


# ── Whatever fails here comes again ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("error", [THROTTLED, UNREACHABLE])
@pytest.mark.parametrize("operation", ["put_item", "update_item"])
@BOTH
def test_news_that_could_not_be_taken_is_asked_for_again(sender, operation, error, *, senders, stack, log):
    shipped(stack)
    with fails(clients.dynamodb(), operation, error):
        answer = senders.tell(sender, NEWS[sender])

    assert answer.status == 500
    [line] = [line for line in log() if line["level"] == "ERROR"]
    assert (line["message"], line["sender"], line["error"]) == ("news not taken", sender, type(error).__name__)
    assert senders.tell(sender, NEWS[sender]).body == {"status": "APPLIED"}


@BOTH
def test_a_key_that_cannot_be_read_is_no_forgery(sender, senders):
    with fails(clients.secrets(), "get_secret_value", UNREACHABLE):
        assert senders.tell(sender, NEWS[sender]).status == 500


@BOTH
def test_a_bug_is_not_hidden(sender, senders, monkeypatch):
    def boom(news: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(app.APPLY, Sender(sender), boom)
    with pytest.raises(ZeroDivisionError):
        senders.tell(sender, NEWS[sender])


@pytest.mark.parametrize("dies", [dies_before, dies_after])
@pytest.mark.parametrize("operation", ["put_item", "update_item"])
@BOTH
def test_who_dies_over_it_leaves_it_to_the_repetition(sender, operation, dies, *, senders, stack, inbox):
    shipped(stack)
    with dies(clients.dynamodb(), operation):
        senders.tell(sender, NEWS[sender])

    assert senders.tell(sender, NEWS[sender]).body == {"status": "APPLIED"}
    [kept] = inbox().values()
    assert (kept["status"], "pending" in kept) == ("APPLIED", False)


def shipped(stack) -> None:
    """An order on its way, with a refund of what came back of another parcel."""
    parcels = {"main": {"status": "SHIPPED", "units": {"TEA": 1}}}
    stack.table("ShipmentsTable").put_item(Item={"order_id": "order-1", "prices": {"TEA": 450}, "parcels": parcels})
    refund = {"status": "REFUNDED", "amount": 450, "provider_reference": "re_1"}
    payment = {"status": "CAPTURED", "amount": 900, "refunded": 450, "provider_reference": "pi_1", "refund:r-1": refund}
    stack.table("PaymentsTable").put_item(Item={"order_id": "order-1", "currency": "EUR"} | payment)
