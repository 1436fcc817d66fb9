"""What other tools, operators and the code itself rely on in the template."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from orders import errors, events, retention
from tests.template.stack import FUNCTIONS, PARAMETER_SETS, REGION, ROOT, Json, Stack, transformed

DAY = 24 * 60 * 60
FOURTEEN_DAYS = 14 * DAY


# ── Parameters and outputs ──────────────────────────────────────────────────────────────────────────────────────────


def test_outputs_are_those_of_the_contract(defaults: Stack) -> None:
    assert {name: output["Value"] for name, output in defaults.outputs.items()} == {
        "OrdersTableName": defaults.ref("OrdersTable"),
        "OrderStatesTableName": defaults.ref("OrderStatesTable"),
        "InventoryTableName": defaults.ref("InventoryTable"),
        "PaymentsTableName": defaults.ref("PaymentsTable"),
        "SimulatedGatewayTableName": defaults.ref("SimulatedGatewayTable"),
        "EventBusName": defaults.ref("EventBus"),
        "OrderWorkflowArn": defaults.ref("OrderWorkflow"),
        "DeadLetterQueueUrl": defaults.ref("DeadLetterQueue"),
        "StreamFailureQueueUrl": defaults.ref("StreamFailureQueue"),
        "AlertTopicArn": defaults.ref("AlertTopic"),
        "AlertKeyArn": defaults.arn("AlertKey"),
    }


def test_every_output_is_exported_under_the_stacks_name_and_its_own(stack: Stack) -> None:
    exported = {name: output["Export"]["Name"] for name, output in stack.outputs.items()}
    assert exported == {name: f"orders-{name}" for name in stack.outputs}


def test_a_stack_with_stripe_has_no_simulated_gateway() -> None:
    stack = Stack(transformed(), **PARAMETER_SETS["providers"])
    assert "SimulatedGatewayTable" not in stack.resources
    assert "SimulatedGatewayTableName" not in stack.outputs


def test_every_parameter_has_a_default_that_it_allows() -> None:
    for name, parameter in transformed()["Parameters"].items():
        assert "Default" in parameter, name
        assert parameter["Default"] in parameter.get("AllowedValues", [parameter["Default"]]), name


def test_every_parameter_and_output_says_what_it_is_for() -> None:
    template = transformed()
    assert all(entry["Description"] for section in ("Parameters", "Outputs") for entry in template[section].values())


def test_alerts_go_to_the_address_that_was_given_or_to_nobody(defaults: Stack) -> None:
    assert defaults.of_type("AWS::SNS::Subscription") == {}
    stack = Stack(transformed(), AlertEmail="oncall@example.com")
    [subscription] = stack.of_type("AWS::SNS::Subscription").values()
    assert subscription == {
        "TopicArn": stack.ref("AlertTopic"),
        "Protocol": "email",
        "Endpoint": "oncall@example.com",
    }


# ── Tables ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("table", "keys", "expiry"),
    [
        ("OrdersTable", {"order_id": "HASH"}, None),
        ("InventoryTable", {"pk": "HASH", "sk": "RANGE"}, "expires_at"),
        ("PaymentsTable", {"order_id": "HASH"}, "expires_at"),
        ("IdempotencyTable", {"id": "HASH"}, "expiration"),
        ("SimulatedGatewayTable", {"id": "HASH"}, None),
    ],
)
def test_a_table_has_the_keys_and_the_expiry_that_the_code_writes(
    defaults: Stack, table: str, keys: dict[str, str], expiry: str | None
) -> None:
    properties = defaults.of_type("AWS::DynamoDB::Table")[table]
    assert {key["AttributeName"]: key["KeyType"] for key in properties["KeySchema"]} == keys
    assert properties.get("TimeToLiveSpecification") == (expiry and {"AttributeName": expiry, "Enabled": True})


def test_the_gateways_intents_are_found_by_order(defaults: Stack) -> None:
    [index] = defaults.of_type("AWS::DynamoDB::Table")["SimulatedGatewayTable"]["GlobalSecondaryIndexes"]
    assert index == {
        "IndexName": "by-order",
        "KeySchema": [{"AttributeName": "order_id", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }


def test_every_table_can_be_restored_to_any_point_in_time_and_is_billed_by_use(stack: Stack) -> None:
    for name, table in stack.of_type("AWS::DynamoDB::Table").items():
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
        assert table["BillingMode"] == "PAY_PER_REQUEST", name


def test_tables_outlive_the_stack_but_not_a_first_deployment_that_failed(stack: Stack) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
    tables = {name: stack.resources[name] for name in stack.of_type("AWS::DynamoDB::Table")}
    assert {name: table["DeletionPolicy"] for name, table in tables.items()} == dict.fromkeys(
        tables, "RetainExceptOnCreate"
    )
    # An update that replaces a table never takes the data with it.
    assert {name: table["UpdateReplacePolicy"] for name, table in tables.items()} == dict.fromkeys(tables, "Retain")


@pytest.mark.parametrize("attribute", ["DeletionPolicy", "UpdateReplacePolicy"])
def test_what_becomes_of_a_resource_is_written_out(attribute: str) -> None:
    # An intrinsic function there needs the transform AWS::LanguageExtensions, which refuses it on a resource with a
    # condition: https://github.com/aws-cloudformation/cloudformation-language-discussion/issues/124
    policies = [resource.get(attribute, "Delete") for resource in transformed()["Resources"].values()]
    assert [policy for policy in policies if not isinstance(policy, str)] == []


def test_sam_is_the_only_transform() -> None:
    assert yaml_parse((ROOT / "template.yaml").read_text("utf-8"))["Transform"] == "AWS::Serverless-2016-10-31"


# ── From the stream to the workflow ─────────────────────────────────────────────────────────────────────────────────


def test_the_streams_show_what_publish_reads_and_no_more(stack: Stack) -> None:
    tables = stack.of_type("AWS::DynamoDB::Table")
    streams = {name: table["StreamSpecification"] for name, table in tables.items() if "StreamSpecification" in table}
    assert streams == {
        "OrdersTable": {"StreamViewType": "KEYS_ONLY"},
        "OrderStatesTable": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
    }


@pytest.mark.parametrize(
    ("table", "changes"), [("OrdersTable", ["INSERT"]), ("OrderStatesTable", ["INSERT", "MODIFY"])]
)
def test_the_stream_mappings_neither_lose_records_nor_block_a_shard(
    stack: Stack, table: str, changes: list[str]
) -> None:
    mappings = stack.of_type("AWS::Lambda::EventSourceMapping").values()
    [mapping] = [each for each in mappings if each["EventSourceArn"] == stack.attribute(table, "StreamArn")]
    assert json.loads(mapping["FilterCriteria"]["Filters"][0]["Pattern"]) == {"eventName": changes}
    assert {key: value for key, value in mapping.items() if key not in ("FilterCriteria", "BatchSize")} == {
        "FunctionName": stack.ref("PublishFunction"),
        "EventSourceArn": stack.attribute(table, "StreamArn"),
        # An order placed before the mapping was ready is an order too.
        "StartingPosition": "TRIM_HORIZON",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        # Without a number of attempts, which Lambda would use up in minutes: an outage of the bus may last hours.
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": 12 * 60 * 60,
        "DestinationConfig": {"OnFailure": {"Destination": stack.arn("StreamFailureQueue")}},
    }


def test_the_rule_starts_the_workflow_for_every_placed_order(stack: Stack) -> None:
    [rule] = stack.of_type("AWS::Events::Rule").values()
    assert rule["EventBusName"] == stack.ref("EventBus")
    assert rule["EventPattern"] == {"source": [events.SOURCE], "detail-type": [events.PLACED]}
    [target] = rule["Targets"]
    assert target["Arn"] == stack.ref("OrderWorkflow")
    # The workflow reads its input's order_id: what it gets is the event's detail, without the envelope.
    assert target["InputPath"] == "$.detail"


def test_an_event_that_cannot_start_the_workflow_is_tried_for_a_day_and_then_kept(stack: Stack) -> None:
    [target] = stack.of_type("AWS::Events::Rule")["OrderPlacedRule"]["Targets"]
    # The most that EventBridge offers: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": DAY, "MaximumRetryAttempts": 185}
    assert target["DeadLetterConfig"] == {"Arn": stack.arn("DeadLetterQueue")}


def test_what_failed_waits_fourteen_days_for_a_person(stack: Stack) -> None:
    queues = stack.of_type("AWS::SQS::Queue")
    assert {name: queue["MessageRetentionPeriod"] for name, queue in queues.items()} == dict.fromkeys(
        ("DeadLetterQueue", "StreamFailureQueue"), FOURTEEN_DAYS
    )


def test_what_absorbs_duplicates_outlives_every_redelivery_that_the_template_allows(stack: Stack) -> None:
    [target] = stack.of_type("AWS::Events::Rule")["OrderPlacedRule"]["Targets"]
    on_the_bus = target["RetryPolicy"]["MaximumEventAgeInSeconds"]
    in_the_stream = DAY  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
    waiting = stack.of_type("AWS::SQS::Queue")["DeadLetterQueue"]["MessageRetentionPeriod"]
    redrivable = FOURTEEN_DAYS  # https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
    longest = in_the_stream + on_the_bus + waiting + on_the_bus + redrivable
    assert longest <= retention.LONGEST_REDELIVERY_SECONDS < retention.RETENTION_SECONDS


# ── Functions and the workflow ──────────────────────────────────────────────────────────────────────────────────────


def test_there_is_one_function_for_each_handler(stack: Stack) -> None:
    assert stack.functions.keys() == {path.parent.name for path in FUNCTIONS.glob("*/app.py")}
    for function in stack.functions.values():
        assert function.properties["Handler"] == f"{function.package}.app.handler"


def test_every_function_has_a_role_of_its_own(stack: Stack) -> None:
    assert len({function.role for function in stack.functions.values()}) == len(stack.functions)


@pytest.mark.parametrize(("parameter", "value"), [("Architecture", "arm64"), ("PythonRuntime", "provided.al2023")])
def test_runtime_and_processor_of_every_function_are_parameters(parameter: str, value: str) -> None:
    stack = Stack(transformed(), **{parameter: value})
    for function in stack.functions.values():
        assert value in (function.properties["Runtime"], *function.properties["Architectures"])


def test_functions_run_python_on_common_machines_by_default(defaults: Stack) -> None:
    for function in defaults.functions.values():
        assert (function.properties["Runtime"], function.properties["Architectures"]) == ("python3.13", ["x86_64"])


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_the_workflow_is_of_the_type_that_was_asked_for(kind: str) -> None:
    [workflow] = Stack(transformed(), WorkflowType=kind).of_type("AWS::StepFunctions::StateMachine").values()
    assert workflow["StateMachineType"] == kind


def test_the_workflow_is_standard_by_default(defaults: Stack) -> None:
    [workflow] = defaults.of_type("AWS::StepFunctions::StateMachine").values()
    assert workflow["StateMachineType"] == "STANDARD"


def test_a_warm_function_ends_before_the_workflow_stops_waiting_for_it(defaults: Stack) -> None:
    functions = defaults.of_type("AWS::Lambda::Function")
    timeouts = {
        name: (functions[defaults.id_of("AWS::Lambda::Function", task["Arguments"]["FunctionName"])]["Timeout"], task)
        for name, task in defaults.tasks.items()
        if task["Resource"].endswith(":lambda:invoke")
    }
    assert timeouts.keys() == {"Validate", "Reserve", "Authorize", "Capture", "Release", "Void", "Notify"}
    assert [name for name, (timeout, task) in timeouts.items() if timeout >= task["TimeoutSeconds"]] == []


# ── Environment variables ───────────────────────────────────────────────────────────────────────────────────────────

READ_BY_LIBRARIES = {
    "AWS_ENDPOINT_URL": "botocore",
    "POWERTOOLS_LOG_LEVEL": "aws_lambda_powertools",
    "POWERTOOLS_SERVICE_NAME": "aws_lambda_powertools",
}


def sources_of(package: str) -> set[Path]:
    """The modules of functions/ that a handler loads, at the top or later."""
    found: set[Path] = set()
    to_read = [FUNCTIONS / package / "app.py"]
    while to_read:
        path = to_read.pop()
        if path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            modules = (FUNCTIONS / f"{name.replace('.', '/')}.py" for name in names)
            to_read.extend(module for module in modules if module.exists())
    return found


def variables_read(path: Path) -> Iterator[str]:
    """The environment variables that a module reads. Every use of os.environ has to name one."""
    tree = ast.parse(path.read_text("utf-8"))
    uses = sum(isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") for node in ast.walk(tree))
    for node in ast.walk(tree):
        match node:
            case (
                ast.Subscript(value=ast.Attribute(attr="environ"), slice=ast.Constant(value=str(name)))
                | ast.Call(
                    func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"),
                    args=[ast.Constant(value=str(name)), *_],
                )
                | ast.Call(func=ast.Attribute(attr="getenv"), args=[ast.Constant(value=str(name)), *_])
            ):
                uses -= 1
                yield name
    assert uses == 0, f"{path} uses the environment in a way that this test does not understand"


@pytest.mark.parametrize("package", sorted(path.parent.name for path in FUNCTIONS.glob("*/app.py")))
def test_a_function_gets_exactly_the_variables_that_its_code_reads(stack: Stack, package: str) -> None:
    read = {name for path in sources_of(package) for name in variables_read(path)}
    assert stack.functions[package].environment.keys() == read | READ_BY_LIBRARIES.keys()


# ── Logs and traces ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_function_logs_json_into_a_group_of_its_own_that_forgets() -> None:
    stack = Stack(transformed(), LogRetentionDays=7)
    groups = stack.of_type("AWS::Logs::LogGroup")
    for package, function in stack.functions.items():
        logging = function.properties["LoggingConfig"]
        assert logging == {"LogFormat": "JSON", "SystemLogLevel": "WARN", "LogGroup": f"/aws/lambda/orders/{package}"}
        assert groups[stack.id_of("AWS::Logs::LogGroup", logging["LogGroup"])]["RetentionInDays"] == 7


def test_the_workflow_logs_failures_without_data_into_a_group_that_forgets() -> None:
    stack = Stack(transformed(), LogRetentionDays=7)
    [workflow] = stack.of_type("AWS::StepFunctions::StateMachine").values()
    logging = workflow["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ERROR", False)
    [destination] = logging["Destinations"]
    arn = destination["CloudWatchLogsLogGroup"]["LogGroupArn"]
    assert arn.endswith(":*")  # without it the state machine is refused
    group = stack.of_type("AWS::Logs::LogGroup")[stack.id_of("AWS::Logs::LogGroup", arn)]
    assert group == {"LogGroupName": "/aws/vendedlogs/states/orders", "RetentionInDays": 7}


def test_everything_is_traced(stack: Stack) -> None:
    assert {function.properties["TracingConfig"]["Mode"] for function in stack.functions.values()} == {"Active"}
    [workflow] = stack.of_type("AWS::StepFunctions::StateMachine").values()
    assert workflow["TracingConfiguration"] == {"Enabled": True}


# ── Alarms and the dashboard ────────────────────────────────────────────────────────────────────────────────────────

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


def is_published(stack: Stack, metric: Metric) -> bool:
    namespace, name, dimensions = metric
    dimension = ",".join(key for key, _ in dimensions)
    return metric in counted_in_logs(stack) or name in PUBLISHED.get((namespace, dimension), set())


def counted_in_logs(stack: Stack) -> set[Metric]:
    """The metrics that the stack's own filters make of log lines."""
    return {
        (counted["MetricNamespace"], counted["MetricName"], ())
        for metric_filter in stack.of_type("AWS::Logs::MetricFilter").values()
        for counted in metric_filter["MetricTransformations"]
    }


