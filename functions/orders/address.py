"""Email addresses, as far as they can be checked without writing to one.

The same rule for the order that comes in and for the email that goes out: SES refuses what is no address, so an order
that was rejected for its address would otherwise need a person.
"""

import re
from typing import TypeGuard

# The longest that mail servers have to take: https://www.rfc-editor.org/errata/eid1690
MAX_LENGTH = 254
_ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s]+")


def is_address(value: object) -> TypeGuard[str]:
    """Whether `value` looks like one email address."""
    return isinstance(value, str) and len(value) <= MAX_LENGTH and _ADDRESS.fullmatch(value) is not None
