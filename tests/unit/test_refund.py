"""Giving back what was taken. Every test here runs against both providers, unless it says which one it needs."""

from types import SimpleNamespace
from unittest.mock import patch

import pytest

from aws import clients, payments
from orders import PaymentStatus
from orders.errors import Unrecoverable
from payment import app, refunds
from payment.gateway import GatewayUnavailable
from payment.refunds import PaymentOutstanding
from tests.unit.faults import dies_after, dies_before, fails, just_after, just_before
from tests.unit.paying import (
    CAPTURED,
    NO_ANSWER,
    authorize,
    capture,
    decline,
    die_authorizing,
    die_refunding,
    given_back,
    refund,
    take,
    void,
)

pytestmark = pytest.mark.usefixtures("payments")

NOON = 1_767_268_800
KEY = "order-1:r-1:refund"


@pytest.fixture
def parameters(provider: dict[str, str]) -> dict[str, str]:
    return provider


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """It is noon, until a test moves `clock.now`."""
    clock = SimpleNamespace(now=NOON)
    clock.time = lambda: clock.now
    monkeypatch.setattr(refunds, "time", clock)
    return clock


def test_a_refund_gives_back_what_it_is_asked_for(bank, intents, payment):
    take()

    assert refund(400) == given_back(400)

    assert bank.refunds() == [("r-1", 400)]
    assert intents() == [("succeeded", 900)]
    assert (payment()["status"], payment()["refunded"]) == ("CAPTURED", 400)
    assert payment()["refund:r-1"].pop("provider_reference").startswith("re_")


def test_a_refund_that_names_no_amount_gives_back_all_that_was_taken(bank, payment):
    take()

    assert refund(return_id="cancellation") == given_back(900)

    assert bank.refunds() == [("cancellation", 900)]
    assert payment()["refunded"] == 900


def test_each_return_is_paid_for_on_its_own(bank, payment):
    take()

    assert [refund(200, "r-1"), refund(300, "r-2"), refund(400, "r-3")] == [
        given_back(200),
        given_back(300),
        given_back(400),
    ]
    assert bank.refunds() == [("r-1", 200), ("r-2", 300), ("r-3", 400)]
    assert payment()["refunded"] == 900


def test_a_repeated_refund_pays_once_and_answers_the_same(bank, payment, clock):
    take()
    first = refund(400)
    clock.now += 100_000

    assert [refund(400) for _ in range(3)] == [first] * 3
    assert bank.refunds() == [("r-1", 400)]
    assert payment()["refunded"] == 400


def test_a_repeated_refund_does_not_trouble_the_provider():
    take()
    refund(400)

    with patch.object(app.gateway(), "refund") as asked, patch.object(app.gateway(), "find_refund") as looked:
        refund(400)

    asked.assert_not_called()
    looked.assert_not_called()


@pytest.mark.parametrize(
    "die",
    [
        lambda: dies_after(refunds, "_intend"),
        lambda: dies_before(app.gateway(), "refund"),
        lambda: dies_after(app.gateway(), "refund"),
        lambda: dies_after(refunds, "_settle"),
    ],
    ids=["after the intent", "before the provider", "after the provider", "after the outcome"],
)
def test_a_refund_that_died_is_carried_on_to_one_refund(die, bank, payment):
    take()
    with die():
        refund(400)

    assert refund(400) == given_back(400)
    assert bank.refunds() == [("r-1", 400)]
    assert (payment()["refunded"], payment()["refund:r-1"]["status"]) == (400, "REFUNDED")


@pytest.mark.parametrize("provider", ["stripe"], indirect=True)
def test_a_refund_that_is_older_than_the_providers_memory_of_its_key_is_not_made_again(bank, stripe_account):
    take()
    die_refunding(400)
    stripe_account.forgets_its_keys()

    assert refund(400) == given_back(400)
    assert bank.refunds() == [("r-1", 400)]


