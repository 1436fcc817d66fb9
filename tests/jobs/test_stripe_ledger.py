"""Stripe's list of payment intents, through the real SDK and down to the wire."""

from dataclasses import replace
from functools import partial

import pytest
import requests

from jobs import extract, stripe_ledger
from jobs.extract import extracted
from jobs.settings import Problem
from orders import iso_8601
from payment.simulated import intent_from
from tests.unit.fake_stripe import FakeStripe
from tests.unit.stack import aws
from tests.unit.sweeping import Clock

NOW = 1767315600
HOUR, DAY = 60 * 60, 24 * 60 * 60
KEY = "sk_test_secret"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stripe_ledger, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def account_at_stripe(account, monkeypatch):
    """Stripe, in the place of the simulated provider's table."""
    fake = FakeStripe()
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", lambda _, *args, **options: fake.send(*args, **options))
    secret = aws("secretsmanager").create_secret(Name="stripe", SecretString=KEY)
    monkeypatch.setenv("STRIPE_SECRET_ARN", secret["ARN"])
    monkeypatch.setenv("PROVIDER_DAYS", "10")
    return fake


@pytest.fixture
def plan(plan, monkeypatch):
    monkeypatch.setenv("SIMULATED_GATEWAY_TABLE", "")
    return replace(plan, as_of=iso_8601(NOW))


def an_intent(fake, number, **changes):
    """An intent in Stripe's books: 9 EUR, held an hour before the run began."""
    intent = {
        "id": f"pi_{number}",
        "object": "payment_intent",
        "amount": 900,
        "amount_received": 0,
        "created": NOW - HOUR,
        "currency": "eur",
        "metadata": {"order_id": f"order-{number}"},
        "status": "requires_capture",
    } | changes
    fake.intents[intent["id"]] = intent


def a_refund(fake, number, amount, status="succeeded"):
    reference = f"re_{len(fake.refunds)}"
    fake.refunds[reference] = {"payment_intent": f"pi_{number}", "amount": amount, "status": status}


def listed(plan, segment=None):
    segments = range(plan.segments) if segment is None else [segment]
    return [item for number in segments for page in stripe_ledger.pages(plan, number, None) for item in page.items]


def ids(items):
    return sorted(item["id"]["S"] for item in items)


def test_an_intent_becomes_what_the_simulated_provider_writes(plan, account_at_stripe):
    an_intent(account_at_stripe, 1)

    [item] = listed(plan)

    assert item == {
        "id": {"S": "pi_1"},
        "order_id": {"S": "order-1"},
        "amount": {"N": "900"},
        "currency": {"S": "EUR"},
        "status": {"S": "requires_capture"},
        "amount_refunded": {"N": "0"},
    }
    assert intent_from(item).reference == "pi_1"


def test_the_amount_is_what_was_taken_as_soon_as_it_is(plan, account_at_stripe):
    an_intent(account_at_stripe, 1, status="succeeded", amount_received=800)

    assert listed(plan)[0]["amount"] == {"N": "800"}


def test_refunds_add_up_and_those_that_failed_are_none(plan, account_at_stripe):
    an_intent(account_at_stripe, 1, status="succeeded", amount_received=900)
    a_refund(account_at_stripe, 1, 100)
    a_refund(account_at_stripe, 1, 250)
    a_refund(account_at_stripe, 1, 50, status="failed")

    assert listed(plan)[0]["amount_refunded"] == {"N": "350"}


def test_an_intent_without_a_charge_has_no_refunds(plan, account_at_stripe):
    an_intent(account_at_stripe, 1, status="requires_payment_method")

    assert listed(plan)[0]["amount_refunded"] == {"N": "0"}


@pytest.mark.parametrize(
    ("currency", "at_stripe", "here"),
    [("jpy", 900, "900"), ("isk", 90000, "900"), ("mga", 9, "900"), ("bhd", 90, "90")],
)
def test_amounts_are_in_the_currencys_own_minor_units(currency, at_stripe, here, plan, account_at_stripe):
    an_intent(account_at_stripe, 1, currency=currency, amount_received=at_stripe, status="succeeded")
    a_refund(account_at_stripe, 1, at_stripe)

    [item] = listed(plan)

    assert (item["amount"], item["amount_refunded"]) == ({"N": here}, {"N": here})


def test_what_is_of_no_order_is_not_the_shops(plan, account_at_stripe):
    an_intent(account_at_stripe, 1, metadata={"cart": "17"})
    an_intent(account_at_stripe, 2)

    assert ids(listed(plan)) == ["pi_2"]


