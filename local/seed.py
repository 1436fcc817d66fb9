"""What a fresh stack's tables hold before anything happens."""

from __future__ import annotations

import json
from pathlib import Path

from local.stack import Problem, RunningStack


def seed(stack: RunningStack, file: Path) -> None:
    """Put a JSON file's items into tables: it has a list of them for each table, under the name of the table's output.

    Raises Problem when the file is none, or names a table that the stack does not have.
    """
    try:
        items_of = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(f"{file} can't be read: {error}") from None
    if missing := [output for output in items_of if output not in stack.outputs]:
        raise Problem(f"{file} has items for {', '.join(missing)}, which the stack does not have.")
    for output, items in items_of.items():
        with stack.table(output).batch_writer() as batch:
            for item in items:
                batch.put_item(Item=item)
