import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify import email
from orders import Status, rules
from orders.errors import OrderInvalid
from orders.events import BECAME
from tests.unit.builders import CUSTOMER_ID, EMAIL, a_line, an_order


@pytest.mark.parametrize(
    ("reason", "because"),
    [
        ("OUT_OF_STOCK", "out of stock"),
        ("PAYMENT_DECLINED", "card was declined"),
        ("PAYMENT_REFUSED", "payment could not be made"),
    ],
)
def test_a_cancelled_order_is_told_with_what_the_customer_can_do_something_about(reason, because):
    message = email.write(an_order(), "CANCELLED", reason)

    for body in (message.text, message.html):
        assert "your order was cancelled. Nothing was charged." in body
        assert because in body
        assert "2 × TEA: 9.00 EUR" in body


def test_who_has_cancelled_is_told_that_it_is_done_and_no_excuse():
    message = email.write(an_order(), "CANCELLED", "CANCELLED_BY_CUSTOMER")

    for body in (message.text, message.html):
        assert "Your order is cancelled, as you asked. Nothing was charged." in body
        assert "sorry" not in body


@pytest.mark.parametrize(
    "reason", ["INVENTORY_UNAVAILABLE", "ORDER_CHANGED", "ORDER_INVALID", "NOT_APPROVED", "APPROVAL_EXPIRED"]
)
def test_what_is_our_own_affair_is_not_told(reason):
    message = email.write(an_order(), "CANCELLED", reason)

    assert reason not in message.subject + message.text + message.html


def test_a_rejected_order_is_told_without_its_content():
    message = email.write(an_order(), "REJECTED", "ORDER_INVALID")

    assert "we could not accept your order. Nothing was charged." in message.text
    assert "TEA" not in message.text + message.html


def test_who_cancels_what_was_paid_for_is_told_that_it_is_paid_back():
    message = email.write(an_order(), "CANCELLED", "CANCELLED_BEFORE_SHIPPING")

    assert message.subject == "Your order order-1 is cancelled"
    for body in (message.text, message.html):
        assert "Your order is cancelled, as you asked. You get back what you paid for it." in body
        assert "Nothing was charged" not in body
        assert "sorry" not in body
        assert "Total: 9.00 EUR" in body


@pytest.mark.parametrize(
    ("status", "subject", "words"),
    [
        ("SHIPPING", "Your order order-1 is on its way", "your order is on its way."),
        ("DELIVERED", "Your order order-1 is delivered", "Your order has been delivered."),
        ("RETURNED", "Your return of order order-1 has arrived", "What you sent back has arrived."),
    ],
)
def test_each_step_after_the_sale_is_told_in_its_own_words(status, subject, words):
    message = email.write(an_order(), status, "")

    assert message.subject == subject
    for body in (message.text, message.html):
        assert words in body


@pytest.mark.parametrize("status", ["SHIPPING", "DELIVERED", "RETURNED"])
def test_what_the_item_says_weeks_later_is_not_what_was_sent_and_is_not_told(status):
    message = email.write(an_order(lines=[a_line(sku="LATER")], total=1), status, "")

    assert "LATER" not in message.text + message.html
    assert "Total" not in message.text + message.html


@pytest.mark.parametrize(
    ("currency", "amount", "written"),
    [("EUR", 450, "4.50 EUR"), ("JPY", 450, "450 JPY"), ("KWD", 450, "0.450 KWD"), ("EUR", 123456, "1234.56 EUR")],
)
def test_what_is_paid_back_is_told_in_the_orders_currency(currency, amount, written):
    message = email.write(an_order(currency=currency), "RETURNED", "", amount)

    for body in (message.text, message.html):
        assert f"What you sent back has arrived. We have paid back {written}." in body


def test_where_nothing_was_paid_back_no_amount_is_told():
    message = email.write(an_order(), "RETURNED", "", 0)

    assert "paid back" not in message.text + message.html
    assert "0.00" not in message.text + message.html


@pytest.mark.parametrize("currency", [None, "", "eur", 978, ["EUR"], {"code": "EUR"}, "<b>EUR</b>"], ids=str)
def test_a_currency_that_was_changed_into_nonsense_is_not_told(currency):
    message = email.write(an_order(currency=currency), "RETURNED", "", 450)

    for body in (message.text, message.html):
        assert "We have paid back what you paid for it." in body
        assert "450" not in body
        assert "4.50" not in body


def test_no_two_things_that_become_of_an_order_have_the_same_subject():
    assert len({email.subject("order-1", status) for status in Status}) == len(Status)


@pytest.mark.parametrize("status", sorted(set(BECAME) - {Status.ARCHIVED}))  # of which nobody is told
def test_there_are_words_for_whatever_becomes_of_an_order(status):
    assert email.write(an_order(), status, "").text


def test_an_email_greets_nobody_by_their_data():
    message = email.write(an_order(), "CONFIRMED", "ACCEPTED")

    assert not [secret for secret in (CUSTOMER_ID, EMAIL) if secret in message.text + message.html]


def test_what_the_order_holds_is_text_and_never_markup():
    message = email.write(
        an_order(order_id="<script>1</script>", lines=[a_line(sku='<img src="x">&')]), "CONFIRMED", "ACCEPTED"
    )

    assert "<script>1" not in message.html
    assert "<img" not in message.html
    assert "&lt;script&gt;1" in message.html
    assert "&lt;img src=&quot;x&quot;&gt;&amp;" in message.html
    assert '2 × <img src="x">&: 9.00 EUR' in message.text


GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    changes=st.fixed_dictionaries(
        {}, optional={"lines": GARBAGE | st.just([a_line()]), "total": GARBAGE, "currency": GARBAGE}
    )
)
def test_an_order_that_was_changed_into_nonsense_since_its_decision_is_still_told(changes):
    assert email.write(an_order() | changes, "CONFIRMED", "ACCEPTED").text.startswith("Thank you")


ADDRESSES = st.text("ab@. \n\t\x1fé", max_size=12) | st.text("a", min_size=60, max_size=70).map("{}@b.c".format)


@given(address=ADDRESSES)
def test_whom_an_order_was_accepted_from_can_be_written_to_and_nobody_else(address):
    order = an_order(customer={"customer_id": "c", "email": address})
    try:
        rules.accept(order, {"TEA": rules.Product(450, "EUR")})
        accepted = True
    except OrderInvalid:
        accepted = False

    assert email.address_of(order) == (address if accepted else None)
