"""The customer's bank, which may take the money back or send a refund back, and what is in the provider's books."""

from typing import Any, Protocol

from tests.unit.fake_stripe import NOT_PAID, FakeStripe


class Bank(Protocol):
    """The bank of whoever paid for order-1, and for nothing else."""

    def refunds(self) -> list[tuple[str, int]]:
        """What the customer got back: for which return, and how much."""

    def disputes(self) -> None:
        """Takes the money back from the shop, for now."""

    def gives_in(self) -> None:
        """Decides for the shop."""

    def sends_back(self) -> None:
        """Does not take the refunds that were made so far."""


class StripesBank:
    """At the other end of Stripe."""

    def __init__(self, account: FakeStripe) -> None:
        self._account = account

    def refunds(self) -> list[tuple[str, int]]:
        made = [one for one in self._account.refunds.values() if one["status"] not in NOT_PAID]
        return [(one["metadata"].get("return_id", ""), one["amount"]) for one in made]

    def disputes(self) -> None:
        self._account.disputed |= set(self._account.intents)

    def gives_in(self) -> None:
        self._account.disputed.clear()

    def sends_back(self) -> None:
        for one in self._account.refunds.values():
            one["status"] = "failed"


class LedgersBank:
    """Plays with the simulated provider's ledger."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger

    def refunds(self) -> list[tuple[str, int]]:
        (item,) = self._ledger.scan()["Items"]
        made = [one for name, one in item.items() if name.startswith("re_") and one["status"] != "failed"]
        assert item.get("amount_refunded", 0) == sum(one["amount"] for one in made)
        return sorted((one["return_id"], int(one["amount"])) for one in made)

    def disputes(self) -> None:
        self._write(disputed=True)

    def gives_in(self) -> None:
        self._write(disputed=False)

    def sends_back(self) -> None:
        (item,) = self._ledger.scan()["Items"]
        failed = {name: one | {"status": "failed"} for name, one in item.items() if name.startswith("re_")}
        self._write(**failed, amount_refunded=0)

    def _write(self, **attributes: Any) -> None:
        (item,) = self._ledger.scan()["Items"]
        self._ledger.put_item(Item=item | attributes)
