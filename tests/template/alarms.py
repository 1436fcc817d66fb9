"""Alarms and dashboards as the tests of templates and of the runbook read them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from orders import Outcome, Reason
from tests.template.stack import ROOT, Function, Json, TransformedTemplate

Metric = tuple[str, str, tuple[tuple[str, str], ...]]  # namespace, name, dimensions
ANY = ""  # the value of a dimension in a search expression, which finds them all

# What the services publish, and under which dimensions: a metric that does not exist never alarms.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
# https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html
PUBLISHED = {
    ("AWS/SQS", "QueueName"): {"ApproximateNumberOfMessagesVisible"},
    ("AWS/Lambda", "FunctionName"): {"Errors", "IteratorAge"},
    ("AWS/Lambda", ""): {"Throttles"},
    ("AWS/DynamoDB", "TableName"): {"TransactionConflict"},
    ("AWS/ApiGateway", "ApiId"): {"5xx"},
    ("AWS/Scheduler", "ScheduleGroup"): {"InvocationDroppedCount"},
    ("AWS/States", "StateMachineArn"): {
        "ExecutionsAborted",
        "ExecutionsFailed",
        "ExecutionsSucceeded",
        "ExecutionsTimedOut",
    },
}


def alarm_metric(alarm: Json) -> Metric:
    dimensions = tuple((each["Name"], each["Value"]) for each in alarm.get("Dimensions", []))
    return alarm["Namespace"], alarm["MetricName"], dimensions


def is_published(stack: TransformedTemplate, metric: Metric) -> bool:
    namespace, name, dimensions = metric
    keys = [key for key, _ in dimensions]
    if name in PUBLISHED.get((namespace, ",".join(keys)), set()):
        return True
    return any(
        (namespace, name, set(keys)) == (function.environment.get("POWERTOOLS_METRICS_NAMESPACE"), emitted, names)
        for function in (*stack.functions.values(), *stack.pipeline.functions.values())
        if dict(dimensions).get("service") in (function.package, ANY)
        for emitted, names in emitted_by(function)
    )


def emitted_by(function: Function) -> Iterator[tuple[str, set[str]]]:
    """The business metrics in a handler's code, each with the names of its dimensions (aws/metrics.py)."""
    for node in ast.walk(ast.parse(function.file.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="emit"), args=[ast.Dict(keys=metrics), *others]):
                names = {key for each in others if isinstance(each, ast.Dict) for key in _texts(each.keys)}
                yield from ((metric, {"service", *names}) for metric in _texts(metrics))


def _texts(nodes: list[ast.expr | None]) -> list[str]:
    return [str(node.value) for node in nodes if isinstance(node, ast.Constant)]


def known_values(stack: TransformedTemplate) -> set[str]:
    """What dimensions may be: the names of queues, functions and tables; for business metrics the folder of the
    function, and an outcome with its reason.
    """
    kinds = ("AWS::Lambda::Function", "AWS::DynamoDB::Table")
    queues = {stack.attribute(name, "QueueName") for name in stack.of_type("AWS::SQS::Queue")}
    resources = {stack.ref(name) for kind in kinds for name in stack.of_type(kind)}
    return queues | resources | stack.functions.keys() | {*Outcome, *Reason, ANY}


def rings_at(alarm: Json) -> str:
    """When an alarm rings, as the table in docs/operations.md says it."""
    threshold = f"{alarm['Threshold']}"
    if alarm["MetricName"] == "IteratorAge":
        threshold = f"{alarm['Threshold'] // 1000} s"
    comparisons = {
        "GreaterThanThreshold": "more than ",
        "GreaterThanOrEqualToThreshold": "",
        "LessThanThreshold": "less than ",
    }
    than = comparisons[alarm["ComparisonOperator"]]
    minutes = {60: "a minute", 300: "5 minutes", 1800: "half an hour", 3600: "an hour"}[alarm["Period"]]
    times = alarm["EvaluationPeriods"]
    missing = {"notBreaching": "", "breaching": ", or no data"}[alarm["TreatMissingData"]]
    return f"{than}{threshold} in {minutes}" + (f", {times} times in a row" if times > 1 else "") + missing


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
        if not fields:
            yield searched(entry[0]["expression"])
            continue
        if fields[0] == "...":
            fields = [*above[: len(above) - len(fields) + 1], *fields[1:]]
        above = [above[place] if field == "." else field for place, field in enumerate(fields)]
        namespace, name, *rest = above
        yield namespace, name, tuple(zip(rest[::2], rest[1::2], strict=True))


def searched(expression: str) -> Metric:
    """The metric that a search expression finds, with whatever values of its dimensions. Its namespace is in quotes: a
    stack's name may have hyphens.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
    """
    found = re.fullmatch(r"""SEARCH\('\{"([^"]+)",([\w,]+)\} MetricName="(\w+)"', '\w+', \d+\)""", expression)
    assert found, expression
    return found[1], found[3], tuple((name, ANY) for name in found[2].split(","))
