"""A table's stream, as far as it says which items have changed since it was opened. The tables say what they are now.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html
"""

from __future__ import annotations

from typing import Any

from console.place import Place

RECORDS = 1000  # in one answer at most


class Stream:
    """What `changed` answers begins where the stream was when this was made."""

    def __init__(self, place: Place, table: str, key: str = "order_id") -> None:
        self._client = place.client("dynamodbstreams")
        self._key = key
        described = place.client("dynamodb").describe_table(TableName=table)["Table"]
        self._arn = described["LatestStreamArn"]
        self._iterators: dict[str, str] = {}  # of the shards that may have more, by shard
        self._known: set[str] = set()
        self._add_shards("LATEST")

    def changed(self) -> set[str]:
        """The keys of all items that were written or deleted since the last time. Raises ClientError, also when too
        much time has passed: then open it anew.
        """
        keys: set[str] = set()
        before = len(self._iterators)
        for shard in list(self._iterators):
            keys |= self._read(shard)
        if len(self._iterators) < before:  # one has ended: others have taken its place
            self._add_shards("TRIM_HORIZON")
        return keys

    def _read(self, shard: str) -> set[str]:
        keys: set[str] = set()
        while True:
            answer = self._client.get_records(ShardIterator=self._iterators[shard], Limit=RECORDS)
            keys |= {record["dynamodb"]["Keys"][self._key]["S"] for record in answer["Records"]}
            following = answer.get("NextShardIterator")
            if following:
                self._iterators[shard] = following
            else:
                del self._iterators[shard]
            if not following or len(answer["Records"]) < RECORDS:
                return keys

    def _add_shards(self, start: str) -> None:
        for shard in self._shards():
            name = shard["ShardId"]
            of_the_past = start == "LATEST" and "EndingSequenceNumber" in shard.get("SequenceNumberRange", {})
            if name not in self._known and not of_the_past:
                found = self._client.get_shard_iterator(StreamArn=self._arn, ShardId=name, ShardIteratorType=start)
                self._iterators[name] = found["ShardIterator"]
            self._known.add(name)

    def _shards(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        more: dict[str, str] = {}
        while True:
            described = self._client.describe_stream(StreamArn=self._arn, **more)["StreamDescription"]
            found += described["Shards"]
            if "LastEvaluatedShardId" not in described:
                return found
            more = {"ExclusiveStartShardId": described["LastEvaluatedShardId"]}