@pytest.mark.parametrize("segments", [2, 3, 7])
def test_the_slices_together_are_the_time_and_each_intent_is_in_one(segments, plan, account_at_stripe):
    for number in range(101):
        an_intent(account_at_stripe, number, created=NOW - 10 * DAY + number * 10 * DAY // 100)

    assert ids(listed(replace(plan, segments=segments))) == sorted(account_at_stripe.intents)


@pytest.mark.parametrize(("created", "found"), [(-10 * DAY - 1, 0), (-10 * DAY, 1), (0, 1), (299, 1), (300, 0)])
def test_the_list_goes_back_so_many_days_and_ends_with_the_run(created, found, plan, account_at_stripe):
    an_intent(account_at_stripe, 1, created=NOW + created)

    assert len(listed(plan)) == found
    assert stripe_ledger.reaches_back_to(plan.as_of) == NOW - 10 * DAY


def test_a_list_of_several_pages_is_read_to_its_end(plan, account_at_stripe):
    for number in range(250):
        an_intent(account_at_stripe, number)

    pages = list(stripe_ledger.pages(plan, 1, None))

    assert [len(page.items) for page in pages] == [100, 100, 50]
    assert pages[-1].next is None


def test_a_list_goes_on_where_a_page_ended(plan, account_at_stripe):
    for number in range(250):
        an_intent(account_at_stripe, number)
    first, *rest = stripe_ledger.pages(plan, 1, None)

    assert list(stripe_ledger.pages(plan, 1, first.next)) == rest


def test_a_page_of_others_intents_is_passed_over(plan, account_at_stripe):
    an_intent(account_at_stripe, 1)
    for number in range(2, 130):
        an_intent(account_at_stripe, number, metadata={})

    assert ids(listed(plan)) == ["pi_1"]


def test_the_ledger_is_extracted_like_a_table(plan, account_at_stripe, tmp_path):
    for number in range(30):
        an_intent(account_at_stripe, number)
    for segment in range(plan.segments):
        extract.extract(plan, "provider", segment)

    files = partial(extracted, plan.run, "provider", segments=plan.segments, folder=tmp_path)
    assert [len(files(partition=partition)) for partition in (0, 1)] == [1, 1]


ACCIDENTS = {
    "unreachable": FakeStripe.is_unreachable_once,
    "an answer lost": FakeStripe.loses_an_answer,
    "a server error": lambda fake: fake.refuses_once(500, type="api_error"),
    "too many requests": lambda fake: fake.refuses_once(429, type="invalid_request_error", code="rate_limit"),
}


@pytest.mark.parametrize("accident", ACCIDENTS.values(), ids=ACCIDENTS)
def test_what_passes_by_itself_is_tried_again(accident, plan, account_at_stripe, clock):
    an_intent(account_at_stripe, 1)
    accident(account_at_stripe)
    accident(account_at_stripe)

    assert ids(listed(plan, segment=1)) == ["pi_1"]
    assert clock.slept == [0.75, 1.5]


def test_an_outage_of_a_minute_is_told(plan, account_at_stripe, clock):
    for _ in range(stripe_ledger.ATTEMPTS):
        account_at_stripe.is_unreachable_once()

    with pytest.raises(Problem, match="Stripe cannot be reached: APIConnectionError"):
        listed(plan, segment=0)

    assert 30 < sum(clock.slept) < 90


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (401, {"type": "invalid_request_error", "message": f"Invalid API Key provided: {KEY}"}, "AuthenticationError"),
        (403, {"type": "invalid_request_error"}, "PermissionError"),
        (400, {"type": "invalid_request_error", "code": "parameter_unknown"}, "parameter_unknown"),
    ],
)
def test_a_refusal_is_told_at_once_and_by_its_code(status, error, says, plan, account_at_stripe):
    account_at_stripe.refuses_once(status, **error)

    with pytest.raises(Problem, match=says) as told:
        listed(plan, segment=0)

    assert KEY not in str(told.value)
    assert len(account_at_stripe.received) == 1


def test_without_a_provider_an_operator_is_told(plan, monkeypatch):
    monkeypatch.delenv("STRIPE_SECRET_ARN")

    with pytest.raises(Problem, match="STRIPE_SECRET_ARN"):
        listed(plan)


def test_the_answer_is_waited_for_longer_than_a_function_would(plan, account_at_stripe):
    listed(plan, segment=0)

    assert account_at_stripe.received[0].timeout == stripe_ledger.TIMEOUT_SECONDS
