"""Alarms and dashboards as the tests of templates and of the runbook read them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.template.stack import ROOT, Json, TransformedTemplate

Metric = tuple[str, str, tuple[tuple[str, str], ...]]  # namespace, name, dimensions

# What the services publish, and under which dimensions: a metric that does not exist never alarms.
# https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
PUBLISHED = {
    ("AWS/States", "StateMachineArn"): {
        "ExecutionsStarted",
        "ExecutionsSucceeded",
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "ExecutionTime",
    },
    ("AWS/SQS", "QueueName"): {"ApproximateNumberOfMessagesVisible"},
    ("AWS/Lambda", "FunctionName"): {"Errors", "IteratorAge"},
    ("AWS/Lambda", ""): {"Throttles"},
    ("AWS/DynamoDB", "TableName"): {"TransactionConflict"},
}


def alarm_metric(alarm: Json) -> Metric:
    dimensions = tuple((each["Name"], each["Value"]) for each in alarm.get("Dimensions", []))
    return alarm["Namespace"], alarm["MetricName"], dimensions


def is_published(stack: TransformedTemplate, metric: Metric) -> bool:
    namespace, name, dimensions = metric
    dimension = ",".join(key for key, _ in dimensions)
    return metric in counted_in_logs(stack) or name in PUBLISHED.get((namespace, dimension), set())


def counted_in_logs(stack: TransformedTemplate) -> set[Metric]:
    """The metrics that the stack's own filters make of log lines."""
    return {
        (counted["MetricNamespace"], counted["MetricName"], ())
        for metric_filter in stack.of_type("AWS::Logs::MetricFilter").values()
        for counted in metric_filter["MetricTransformations"]
    }


def names_of_resources(stack: TransformedTemplate) -> set[str]:
    """What dimensions may be: the names of queues, functions and tables, the workflow's ARN."""
    kinds = ("AWS::Lambda::Function", "AWS::DynamoDB::Table", "AWS::StepFunctions::StateMachine")
    queues = {stack.attribute(name, "QueueName") for name in stack.of_type("AWS::SQS::Queue")}
    return queues | {stack.ref(name) for kind in kinds for name in stack.of_type(kind)}


def rings_at(alarm: Json) -> str:
    """When an alarm rings, as the table in docs/operations.md says it."""
    threshold = f"{alarm['Threshold']}"
    if alarm["MetricName"] == "IteratorAge":
        threshold = f"{alarm['Threshold'] // 1000} s"
    than = {"GreaterThanThreshold": "more than ", "GreaterThanOrEqualToThreshold": ""}[alarm["ComparisonOperator"]]
    minutes = {60: "a minute", 300: "5 minutes"}[alarm["Period"]]
    times = alarm["EvaluationPeriods"]
    return f"{than}{threshold} in {minutes}" + (f", {times} times in a row" if times > 1 else "")


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#{1,6} +(.+?) *$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dashboard_metrics(widget: Json) -> Iterator[Metric]:
    """A widget's metrics, with its abbreviations written out: "." repeats a field, "..." all but the last ones.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """
    above: list[str] = []
    for entry in widget["properties"]["metrics"]:
        fields = [field for field in entry if isinstance(field, str)]
        if fields[0] == "...":
            fields = [*above[: len(above) - len(fields) + 1], *fields[1:]]
        above = [above[place] if field == "." else field for place, field in enumerate(fields)]
        namespace, name, *rest = above
        yield namespace, name, tuple(zip(rest[::2], rest[1::2], strict=True))
