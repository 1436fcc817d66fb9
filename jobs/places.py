"""Where things are in the bucket.

What a run works on is under work/ and the run's own name, and expires there. What a day comes to is under the day, and
the next run of that day replaces it.
"""

from __future__ import annotations


def execution_name(run: str) -> str:
    """The name of the execution whose ARN `run` is; it names the run in the bucket and in the BookRuns table."""
    return run.rsplit(":", 1)[-1]


def segment_file(run: str, source: str, segment: int) -> str:
    """How far a segment of a source was extracted. Which files it lists, those there are; others count for nothing."""
    return f"{_work(run)}/extract/{source}/segments/{segment:04}.json"


def chunk_file(run: str, source: str, partition: int, name: str) -> str:
    """Items of one partition, which one segment found between two writes of its segment file."""
    return f"{extract_folder(run, source, partition)}{name}.jsonl.gz"


def extract_folder(run: str, source: str, partition: int) -> str:
    """What the keys of a partition's chunk files begin with."""
    return f"{_work(run)}/extract/{source}/{partition:05}/"


def part(run: str, partition: int, name: str) -> str:
    """What a partition was reconciled to. With its part.json, which is put last, it is whole."""
    return f"{_work(run)}/parts/{partition:05}/{name}"


def day_file(table: str, day: str, name: str) -> str:
    """A file of one of the tables that Athena reads, which are partitioned by day."""
    return f"{table}/day={day}/{name}"


def summary(day: str) -> str:
    """What the day came to, in JSON."""
    return f"summaries/{day}.json"


def report(day: str) -> str:
    """What the day came to, for people."""
    return f"reports/{day}.html"


def _work(run: str) -> str:
    return f"work/{execution_name(run)}"