def names_of_resources(stack: Stack) -> set[str]:
    """What dimensions may be: the names of queues, functions and tables, the workflow's ARN."""
    kinds = ("AWS::SQS::Queue", "AWS::Lambda::Function", "AWS::DynamoDB::Table", "AWS::StepFunctions::StateMachine")
    return {
        stack.ref(name) if kind == "AWS::StepFunctions::StateMachine" else name
        for kind in kinds
        for name in stack.of_type(kind)
    }


def test_there_is_an_alarm_for_everything_that_needs_a_person(stack: Stack) -> None:
    workflow = (("StateMachineArn", stack.ref("OrderWorkflow")),)
    assert {alarm_metric(alarm) for alarm in stack.of_type("AWS::CloudWatch::Alarm").values()} == {
        ("AWS/States", "ExecutionsFailed", workflow),
        ("AWS/States", "ExecutionsTimedOut", workflow),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", (("QueueName", "DeadLetterQueue"),)),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", (("QueueName", "StreamFailureQueue"),)),
        ("AWS/Lambda", "IteratorAge", (("FunctionName", "PublishFunction"),)),
        ("orders", "UnexpectedErrors", ()),
        ("AWS/Lambda", "Throttles", ()),
        ("AWS/DynamoDB", "TransactionConflict", (("TableName", "InventoryTable"),)),
    }


