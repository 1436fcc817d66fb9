"""What the commands conclude from what they see, and what they take."""

from __future__ import annotations

import json

import pytest

from stress.__main__ import main
from stress.outage import sweeps
from stress.watch import is_about


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        (json.dumps({"orders": 1, "open": [{"order_id": "burst-1-00001"}]}), True),
        (json.dumps({"orders": 2, "open": [{"order_id": "other"}, {"order_id": "burst-1-00001"}]}), True),
        (json.dumps({"orders": 1, "open": [{"order_id": "other"}]}), False),
        ("Alarm: StreamLag", True),
        (json.dumps({"AlarmName": "StreamLag"}), True),
    ],
)
def test_a_call_counts_unless_it_is_about_other_orders_only(text: str, ours: bool) -> None:
    assert is_about(text, "burst-1") == ours


def test_sweeps_are_counted_by_order_from_the_log() -> None:
    def line(message: str, order_id: str) -> str:
        return f"sweep      {json.dumps({'level': 'INFO', 'message': message, 'order_id': order_id})}"

    log = [
        line("swept", "outage-1-1"),
        line("swept", "outage-1-2"),
        line("swept", "outage-1-1"),
        line("swept", "somebody-elses"),
        line("not claimed", "outage-1-1"),
        "sweep      START RequestId: 1",
        'sweep      "text"',
    ]
    assert sweeps("\n".join(log), "outage-1") == {"outage-1-1": 2, "outage-1-2": 1}


@pytest.mark.parametrize(
    "arguments",
    [
        ["burst", "--orders", "0"],
        ["burst", "--orders", "many"],
        ["outage"],
        ["outage", "--service", "nothing"],
        ["outage", "--service", "payment", "--minutes", "0"],
        ["outage", "--service", "payment", "--minutes", "56"],
        ["outage", "--service", "payment", "--minutes", "nan"],
    ],
)
def test_wrong_usage_is_told_before_anything_is_started(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
