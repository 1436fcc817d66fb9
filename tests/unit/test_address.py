"""What counts as an email address: exactly what SES takes as one recipient."""

import string
import sys
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from notify.email import address_of
from orders import address
from orders.address import MAX_LENGTH, is_address
from orders.model import Email

LONGEST_LOCAL = "a" * 64
LONGEST_LABEL = "b" * 63
LONGEST = f"{LONGEST_LOCAL}@{LONGEST_LABEL}.{LONGEST_LABEL}.{'c' * 57}.com"

ADDRESSES = [
    "ada@example.com",
    "ada@home.example",
    "customers@example.com",
    "Ada.Lovelace@Example.COM",
    "ada+orders@example.com",
    "o'hara@example.com",
    "{ada}|~!#$%&*/=?^_`-@example.com",
    "1@2.example",
    "ada@a-b.c-d.example",
    "ada@xn--exmple-cua.com",  # exämple.com
    "ada@example.xn--p1ai",  # .рф
    f"{LONGEST_LOCAL}@example.com",
    f"ada@{LONGEST_LABEL}.example",
    LONGEST,
]

NO_ADDRESSES = {
    "empty": "",
    "blank": " ",
    "no at sign": "ada.example.com",
    "no local part": "@example.com",
    "no domain": "ada@",
    "two at signs": "ada@home@example.com",
    # What SES takes in Punycode only, or not at all.
    "a local part that is not ASCII": "dån@example.com",
    "a domain that is not ASCII": "ada@exämple.com",
    "a top-level domain that is not ASCII": "ada@example.рф",
    "an at sign of full width": "ada＠example.com",
    "a full stop of full width": "ada@example．com",
    "a local part in Punycode": "xn--dn-yia@example.com",
    "a local part in Punycode, in capitals": "XN--DN-YIA@example.com",
    "a letter in two code points": "da\u0308n@example.com",
    "a lone surrogate": "ada\ud800@example.com",
    "Punycode that means nothing": "ada@xn--a.example",
    "Punycode of what is plain": "ada@xn--example-.com",
    "two dashes that are no Punycode": "ada@ab--cd.example",
    # Characters that end a header, or that nobody sees.
    "a NUL": "ada@example.com\0",
    "a NUL within": "a\0da@example.com",
    "a line break": "ada@example.com\n",
    "another header": "ada@example.com\r\nBcc: eve@example.com",
    "a tab": "ada\t@example.com",
    "an escape": "ada\x1b@example.com",
    "a delete": "ada\x7f@example.com",
    "a zero-width space": "ada@example\u200b.com",
    "a zero-width space in front": "\u200bada@example.com",
    "a no-break space": "ada\u00a0@example.com",
    "a space in front": " ada@example.com",
    "a space behind": "ada@example.com ",
    "a space within": "a da@example.com",
    # More than one address, or more than an address.
    "two, by a comma": "ada@example.com,bob@example.com",
    "two, by a semicolon": "ada@example.com;bob@example.com",
    "two, by a space": "ada@example.com bob@example.com",
    "a comma": "a,b@example.com",
    "a display name": "Ada <ada@example.com>",
    "angle brackets": "<ada@example.com>",
    "a link": "mailto:ada@example.com",
    "a comment": "ada(home)@example.com",
    "a comment behind": "ada@example.com (home)",
    "a group": "friends:ada@example.com;",
    "a route": "@home.example:ada@example.com",
    # Local parts.
    "a quoted local part": '"ada"@example.com',
    "a quoted local part with a space": '"ada lovelace"@example.com',
    "a backslash": "a\\da@example.com",
    "a dot in front": ".ada@example.com",
    "a dot before the at sign": "ada.@example.com",
    "two dots": "ada..lovelace@example.com",
    "65 characters before the at sign": f"{LONGEST_LOCAL}a@example.com",
    # Domains.
    "two dots in the domain": "ada@home..example",
    "a dot after the at sign": "ada@.example.com",
    "a trailing dot": "ada@example.com.",
    "a label that begins with a dash": "ada@-home.example",
    "a label that ends with a dash": "ada@home-.example",
    "an underscore in the domain": "ada@my_home.example",
    "a label of 64 characters": f"ada@{LONGEST_LABEL}b.example",
    "one label": "ada@home",
    "localhost": "ada@localhost",
    "a top-level domain of digits": "ada@example.123",
    "an IPv4 address": "ada@192.0.2.1",
    "an IPv4 literal": "ada@[192.0.2.1]",
    "an IPv6 literal": "ada@[IPv6:2001:db8::1]",
    "a port": "ada@example.com:25",
    "an exclamation mark in the domain": "ada@exa!mple.com",
    # Domains that nobody can be written to at: https://www.rfc-editor.org/rfc/rfc6761
    ".test": "ada@home.test",
    ".local": "ada@home.local",
    ".localhost": "ada@home.localhost",
    ".invalid": "ada@home.invalid",
    ".onion": "ada@home.onion",
    ".arpa": "ada@1.in-addr.arpa",
    "255 characters": LONGEST.replace("com", "info"),
}

