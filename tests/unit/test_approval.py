"""Which orders a person has to approve, what exactly is approved, and what a link is made of."""

import json
import subprocess
import sys
from decimal import Decimal

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from aws.item import plain_item
from orders import Outcome, Reason, approval
from orders.approval import REASONS, ApprovalStatus
from tests.unit.builders import CUSTOMER_ID, EMAIL, a_line, an_order, as_image
from tests.unit.stack import ROOT

ORDER = an_order(lines=[a_line(), a_line(sku="POT", quantity=1, unit_price=2900)])


@pytest.mark.parametrize(
    ("total", "limit", "needed"),
    [
        (901, 900, True),
        (900, 900, False),
        (Decimal(901), 900, True),
        (Decimal("900.5"), 900, True),
        (901, 0, False),
        ("901", 900, False),
        (None, 900, False),
        ([901], 900, False),
        (-901, 900, False),
    ],
    ids=str,
)
def test_an_order_needs_a_person_when_its_total_is_over_a_limit(total, limit, needed):
    assert approval.is_needed(total, limit) is needed


def test_each_way_of_not_being_approved_has_a_reason():
    assert REASONS == {
        ApprovalStatus.DENIED: Reason.NOT_APPROVED,
        ApprovalStatus.EXPIRED: Reason.APPROVAL_EXPIRED,
    }
    assert set(ApprovalStatus) - REASONS.keys() == {ApprovalStatus.PENDING, ApprovalStatus.APPROVED}
    assert not {*REASONS.values()} & {*Outcome}


# ── What is approved ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "changes",
    [
        {"lines": ORDER["lines"][:1]},
        {"lines": [*reversed(ORDER["lines"])]},
        {"lines": [ORDER["lines"][0] | {"quantity": 3}, ORDER["lines"][1]]},
        {"lines": [ORDER["lines"][0] | {"unit_price": 1}, ORDER["lines"][1]]},
        {"lines": [ORDER["lines"][0] | {"note": "gift"}, ORDER["lines"][1]]},
        {"total": 1},
        {"currency": "USD"},
        {"payment_method": "pm_card_of_another"},
    ],
    ids=["a line less", "another order of lines", "quantity", "price", "a note", "total", "currency", "card"],
)
def test_an_order_that_would_be_charged_or_shipped_otherwise_is_another(changes):
    assert approval.digest(ORDER | changes) != approval.digest(ORDER)


@pytest.mark.parametrize("name", ["lines", "total", "currency", "payment_method"])
def test_an_order_that_lacks_a_part_is_another(name):
    assert approval.digest({key: value for key, value in ORDER.items() if key != name}) != approval.digest(ORDER)


def test_what_nobody_was_asked_about_may_change():
    changed = ORDER | {"customer": {"customer_id": "c"}, "placed_at": "2026-02-02T09:00:00Z", "note": "in a hurry"}

    assert approval.digest(changed) == approval.digest(ORDER)


def test_what_is_approved_says_nothing_of_the_order():
    digest = approval.digest(ORDER)

    assert len(digest) == 64
    assert not [secret for secret in (CUSTOMER_ID, EMAIL) if secret in digest]


def test_an_order_comes_to_the_same_digest_each_time_that_it_is_read():
    image = as_image(ORDER | {"lines": [{"b": 1, "a": {"d": 2, "c": Decimal("1.50")}}]})
    otherwise = dict(reversed([*image.items()]))

    assert approval.digest(plain_item(image)) == approval.digest(plain_item(otherwise))


def test_an_order_comes_to_the_same_digest_in_every_sandbox():
    """Python hashes strings differently in each process, and goes through a set accordingly."""
    program = (
        "from orders import approval; "
        "print(approval.digest({'lines': {'TEA', 'POT', 'MUG', 'CUP'}, 'total': {b'1', b'2', b'3'}}))"
    )

    def in_a_sandbox(seed: str) -> str:
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "functions")}
        return subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert len({in_a_sandbox(seed) for seed in ("1", "2", "3")}) == 1


NUMBERS = st.integers(-(10**37), 10**37)
VALUES = st.recursive(
    st.none() | st.booleans() | st.text() | st.binary() | NUMBERS | st.sets(st.text(), min_size=1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(VALUES)
def test_whatever_an_order_is_it_comes_to_a_digest(value):
    order = plain_item({"lines": TypeSerializer().serialize(value), "total": TypeSerializer().serialize(value)})

    assert len(approval.digest(order)) == 64


# ── Links ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.text(min_size=1, max_size=500), st.text("abcXYZ019-_", min_size=1))
def test_a_link_says_which_order_it_is_about_and_its_secret(order_id, secret):
    assert approval.order_of(approval.token_of(order_id, secret)) == (order_id, secret)


@given(st.text(min_size=1, max_size=500), st.text("abcXYZ019-_", min_size=1))
def test_a_link_is_a_part_of_a_path_as_it_is(order_id, secret):
    assert not set(approval.token_of(order_id, secret)) - set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    )


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        ".secret",
        "a.secret",
        "ö.secret",
        "/w.secret",
        "_w.secret",
        "b3JkZXIt MQ.secret",
        f"{approval.token_of('x' * 2_049, 'secret')}",
        f"{approval.token_of('é' * 1_025, 'secret')}",
    ],
    ids=[
        "nothing",
        "a dot",
        "no order",
        "no base64",
        "not ASCII",
        "another alphabet",
        "no text",
        "a blank",
        "too long",
        "too many bytes",
    ],
)
def test_what_is_no_token_is_refused(token):
    with pytest.raises(ValueError, match="not a token"):
        approval.order_of(token)


def test_an_order_with_the_longest_key_that_there_can_be_has_links():
    assert approval.order_of(approval.token_of("é" * 1_024, "secret")) == ("é" * 1_024, "secret")


def test_a_link_is_written_down_so_that_nobody_can_follow_it():
    assert "secret" not in json.dumps(approval.link_hash("secret"))
    assert approval.link_hash("secret") == approval.link_hash("secret") != approval.link_hash("secreT")
