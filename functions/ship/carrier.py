"""What the ship function needs of a carrier, and nothing more. `simulated.py` provides it, and a real one is one file
more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Booking:
    """A parcel to carry: units by SKU, under a `reference` of ours that comes with all the carrier's news. The
    `address` is the customer's, and goes nowhere else; it is empty for a parcel that comes back, whose way ends at the
    shop.
    """

    reference: str
    units: Mapping[str, int]
    address: str


class CarrierUnavailable(Exception):
    """The carrier did not answer, or not about this parcel. It may have done what was asked."""


class CarrierRefused(Exception):
    """The carrier will not do it, and did not. The message is a code of the carrier's, and quotes no address."""


class Carrier(Protocol):
    """A carrier. Both methods may raise CarrierUnavailable."""

    def book(self, key: str, booking: Booking) -> str:
        """Have a parcel carried, or a label made for one that comes back; answers its tracking number.

        A booking that is repeated with its key answers what the first one answered. The same key for another booking
        raises Unrecoverable, for it says nothing of either. Raises CarrierRefused.
        """

    def find(self, reference: str) -> str | None:
        """The tracking number of the parcel that was booked under a reference; None when none was. It never overlooks
        one, however old.
        """
