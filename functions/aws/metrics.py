"""Business metrics, in CloudWatch's embedded metric format: a log line that is the metric as well.

Only functions that have something to count import it. Their line about an effect is this one, so a metric costs no
line of its own. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html
"""

from __future__ import annotations

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit


def emit(
    values: dict[str, tuple[MetricUnit, float]], dimensions: dict[str, str] | None = None, **metadata: str | float
) -> None:
    """Write one line with these metrics, by name, as (unit, value). `metadata` is in the line and in no metric.

    The namespace and the dimension `service` come from POWERTOOLS_METRICS_NAMESPACE and POWERTOOLS_SERVICE_NAME.
    """
    metrics = Metrics()
    for name, value in (dimensions or {}).items():
        metrics.add_dimension(name, value)
    for name, (unit, number) in values.items():
        metrics.add_metric(name, unit, number)
    for name, text in metadata.items():
        metrics.add_metadata(name, text)
    metrics.flush_metrics()


__all__ = ["MetricUnit", "emit"]
