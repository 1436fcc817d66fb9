"""The exceptions that the workflows name; a test holds the two lists equal.

An expected business outcome (out of stock, card declined) is a return value, not an exception. Four are raised all the
same: `TransactionConflict`, because the workflow can only retry what is raised, and `OrderInvalid`, `OrderDecided` and
`ReviewNeeded`, because a Catch routes them around the pipeline, where a returned value would need a Choice state for
every order (25 USD per million orders in a Standard workflow).

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


class TransactionConflict(Exception):
    """Another transaction touched the same items at the same moment; nothing was written. Retried soon and often.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
    """


class Unrecoverable(Exception):
    """A state that the protocol rules out, such as capturing a voided payment. A person has to look, and is called."""