NO_TEXTS = [None, True, 1, 1.5, b"ada@example.com", ["ada@example.com"], {"email": "ada@example.com"}]


def accepted(value: object) -> bool:
    """What validate and notify make of a value. They have to agree."""
    try:
        TypeAdapter(Email).validate_python(value)
        valid = True
    except ValidationError:
        valid = False
    assert address_of({"customer": {"email": value}}) == (value if valid else None)
    assert is_address(value) is valid
    return valid


@pytest.mark.parametrize("value", ADDRESSES)
def test_an_address_that_ses_takes_is_accepted(value):
    assert accepted(value)


@pytest.mark.parametrize("value", NO_ADDRESSES.values(), ids=NO_ADDRESSES)
def test_an_address_that_ses_refuses_is_refused(value):
    assert not accepted(value)


@pytest.mark.parametrize("value", NO_TEXTS, ids=repr)
def test_what_is_no_text_is_no_address(value):
    assert not accepted(value)


def test_the_longest_address_has_254_characters():
    assert len(LONGEST) == MAX_LENGTH == 254
    assert len(NO_ADDRESSES["255 characters"]) == 255


@pytest.mark.parametrize(
    "value",
    ["a" * 1_000_000, f"{'a' * 1_000_000}@example.com", f"ada@{'ä' * 200}.example"],
    ids=["no address", "a long local part", "a long domain that is not ASCII"],
)
def test_a_text_that_costs_time_is_refused_before_it_is_read(value):
    with patch.object(address, "validate_email", side_effect=AssertionError("it was read")):
        assert not is_address(value)


def test_nothing_is_looked_up():
    with patch.dict(sys.modules, {"email_validator.deliverability": None, "dns": None}):  # so nobody can import them
        assert is_address("ada@example.com")


ASCII = st.characters(max_codepoint=127)
LIKE_ADDRESSES = st.builds(
    "{}@{}.{}".format,
    st.text(st.one_of(ASCII, st.characters()), min_size=1, max_size=70),
    st.text(st.one_of(st.sampled_from(string.ascii_letters + string.digits + "-.xn"), ASCII), max_size=200),
    st.sampled_from(["com", "example", "xn--p1ai", "test", "c", "1", ""]),
)


@given(st.one_of(LIKE_ADDRESSES, st.text(), st.emails()))
@example("ada@xn--exmple-cua.com")
@example("ada@xn--0.pt")
def test_whatever_is_accepted_can_stand_in_a_header_by_itself(value):
    if accepted(value):
        assert value.isascii()
        assert value.isprintable()
        assert len(value) <= 254
        assert value.count("@") == 1
        assert len(value.partition("@")[0]) <= 64
        assert not set(value) & set(' \t\r\n,;:<>()[]"\\')
