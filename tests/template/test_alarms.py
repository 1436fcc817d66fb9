"""Logs, traces, alarms and dashboards of every stack."""

from __future__ import annotations

import json
import re

import pytest

from simulation.stack import PIPELINE
from tests.template.alarms import (
    Metric,
    alarm_metric,
    anchors,
    dashboard_metrics,
    emitted_by,
    is_published,
    known_values,
    rings_at,
    searched,
)
from tests.template.stack import REGION, ROOT, TEMPLATES, TransformedTemplate, transformed

NIGHT = "BooksWorkflow"
each_template = pytest.mark.parametrize("name", TEMPLATES)


# ── Logs and traces ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_function_logs_json_into_a_group_of_its_own_that_forgets(stack: TransformedTemplate) -> None:
    groups = stack.of_type("AWS::Logs::LogGroup")
    for package, function in stack.functions.items():
        logging = function.properties["LoggingConfig"]
        assert logging == {
            "LogFormat": "JSON",
            "SystemLogLevel": "WARN",
            "LogGroup": f"/aws/lambda/{stack.name}/{package}",
        }
        assert groups[stack.id_of("AWS::Logs::LogGroup", logging["LogGroup"])]["RetentionInDays"] == 30


def test_every_workflow_logs_failures_without_data_into_a_group_that_forgets(stack: TransformedTemplate) -> None:
    for name, workflow in stack.workflows.items():
        logging = workflow.properties["LoggingConfiguration"]
        assert (logging["Level"], logging["IncludeExecutionData"]) == ("ERROR", False), name
        [destination] = logging["Destinations"]
        arn = destination["CloudWatchLogsLogGroup"]["LogGroupArn"]
        assert arn.endswith(":*"), name  # without it the state machine is refused
        group = stack.properties_of("AWS::Logs::LogGroup", arn)
        # CloudWatch Logs gives itself the permission for groups of this name.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html
        assert group["LogGroupName"].startswith(f"/aws/vendedlogs/states/{stack.name}"), name
        assert group["RetentionInDays"] == 30, name


@each_template
def test_how_long_logs_are_kept_is_a_parameter(name: str) -> None:
    if "LogRetentionDays" in transformed(name).get("Parameters", {}):
        groups = TransformedTemplate(transformed(name), name, LogRetentionDays=7).of_type("AWS::Logs::LogGroup")
        assert {group["RetentionInDays"] for group in groups.values()} == {7}


def test_everything_is_traced(stack: TransformedTemplate) -> None:
    modes = {name: function.properties["TracingConfig"]["Mode"] for name, function in stack.functions.items()}
    assert modes == dict.fromkeys(stack.functions, "Active")
    for name, workflow in stack.workflows.items():
        assert workflow.properties["TracingConfiguration"] == {"Enabled": True}, name


# ── Alarms and the dashboard ────────────────────────────────────────────────────────────────────────────────────────


def test_every_queue_has_an_alarm(stack: TransformedTemplate) -> None:
    queues = [stack.attribute(name, "QueueName") for name in stack.of_type("AWS::SQS::Queue")]
    watched: set[Metric] = {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", (("QueueName", queue),)) for queue in queues
    }
    assert watched - {alarm_metric(alarm) for alarm in stack.of_type("AWS::CloudWatch::Alarm").values()} == set()


def test_the_runbook_says_when_each_alarm_rings_and_why(stacks: dict[str, TransformedTemplate]) -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    row = r"^\| `(\w+Alarm)`(?: \(([\w ]+)\))? \| ([^|]+) \| \[([^]]+)\]\((#[\w-]+)\) \|$"
    said = {
        (of.replace(" ", "") or PIPELINE, name, at, f"{why}. docs/operations.md{anchor}")
        for name, of, at, why, anchor in re.findall(row, page, re.MULTILINE)
    }
    assert said == {
        (stack.name, name, rings_at(alarm), alarm["AlarmDescription"])
        for stack in stacks.values()
        for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items()
    }


def test_every_alarm_is_about_a_metric_that_exists(stack: TransformedTemplate) -> None:
    alarms = stack.of_type("AWS::CloudWatch::Alarm")
    assert [name for name, alarm in alarms.items() if not is_published(stack, alarm_metric(alarm))] == []