def test_what_may_have_happened_is_repeated_with_its_key_and_never_a_new_one():
    take()

    with (
        patch.object(app.gateway(), "find_refund", return_value=None),
        patch.object(app.gateway(), "refund", wraps=app.gateway().refund) as asked,
    ):
        with dies_before(refunds, "_settle"):
            refund(400)
        refund(400)

    assert [request.args[0] for request in asked.call_args_list] == [KEY] * 2


def test_what_may_have_happened_is_looked_up_before_it_is_repeated():
    take()
    die_refunding(400)

    with patch.object(app.gateway(), "refund") as asked:
        assert refund(400) == given_back(400)

    asked.assert_not_called()


def test_a_refund_that_the_provider_did_not_answer_may_be_repeated(bank, payment):
    take()
    with pytest.raises(GatewayUnavailable), fails(app.gateway(), "refund", NO_ANSWER):
        refund(400)
    assert payment()["refund:r-1"]["status"] == "REFUNDING"

    assert refund(400) == given_back(400)
    assert bank.refunds() == [("r-1", 400)]


def test_while_nobody_can_say_what_came_of_a_refund_it_is_not_repeated():
    take()
    die_refunding(400)

    with (
        pytest.raises(GatewayUnavailable),
        fails(app.gateway(), "find_refund", NO_ANSWER),
        patch.object(app.gateway(), "refund") as asked,
    ):
        refund(400)

    asked.assert_not_called()


@pytest.mark.parametrize(
    "moment",
    [
        lambda meanwhile: just_before(clients.dynamodb(), "update_item", meanwhile),
        lambda meanwhile: just_before(app.gateway(), "refund", meanwhile),
        lambda meanwhile: just_after(app.gateway(), "refund", meanwhile),
        lambda meanwhile: just_before(refunds, "_settle", meanwhile),
    ],
    ids=["before the intent", "before the provider", "after the provider", "before the outcome"],
)
def test_two_refunds_of_one_return_at_once_pay_once_and_answer_the_same(moment, bank, payment, clock):
    take()
    answers = []

    def meanwhile() -> None:
        answers.append(refund(400))
        clock.now += 60

    with moment(meanwhile):
        answers.append(refund(400))

    assert answers == [given_back(400)] * 2
    assert bank.refunds() == [("r-1", 400)]
    assert payment()["refunded"] == 400


# ── Never more than was taken ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("amounts", [(901,), (900, 1), (500, 401), (300, 300, 301)], ids=str)
def test_no_more_is_given_back_than_was_taken(amounts, bank, payment):
    take()
    *fitting, last = enumerate(amounts)
    for number, amount in fitting:
        refund(amount, f"r-{number}")

    with pytest.raises(Unrecoverable, match="more would be given back than was taken"):
        refund(last[1], f"r-{last[0]}")

    assert bank.refunds() == [(f"r-{number}", amount) for number, amount in fitting]
    assert payment().get("refunded", 0) == sum(amount for _, amount in fitting)
    assert f"refund:r-{last[0]}" not in payment()


def test_of_two_refunds_at_once_that_do_not_both_fit_one_is_made(bank, payment):
    take()

    with (
        just_before(clients.dynamodb(), "update_item", lambda: refund(501, "r-2")),
        pytest.raises(Unrecoverable, match="more would be given back"),
    ):
        refund(400)

    assert bank.refunds() == [("r-2", 501)]
    assert payment()["refunded"] == 501


def test_a_refund_under_way_counts_as_much_as_one_that_is_made():
    take()
    with dies_before(app.gateway(), "refund"):
        refund(500)

    with pytest.raises(Unrecoverable, match="more would be given back"):
        refund(401, "r-2")


def test_the_provider_is_not_asked_for_what_does_not_fit():
    take()
    refund(900)

    with patch.object(app.gateway(), "refund") as asked, pytest.raises(Unrecoverable):
        refund(1, "r-2")

    asked.assert_not_called()


