"""How a metric is written.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from aws.metrics import MetricUnit, emit


@pytest.fixture(autouse=True)
def _of_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "orders")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "sweep")


def directives(printed: Callable[[], str]) -> list[Any]:
    """What each line says of its metrics."""
    return [json.loads(line)["_aws"]["CloudWatchMetrics"] for line in printed().splitlines()]


def test_metrics_are_of_the_stack_and_of_the_function_that_writes_them(printed):
    emit({"OpenOrders": (MetricUnit.Count, 3), "OldestOpenOrderMinutes": (MetricUnit.NoUnit, 1.5)})

    assert directives(printed) == [
        [
            {
                "Namespace": "orders",
                "Dimensions": [["service"]],
                "Metrics": [
                    {"Name": "OpenOrders", "Unit": "Count"},
                    {"Name": "OldestOpenOrderMinutes", "Unit": "None"},
                ],
            }
        ]
    ]


def test_what_is_only_told_is_no_dimension(printed, metrics):
    emit({"OrdersFinished": (MetricUnit.Count, 1)}, {"outcome": "CONFIRMED", "reason": "ACCEPTED"}, order_id="order-1")

    assert directives(printed)[0][0]["Dimensions"] == [["outcome", "reason", "service"]]
    assert metrics() == [
        {
            "outcome": "CONFIRMED",
            "reason": "ACCEPTED",
            "service": "sweep",
            "order_id": "order-1",
            "OrdersFinished": 1,
        }
    ]


def test_one_line_knows_nothing_of_the_one_before_it(printed, metrics):
    emit({"OrdersFinished": (MetricUnit.Count, 1)}, {"outcome": "CONFIRMED"}, order_id="order-1")
    emit({"OrdersReopened": (MetricUnit.Count, 1)})

    assert directives(printed)[1][0]["Dimensions"] == [["service"]]
    assert metrics()[1] == {"service": "sweep", "OrdersReopened": 1}
