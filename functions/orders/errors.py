"""The exceptions that the workflows name; a test holds the two lists equal.

An expected business outcome (out of stock, card declined) is a return value, not an exception. Some are raised all the
same: `TransactionConflict`, because the workflow can only retry what is raised, and `OrderInvalid`, `OrderDecided`,
`ReviewNeeded`, `OrderTakenBack`, `StillOnItsWay` and `NothingToReturn`, because a Catch routes them around the way that
most orders go, where a returned value would need a Choice state for every order (25 USD per million orders in a
Standard workflow).

Everything that is not named here (a throttled request, a lost connection, a bug) is retried by the workflow and then
left to the sweep, which is safe because every step may be repeated.
"""

import json


class OrderInvalid(Exception):
    """The order can never be fulfilled as written. The message is a JSON list of `violations`, none of which quotes a
    value: the workflow reads it and stores the list with its decision.
    """

    def __init__(self, violations: list[str]) -> None:
        super().__init__(json.dumps(violations))
        self.violations = violations


class OrderDecided(Exception):
    """Somebody has decided already that the order comes to nothing: another execution, its customer, an approver. What
    stands is followed, and nothing is tried any more.
    """


class ReviewNeeded(Exception):
    """The order is over the limit above which a person has to approve it, and comes from nobody who did."""


class OrderTakenBack(Exception):
    """The customer has cancelled the order after it was confirmed and before it was shipped."""


class StillOnItsWay(Exception):
    """A parcel has not arrived yet, or a return is still under way. Whoever waits for it goes on when it has."""


class NothingToReturn(Exception):
    """The return was never written down, or its parcel never came and it has expired. There is nothing more to do."""


class TransactionConflict(Exception):
    """Another transaction touched the same items at the same moment; nothing was written. Retried soon and often.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
    """


class Unrecoverable(Exception):
    """A state that the protocol rules out, such as capturing a voided payment. A person has to look, and is called."""
