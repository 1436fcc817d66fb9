"""Lambda's pollers of the tables' streams, which the emulator models without partial batch responses.

Its rules: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html and `…/invocation-…`:
records in order; after a failed batch the same records again, in halves when the mapping bisects; a reported record
is the checkpoint, and it and everything behind it comes again; after the last attempt, or when they have become too
old, the records' position goes to the on-failure queue.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from simulation import ministack
from simulation.shortcuts import json_copy
from simulation.world import World

# Lambda does not say how long it waits between two attempts. Here it is longer each time, so that half a day of them
# is two dozen.
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 1.0, 3600.0


@dataclass
class Poller:
    """One shard's poller. `batch_size` and `newest_first` are the delivery's, the rest is the template's."""

    world: World
    table: str  # its physical name
    mapping: dict[str, Any]
    batch_size: int
    newest_first: bool = False
    position: int = 0
    running: bool = False
    largest: int = 0  # batch that it delivered

    @property
    def name(self) -> str:
        """Which mapping it is."""
        return str(self.mapping["UUID"])

    def wake(self) -> None:
        """There is something in the stream."""
        if not self.running:
            self.running = True
            # The mapping polls four times a second; what comes in between is one batch.
            self.world.loop.spawn(self._poll, delay=0.25, name="poller")

    def rewind(self) -> None:
        """Lose the checkpoint: everything that is still in the stream comes again."""
        self.position = 0
        self.wake()

    def _poll(self) -> None:
        dynamodb = self.world.services.modules["dynamodb"]
        while records := dynamodb.stream_records_since(self.table, self.position, self.batch_size):
            wanted = ministack.FILTER.get()(json_copy(records), self.mapping)
            self.largest = max(self.largest, len(wanted))
            if wanted:
                self._deliver(wanted[::-1] if self.newest_first else wanted)
            self.position += len(records)
        self.running = False

    def _deliver(self, records: list[dict[str, Any]]) -> None:
        attempts, backoff = 0, FIRST_BACKOFF_SECONDS
        while records:
            for record in records:
                order_id = record["dynamodb"]["Keys"]["order_id"]["S"]
                self.world.log("stream", order_id, record["eventName"].lower(), f"attempt {attempts + 1}")
            answer = self.world.invoke(self.mapping["FunctionArn"].rsplit(":", 1)[1], {"Records": records})
            failed = self._checkpoint(records, answer)
            if failed is None:
                return
            attempts += 1
            if self._is_given_up(records[failed], attempts):
                self._give_up(records[failed:])
                return
            if failed:
                records, attempts, backoff = records[failed:], 0, FIRST_BACKOFF_SECONDS
            elif answer.get("error") and self.mapping["BisectBatchOnFunctionError"] and len(records) > 1:
                half = len(records) // 2
                self._deliver(records[:half])
                records, attempts = records[half:], 0
            self.world.loop.sleep(backoff)
            backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)

    def _checkpoint(self, records: list[dict[str, Any]], answer: dict[str, Any]) -> int | None:
        """The index of the first record that has to come again, or None."""
        if answer.get("error"):
            return 0
        if "ReportBatchItemFailures" not in self.mapping["FunctionResponseTypes"]:
            return None
        reported = {failure["itemIdentifier"] for failure in answer["body"]["batchItemFailures"]}
        return next((n for n, r in enumerate(records) if r["dynamodb"]["SequenceNumber"] in reported), None)

    def _is_given_up(self, record: dict[str, Any], attempts: int) -> bool:
        """Whether Lambda stops retrying. An attempt limit of -1 is none.

        https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
        """
        mapping = self.mapping
        age = self.world.loop.now - record["dynamodb"]["ApproximateCreationDateTime"]
        return bool(0 <= mapping["MaximumRetryAttempts"] < attempts or age > mapping["MaximumRecordAgeInSeconds"])

    def _give_up(self, records: list[dict[str, Any]]) -> None:
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        keys = [record["dynamodb"]["Keys"] for record in records]
        message = {"DDBStreamBatchInfo": {"mapping": self.name, "numbers": numbers, "keys": keys}}
        self.world.send("StreamFailureQueueUrl", message)

    def hand_in(self, numbers: list[str]) -> None:
        """Have the records with these sequence numbers processed once more."""
        records = [record for record in self.world.changes if record["dynamodb"]["SequenceNumber"] in numbers]
        self.world.loop.spawn(functools.partial(self._deliver, json_copy(records)), name="a person")


class Pollers:
    """A poller for each stream that the template maps to a function."""

    def __init__(self, world: World, batch_size: int, newest_first: bool = False) -> None:
        self._world = world
        self._how = f"{batch_size} at a time{', newest first' if newest_first else ''}"
        self._by_table = {
            table: [
                Poller(world, table, mapping, batch_size, newest_first)
                for mapping in mappings
                if world.stack.stack_of(mapping["FunctionArn"]) not in world.absent
            ]
            for table, mappings in world.stack.mappings.items()
        }

    def __str__(self) -> str:
        return self._how

    @property
    def largest(self) -> int:
        """How many records the largest batch had."""
        return max(poller.largest for poller in self._all())

    def _all(self) -> Iterator[Poller]:
        return chain.from_iterable(self._by_table.values())

    def wake(self, table: str) -> None:
        """There is something in a table's stream."""
        for poller in self._by_table[table]:
            poller.wake()

    def rewind(self) -> None:
        """Lose the checkpoints: everything that is still in the streams comes again."""
        for poller in self._all():
            poller.rewind()

    def hand_in(self) -> None:
        """What the runbook says (docs/operations.md#stream-failures-waiting): give the records that Lambda gave up on
        to the function again, straight from the stream. The messages about records that made no sense stay.
        """
        for message in self._world.drain("StreamFailureQueueUrl"):
            if batch := message.get("DDBStreamBatchInfo"):
                given_up = next(poller for poller in self._all() if poller.name == batch["mapping"])
                given_up.hand_in(batch["numbers"])
            else:
                self._world.send("StreamFailureQueueUrl", message)
