from hypothesis import given
from hypothesis import strategies as st

from orders.order_id import for_key, is_order_id, printable, return_for_key
from tests.unit.builders import CUSTOMER_ID


@given(st.text(), st.text())
def test_a_customers_key_stands_for_one_acceptable_id_for_ever(customer_id, key):
    assert for_key(customer_id, key) == for_key(customer_id, key)
    assert is_order_id(for_key(customer_id, key))


def test_the_id_under_a_key_is_a_promise_to_clients_that_retry_after_a_deployment():
    assert for_key("customer-1", "key-1") == "o-be254e06838f41d0c846fc592cbfd6bc"


def test_a_key_stands_for_one_return_of_an_order_for_ever_and_of_no_other_order():
    assert return_for_key("order-1", "key-1") == return_for_key("order-1", "key-1")
    assert (
        len({return_for_key(order_id, key) for order_id in ("order-1", "order-2") for key in ("key-1", "key-2")}) == 4
    )
    assert return_for_key("order-1", "key") != return_for_key("order-1k", "ey")


def test_the_return_under_a_key_is_a_promise_as_well():
    assert return_for_key("order-1", "key-1") == "r-01ca15af6723365c499a0ea64bbe2c2f"


def test_the_same_key_of_another_customer_is_another_order():
    assert for_key("customer-1", "key") != for_key("customer-2", "key")
    assert for_key("customer-1", "key-1") != for_key("customer-1", "key-2")


@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
def test_nobody_gets_at_anothers_order_by_how_an_id_and_a_key_are_put_together(customer, key, another, their_key):
    same = (customer, key) == (another, their_key)

    assert (for_key(customer, key) == for_key(another, their_key)) == same


def test_an_id_says_nothing_of_its_customer():
    assert CUSTOMER_ID not in for_key(CUSTOMER_ID, CUSTOMER_ID)


@given(st.text())
def test_an_id_for_people_is_one_line_and_not_longer_than_an_acceptable_one(order_id):
    assert printable(order_id).isprintable()
    assert len(printable(order_id)) <= 128