def test_every_alarm_is_about_a_metric_that_exists(stack: Stack) -> None:
    alarms = stack.of_type("AWS::CloudWatch::Alarm")
    assert [name for name, alarm in alarms.items() if not is_published(stack, alarm_metric(alarm))] == []


def test_the_errors_of_every_function_are_counted_except_those_that_the_workflow_expects(stack: Stack) -> None:
    expected = {name for name, _ in inspect.getmembers(errors, inspect.isclass)} - {"Unrecoverable"}
    filters = stack.of_type("AWS::Logs::MetricFilter").values()
    logs = {function.properties["LoggingConfig"]["LogGroup"] for function in stack.functions.values()}
    assert sorted(each["LogGroupName"] for each in filters) == sorted(logs)
    for each in filters:
        first, *others = each["FilterPattern"].removeprefix("{ ").removesuffix(" }").split(" && ")
        assert first == '($.errorType = "*")'  # a line without the field is no error
        assert sorted(others) == [f'($.errorType != "{name}")' for name in sorted(expected)]
        [counted] = each["MetricTransformations"]
        assert (counted["MetricName"], counted["MetricValue"]) == ("UnexpectedErrors", "1")


def test_what_is_expected_and_retried_is_in_no_alarms_metric(stack: Stack) -> None:
    # Lambda counts every exception as an error, also one that the workflow retries or catches by name.
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    metrics = {alarm_metric(alarm)[:2] for alarm in stack.of_type("AWS::CloudWatch::Alarm").values()}
    assert ("AWS/Lambda", "Errors") not in metrics


