"""Reading an item: what boto3's deserializer makes of it, without importing boto3."""

from typing import Any

import pytest
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from aws.item import plain

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.text(),
    st.binary(),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**30), max_value=10**30),
)
sets = st.one_of(*(st.sets(kind, min_size=1) for kind in (st.text(), st.binary(), st.integers(-(10**37), 10**37))))
values = st.recursive(scalars | sets, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@given(values)
def test_an_attribute_reads_as_boto3_reads_it(value):
    attribute: Any = TypeSerializer().serialize(value)

    assert plain(attribute) == TypeDeserializer().deserialize(attribute)


@pytest.mark.parametrize("number", ["0", "-1", "1E+2", "0.10", "9" * 38, f"1E-{130}"])
def test_a_number_keeps_every_digit(number):
    assert str(plain({"N": number})) == number


def test_binary_is_bytes():
    assert plain({"L": [{"B": b"\xff"}, {"BS": [b"a", b"b"]}]}) == [Binary(b"\xff"), {b"a", b"b"}]
    assert type(plain({"B": b"\xff"})) is bytes
