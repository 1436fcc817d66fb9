"""The approver's link, form and page, whatever comes as one and whatever the order holds."""

from __future__ import annotations

import base64
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approve import pages
from orders import approval
from tests.unit.approving import PARAMETERS, click, look, request, title
from tests.unit.builders import LINK_SECRET, TASK_TOKEN, a_line, an_order


@pytest.fixture
def parameters() -> dict[str, str]:
    return PARAMETERS


# ── Links that are none ─────────────────────────────────────────────────────────────────────────────────────────────

ORDER_1 = approval.token_of("order-1", "")  # with the dot

FORGED = {
    "nothing": "",
    "a dot": ".",
    "no secret": ORDER_1,
    "no dot": ORDER_1.removesuffix("."),
    "another secret": f"{ORDER_1}{LINK_SECRET}-2",
    "the secret's hash": f"{ORDER_1}{approval.link_hash(f'{LINK_SECRET}-1')}",
    "cut off": f"{ORDER_1}{LINK_SECRET}",
    "longer": f"{ORDER_1}{LINK_SECRET}-1-",
    "in capitals": f"{ORDER_1}{LINK_SECRET}-1".upper(),
    "no order": f".{LINK_SECRET}-1",
    "no such order": approval.token_of("order-9", f"{LINK_SECRET}-1"),
    "no base64": f"order-1!.{LINK_SECRET}-1",
    "no text": f"_w.{LINK_SECRET}-1",
    "not ASCII": f"ö.{LINK_SECRET}-1",
    "a key that there can't be": approval.token_of("x" * 3_000, f"{LINK_SECRET}-1"),
    "a path": f"../{ORDER_1}{LINK_SECRET}-1",
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("follow", [look, click])
def test_a_forged_link_or_one_that_was_cut_off_leads_nowhere(follow, token, link, standing, tasks):
    response = follow(token)

    assert (response["statusCode"], title(response)) == (404, "This link leads nowhere")
    assert (standing(), tasks.woken) == (("PENDING", None), [])


def test_another_orders_secret_opens_nothing(link, asks, standing, tasks):
    _, secret = approval.order_of(asks(an_order(order_id="order-2")))

    assert click(approval.token_of("order-1", secret))["statusCode"] == 404

    assert (standing(), tasks.woken) == (("PENDING", None), [])


def test_a_link_that_leads_nowhere_says_nothing_of_whether_there_is_such_an_order(link):
    there, not_there = (look(approval.token_of(order_id, "x")) for order_id in ("order-1", "order-9"))

    assert there == not_there


@given(token=st.text(max_size=60))
def test_whatever_comes_as_a_token_is_read_or_refused(token):
    try:
        order_id, _ = approval.order_of(token)
    except ValueError:
        return
    assert 0 < len(order_id.encode()) <= 2_048


# ── Forms ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


@pytest.mark.parametrize(
    ("body", "in_base64"),
    [
        ("decision=approve", False),
        (encoded("decision=approve"), True),
        ("other=1&decision=approve", False),
        ("decision=%61pprove", False),
    ],
)
def test_a_form_is_understood_as_browsers_send_it_and_api_gateway_passes_it_on(body, in_base64, link, standing):
    assert request("POST", link, body, encoded=in_base64)["statusCode"] == 200

    assert standing()[0] == "APPROVED"


BAD_FORMS: dict[str, tuple[str | None, bool]] = {
    "none": (None, False),
    "empty": ("", False),
    "no decision": ("approve", False),
    "an empty decision": ("decision=", False),
    "another decision": ("decision=maybe", False),
    "a status": ("decision=APPROVED", False),
    "JSON": ('{"decision": "approve"}', False),
    "too many fields": ("&".join("decision=approve" for _ in range(100)), False),
    "no base64": ("decision=approve!", True),
    "no text": (encoded(b"\xff=approve"), True),
    "half of it": (encoded("decision=approve")[:-1], True),
}


@pytest.mark.parametrize(("body", "in_base64"), BAD_FORMS.values(), ids=BAD_FORMS)
def test_a_form_that_makes_no_sense_decides_nothing(body, in_base64, link, standing, tasks):
    response = request("POST", link, body, encoded=in_base64)

    assert (response["statusCode"], title(response)) == (400, "Please approve or deny")
    assert (standing(), tasks.woken) == (("PENDING", None), [])


def test_a_bad_form_to_a_forged_link_is_told_of_the_link(link):
    assert request("POST", FORGED["another secret"], "decision=maybe")["statusCode"] == 404


# ── The page ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_page_is_stored_nowhere_framed_nowhere_and_tells_its_address_to_nobody(link):
    asked, unknown, bad = look(link), look("x"), request("POST", link, "")
    answers = [asked, unknown, bad, click(link), click(link, "deny")]

    for response in answers:
        headers = response["headers"]
        assert headers == {
            "Content-Type": "text/html; charset=utf-8",
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Robots-Tag": "noindex",
        }


def test_a_page_loads_nothing_and_leads_nowhere(link):
    for response in (look(link), click(link), look("x")):
        assert not re.findall(r"<script|<link|<img|<iframe|src=|href=|url\(|@import", response["body"])


def test_neither_the_tasks_token_nor_the_link_is_in_a_page(link, approvals):
    kept = approvals.get_item(Key={"order_id": "order-1"})["Item"]

    for response in (look(link), click(link), click(link, "deny"), look(link)):
        for secret in (TASK_TOKEN, LINK_SECRET, kept["task_token"], kept["content"], *kept["links"], link):
            assert secret not in response["body"]


HOSTILE = {
    "a line": {"lines": [a_line(sku="<script>alert(1)</script>")]},
    "a line's end": {"lines": [a_line(sku="</td></table><form action='https://evil.example' method=post>")]},
    "a quantity": {"lines": [a_line() | {"quantity": "<img src=x onerror=alert(1)>"}]},
    "a currency": {"currency": "<script>alert(1)</script>"},
    "an id": {"order_id": "<script>alert(1)</script>"},
    "an id in quotes": {"order_id": "'\"><script>alert(1)</script>"},
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE)
def test_what_the_order_holds_is_text_and_never_markup(changes, asks):
    token = asks(an_order() | {"total": 900} | changes)

    for response in (look(token), click(token), click(token, "deny")):
        assert response["statusCode"] in (200, 409)
        assert not re.findall(r"<script|<img|<form action", response["body"])
        assert response["body"].count("</table>") <= 1


def test_an_id_is_one_line_on_a_page_and_not_longer_than_people_can_read(asks):
    response = look(asks(an_order(order_id="order\r\n" + "x" * 1_000)))

    assert title(response).isprintable()
    assert len(title(response)) < 200


@pytest.mark.parametrize(
    "changes",
    [
        {"lines": "two"},
        {"lines": {"TEA", "POT"}},
        {"lines": [a_line(), "POT", None, [], {}, {"sku": 1}]},
        {"lines": [a_line() | {"quantity": "2"}]},
        {"lines": [a_line() | {"quantity": Decimal("1E+100"), "unit_price": Decimal("1E+100")}]},
        {"currency": None},
    ],
    ids=["text", "a set", "not lines", "a number in words", "more than there is", "no currency"],
)
def test_an_order_that_is_nonsense_over_the_limit_is_shown_as_far_as_it_can_be_read(changes, asks):
    token = asks(an_order() | changes | {"total": 10**9})

    assert look(token)["statusCode"] == 200
    assert click(token, "deny")["statusCode"] == 200


GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    st.fixed_dictionaries({"order_id": st.text()}, optional={"lines": GARBAGE, "total": GARBAGE, "currency": GARBAGE})
)
def test_whatever_the_order_holds_there_is_a_page(order):
    assert pages.question(order).status == 200


# ── Logs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_is_logged_once_with_what_it_is(link, log):
    look(link)
    click(link, "deny")
    click(link, "deny")
    click(link, "approve")

    assert [(line["message"], line["order_id"], line.get("status")) for line in log()] == [
        ("approver asked", "order-1", None),
        ("answered", "order-1", "DENIED"),
    ]