def rings_at(alarm: Json) -> str:
    """When an alarm rings, as the table in docs/operations.md says it."""
    threshold = f"{alarm['Threshold']}"
    if alarm["MetricName"] == "IteratorAge":
        threshold = f"{alarm['Threshold'] // 1000} s"
    than = {"GreaterThanThreshold": "more than ", "GreaterThanOrEqualToThreshold": ""}[alarm["ComparisonOperator"]]
    minutes = {60: "a minute", 300: "5 minutes"}[alarm["Period"]]
    times = alarm["EvaluationPeriods"]
    return f"{than}{threshold} in {minutes}" + (f", {times} times in a row" if times > 1 else "")


def test_the_runbook_says_when_each_alarm_rings_and_why(stack: Stack) -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+Alarm)` \| ([^|]+) \| \[([^]]+)\]\((#[\w-]+)\) \|$", page, re.MULTILINE)
    alarms = stack.of_type("AWS::CloudWatch::Alarm")
    assert {name: (at, f"{why}. docs/operations.md{anchor}") for name, at, why, anchor in rows} == {
        name: (rings_at(alarm), alarm["AlarmDescription"]) for name, alarm in alarms.items()
    }


def test_every_alarm_tells_the_alert_topic_and_is_quiet_where_nothing_happens(stack: Stack) -> None:
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        assert alarm["AlarmActions"] == [stack.ref("AlertTopic")], name
        assert alarm["TreatMissingData"] == "notBreaching", name


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#{1,6} +(.+?) *$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_alarm_says_where_to_read_what_to_do(stack: Stack) -> None:
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        link = re.search(r"\. (docs/\w+\.md)#([\w-]+)$", alarm["AlarmDescription"])
        assert link, name
        assert link[2] in anchors(link[1]), f"{name}: {link[1]} has no heading for #{link[2]}"


def test_the_workflows_alert_says_where_to_read_what_to_do(defaults: Stack) -> None:
    message = defaults.definition["States"]["Escalate"]["Arguments"]["Message"]
    [(page, anchor)] = re.findall(r"(docs/\w+\.md)#([\w-]+)", message)
    assert anchor in anchors(page)


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


def test_the_dashboard_shows_metrics_that_exist_of_resources_that_exist(stack: Stack) -> None:
    [dashboard] = stack.of_type("AWS::CloudWatch::Dashboard").values()
    body: Any = json.loads(dashboard["DashboardBody"])
    known = names_of_resources(stack)
    shown = [metric for widget in body["widgets"] for metric in dashboard_metrics(widget)]
    assert len(shown) == 16
    for metric in shown:
        assert is_published(stack, metric)
        assert {value for _, value in metric[2]} <= known
    assert {widget["properties"]["region"] for widget in body["widgets"]} == {REGION}


def test_the_dashboard_shows_every_function(stack: Stack) -> None:
    [dashboard] = stack.of_type("AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(dashboard["DashboardBody"])["widgets"]
    shown = {value for widget in widgets for metric in dashboard_metrics(widget) for _, value in metric[2]}
    assert {function.id for function in stack.functions.values()} <= shown