def test_no_alarm_is_about_what_is_tried_again(stack: TransformedTemplate) -> None:
    # A function that raised, an execution that ended early: the order stays open, and is swept. A night is on no list.
    metrics = [alarm_metric(alarm) for alarm in stack.of_type("AWS::CloudWatch::Alarm").values()]
    assert [metric for metric in metrics if metric[1] == "Errors"] == []
    watched = {value for space, _, dimensions in metrics if space == "AWS/States" for _, value in dimensions}
    assert watched == {stack.ref(name) for name in stack.workflows if name == NIGHT}


def test_every_alarm_tells_the_alert_topic(stack: TransformedTemplate) -> None:
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        assert alarm["AlarmActions"] == [stack.pipeline.ref("AlertTopic")], name


def test_only_alarms_for_what_does_not_run_ring_where_nothing_happens(stack: TransformedTemplate) -> None:
    alarms = stack.of_type("AWS::CloudWatch::Alarm").values()
    ringing = [alarm_metric(alarm) for alarm in alarms if alarm["TreatMissingData"] != "notBreaching"]
    assert [(space, of) for space, _, of in ringing] == [
        (function.environment["POWERTOOLS_METRICS_NAMESPACE"], (("service", package),))
        for package, function in stack.functions.items()
        if package == "sweep"
    ] + [
        ("AWS/States", (("StateMachineArn", workflow["Arn"]),))
        for workflow in (schedule["Target"] for schedule in stack.of_type("AWS::Scheduler::Schedule").values())
        if NIGHT in stack.workflows and stack.parameter("ScheduleState") == "ENABLED"
    ]


def test_every_alarm_says_where_to_read_what_to_do(stack: TransformedTemplate) -> None:
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        link = re.search(r"\. (docs/\w+\.md)#([\w-]+)$", alarm["AlarmDescription"])
        assert link, name
        assert link[2] in anchors(link[1]), f"{name}: {link[1]} has no heading for #{link[2]}"


def shown(stack: TransformedTemplate) -> list[Metric]:
    """What the stack's dashboards show."""
    dashboards = stack.of_type("AWS::CloudWatch::Dashboard").values()
    bodies = [json.loads(dashboard["DashboardBody"]) for dashboard in dashboards]
    assert {widget["properties"]["region"] for body in bodies for widget in body["widgets"]} <= {REGION}
    return [metric for body in bodies for widget in body["widgets"] for metric in dashboard_metrics(widget)]


def test_a_dashboard_shows_metrics_that_exist_of_resources_that_exist(stack: TransformedTemplate) -> None:
    known = known_values(stack) | known_values(stack.pipeline)
    for metric in shown(stack):
        assert is_published(stack, metric)
        assert {value for _, value in metric[2]} <= known


def test_the_pipelines_dashboard_shows_every_function(pipeline: TransformedTemplate) -> None:
    values = {value for metric in shown(pipeline) for _, value in metric[2]}
    assert {pipeline.ref(function.id) for function in pipeline.functions.values()} <= values


def test_a_search_whose_namespace_is_not_in_quotes_is_noticed() -> None:
    with pytest.raises(AssertionError, match="orders-local"):
        searched("SEARCH('{orders-local,outcome,service} MetricName=\"OrdersFinished\"', 'Sum', 60)")


@pytest.mark.parametrize(
    "metric",
    [
        ("orders", "OpenOrder", (("service", "sweep"),)),
        ("orders", "OpenOrders", (("service", "notify"),)),
        ("orders", "OpenOrders", ()),
        ("another", "OpenOrders", (("service", "sweep"),)),
        ("orders", "OrdersFinished", (("service", "notify"),)),
    ],
    ids=["name", "service", "no dimension", "namespace", "dimensions"],
)
def test_a_business_metric_that_no_function_emits_so_is_noticed(defaults: TransformedTemplate, metric: Metric) -> None:
    assert is_published(defaults, ("orders", "OpenOrders", (("service", "sweep"),)))
    assert not is_published(defaults, metric)


def test_every_business_metric_is_on_the_dashboard(defaults: TransformedTemplate) -> None:
    on_it = {name for _, name, _ in shown(defaults)}
    emitted = {name for function in defaults.functions.values() for name, _ in emitted_by(function)}
    assert len(emitted) > 5
    assert emitted <= on_it
