"""A task that waits for news of an order: its name is left at what the news will be written to.

Pattern: the idempotent callback. The table decides, the token only wakes. Who writes the news finds in the same item
whom to wake, and whoever comes to wait finds in it what has come before. One execution waits at a time. Another one
that comes, because the order's event was sent again, looks once and goes on: it ends where there is no news.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from aws import callback, guarded
from orders.tables import Item


@dataclass(frozen=True)
class Task:
    """An attempt at the task that waits: `number` counts an execution's from 0, and each has a `token` of its own."""

    execution: str
    number: int
    token: str


def task_of(event: dict[str, Any]) -> Task:
    """The task that calls, by what its workflow passes: `execution`, `attempt` and `task_token`."""
    return Task(event["execution"], event["attempt"], event["task_token"])


def register(table: str, order_id: str, task: Task, return_id: str = "", **first: Item) -> Item:
    """Be who waits, unless another execution does; answers the item as it stands then, {} if there is none. A later
    attempt at the same task replaces the token, and an earlier one that comes late does not.

    The waiter is written at the item's top level, or with one of its returns, if it is there. Attributes that come
    `first` are written with it unless they are there.
    """
    path = "#returns.#return." if return_id else ""
    once = "".join(f", {path}{name} = if_not_exists({path}{name}, :{name})" for name in first)
    item, _ = guarded.write(
        table,
        order_id,
        f"{path}waiter = :me, {path}attempt = :attempt, {path}task_token = :token{once}",
        f"attribute_exists({path.removesuffix('.') or 'order_id'})"
        f" AND (attribute_not_exists({path}waiter) OR ({path}waiter = :me AND {path}attempt <= :attempt))",
        {
            ":me": {"S": task.execution},
            ":attempt": {"N": str(task.number)},
            ":token": {"S": callback.encrypt(task.token, order_id, os.environ["SHIPPING_KEY_ID"])},
            **{f":{name}": value for name, value in first.items()},
            **({"#returns": "returns", "#return": return_id} if return_id else {}),
        },
    )
    return item


def settle(order_id: str, task: Task, waiter: str, task_token: str, *, news: bool) -> None:
    """Let go on who need not wait: all of them once there is `news`, else a task that is not the `waiter` that stands,
    with its `task_token`.
    """
    if news and task_token:
        callback.wake(task_token, order_id)
    if waiter != task.execution:
        callback.go_on(task.token)