@pytest.mark.parametrize("amount", [0, -1, -900])
def test_a_refund_of_nothing_makes_no_room_for_others(amount, bank, payment):
    take()

    with pytest.raises(Unrecoverable, match="of something"):
        refund(amount)

    assert bank.refunds() == []
    assert "refunded" not in payment()


@pytest.mark.parametrize("before", [lambda: refund(400), die_refunding], ids=["made", "under way"])
def test_one_return_has_one_amount(before, bank):
    take()
    before()

    with pytest.raises(Unrecoverable, match="another amount"):
        refund(500)

    assert bank.refunds() == [("r-1", 400)]


def test_a_second_refund_at_the_provider_needs_a_person(payments):
    take()

    def elsewhere() -> None:
        item = payments.get_item(Key={"order_id": "order-1"})["Item"]
        item["refund:r-1"] |= {"status": "REFUNDED", "provider_reference": "re_elsewhere"}
        payments.put_item(Item=item)

    with pytest.raises(Unrecoverable, match="twice"), just_before(refunds, "_settle", elsewhere):
        refund(400)


# ── What was not taken ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before", "status"),
    [(lambda: None, "missing"), (die_authorizing, "AUTHORIZING"), (authorize, "AUTHORIZED")],
    ids=["no payment", "a dead authorization", "held"],
)
@pytest.mark.parametrize("amount", [400, None])
def test_what_is_not_taken_yet_is_waited_for(amount, before, status, payment):
    before()

    with pytest.raises(PaymentOutstanding, match=status):
        refund(amount)

    assert payment() is None or payment()["status"] == status


def test_a_refund_that_waited_for_the_capture_is_made_after_it(bank):
    authorize()
    with pytest.raises(PaymentOutstanding):
        refund(return_id="cancellation")
    assert capture() == CAPTURED

    assert refund(return_id="cancellation") == given_back(900)
    assert bank.refunds() == [("cancellation", 900)]


@pytest.mark.parametrize(
    ("before", "amount", "status"),
    [(decline, 400, "DECLINED"), (decline, None, "DECLINED"), (lambda: [authorize(), void()], 400, "VOIDED")],
    ids=["declined", "declined, all of it", "voided"],
)
def test_what_was_never_taken_cannot_be_refunded(before, amount, status):
    before()

    with pytest.raises(Unrecoverable, match=status):
        refund(amount)


def test_a_payment_that_is_voided_at_the_same_moment_is_not_refunded(bank, payment, payments):
    take()
    voided = payment() | {"status": "VOIDED"}

    with (
        just_before(clients.dynamodb(), "update_item", lambda: payments.put_item(Item=voided)),
        pytest.raises(Unrecoverable),
    ):
        refund(400)

    assert bank.refunds() == []
    assert payment() == voided


def test_of_a_hold_that_lapsed_there_is_nothing_to_give_back(payment, intents):
    authorize()
    payments.lapse("order-1", payment()["provider_reference"])

    assert refund(return_id="cancellation") == given_back(0)

    assert payment()["status"] == PaymentStatus.VOIDED
    assert "refunded" not in payment()
    assert intents() == [("requires_capture", 900)]


# ── What is told ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_refund_is_logged_with_its_order_and_return(log):
    take()
    refund(400)

    (line,) = [line for line in log() if line["message"] == "refunded"]
    assert (line["level"], line["order_id"], line["return_id"]) == ("INFO", "order-1", "r-1")
    assert not [line for line in log() if "pm_card" in str(line)]


def test_the_intent_is_written_before_the_provider_is_asked(payment):
    take()
    seen = []

    with just_before(app.gateway(), "refund", lambda: seen.append(payment())):
        refund(400)

    (before,) = seen
    assert before["refunded"] == 400
    assert before["refund:r-1"] == {"status": "REFUNDING", "amount": 400, "asked_at": NOON}
