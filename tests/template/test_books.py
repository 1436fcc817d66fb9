"""The books' template: when a night begins, in what it runs, what its jobs may do, and who hears of one that failed.

The emulator starts nothing in a container or a network, and its scheduler knows no time zone, window, retry or dead
letter. So these are held against the template.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from jobs import findings, places, schema
from tests.template.alarms import alarm_metric
from tests.template.jobs import Job, jobs_of
from tests.template.stack import ACCOUNT, IMAGE, REGION, ROOT, Json, TransformedTemplate, parameter_sets, transformed
from tests.template.test_roles import allowed

NAME = "books"
GIVEN = {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"}
NIGHTLY = "arn:aws:states:eu-west-1:123456789012:stateMachine:books-books"


def books(**parameters: Any) -> TransformedTemplate:
    return TransformedTemplate(transformed(NAME), NAME, **parameters)


@pytest.fixture(scope="module", params=parameter_sets(NAME).items(), ids=lambda item: item[0])
def stack(request: pytest.FixtureRequest) -> TransformedTemplate:
    """The stack with each of its sets of parameters."""
    return books(**request.param[1])


@pytest.fixture(params=["BooksJob", "BooksRepairJob"])
def job(request: pytest.FixtureRequest) -> Job:
    return jobs_of(books())[request.param]


# ── When a night begins ─────────────────────────────────────────────────────────────────────────────────────────────


def schedule(**parameters: Any) -> Json:
    [properties] = books(**parameters).of_type("AWS::Scheduler::Schedule").values()
    return properties


def test_a_night_begins_every_day_in_the_shops_time_zone() -> None:
    planned = schedule(Schedule="cron(0 2 * * ? *)", TimeZone="Europe/Berlin")
    assert (planned["ScheduleExpression"], planned["ScheduleExpressionTimezone"]) == (
        "cron(0 2 * * ? *)",
        "Europe/Berlin",
    )
    days = {each["Name"]: each["Value"] for each in jobs_of(books(TimeZone="Europe/Berlin"))["BooksJob"].variables}
    assert days["TIME_ZONE"] == "Europe/Berlin"


@pytest.mark.parametrize(
    ("minutes", "window"), [(15, {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}), (0, {"Mode": "OFF"})]
)
def test_a_night_begins_within_a_window_or_at_its_time(minutes: int, window: Json) -> None:
    assert schedule(FlexibleWindowMinutes=minutes)["FlexibleTimeWindow"] == window


@pytest.mark.parametrize("repair", ["no", "yes"])
def test_a_night_is_told_when_it_was_meant_to_begin_and_whether_it_repairs(repair: str) -> None:
    target = schedule(Repair=repair)["Target"]
    assert target["Arn"] == NIGHTLY
    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    assert json.loads(target["Input"]) == {"scheduled_at": "<aws.scheduler.scheduled-time>", "repair": repair}


def test_a_night_that_cannot_be_started_is_tried_for_a_day_and_then_kept() -> None:
    target = schedule()["Target"]
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
    assert target["DeadLetterConfig"] == {"Arn": books().arn("BooksDeadLetterQueue")}


@pytest.mark.parametrize("state", ["ENABLED", "DISABLED"])
def test_a_night_that_never_came_is_missed_while_nights_come_by_themselves(state: str) -> None:
    stack = books(ScheduleState=state)
    assert schedule(ScheduleState=state)["State"] == state
    assert ("BooksMissingAlarm" in stack.resources) == (state == "ENABLED")
    if state == "ENABLED":
        missing = stack.of_type("AWS::CloudWatch::Alarm")["BooksMissingAlarm"]
        assert alarm_metric(missing) == ("AWS/States", "ExecutionsSucceeded", (("StateMachineArn", NIGHTLY),))
        # A day, the window, and the time that a night takes. CloudWatch looks back for a week at most, by the hour.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
        assert 86_400 < missing["Period"] * missing["EvaluationPeriods"] <= 7 * 86_400
        assert missing["Period"] >= 3_600


def test_every_way_in_which_a_night_can_end_badly_or_not_begin_is_alarmed(stack: TransformedTemplate) -> None:
    watched = {alarm_metric(alarm) for alarm in stack.of_type("AWS::CloudWatch::Alarm").values()}
    night = (("StateMachineArn", NIGHTLY),)
    assert watched - {("AWS/States", "ExecutionsSucceeded", night)} == {
        ("AWS/States", "ExecutionsFailed", night),
        ("AWS/States", "ExecutionsTimedOut", night),
        ("AWS/States", "ExecutionsAborted", night),
        ("AWS/Scheduler", "InvocationDroppedCount", (("ScheduleGroup", "books-BooksSchedules"),)),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", (("QueueName", "books-BooksDeadLetterQueue"),)),
    }


def test_the_scheduler_counts_this_schedule_alone() -> None:
    # It counts by group: https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html
    groups = [each["GroupName"] for each in books().of_type("AWS::Scheduler::Schedule").values()]
    assert groups == ["books-BooksSchedules"]


# ── In what it runs ─────────────────────────────────────────────────────────────────────────────────────────────────


def compute(stack: TransformedTemplate) -> Json:
    [environment] = stack.of_type("AWS::Batch::ComputeEnvironment").values()
    resources: Json = environment["ComputeResources"]
    return resources


def kinds(stack: TransformedTemplate, service: str) -> list[str]:
    return sorted(each["Type"] for each in stack.resources.values() if each["Type"].startswith(f"AWS::{service}::"))


def test_a_network_is_made_only_where_none_is_given() -> None:
    given = books(**GIVEN)
    assert kinds(given, "EC2") == []
    assert (compute(given)["Subnets"], compute(given)["SecurityGroupIds"]) == (["subnet-1", "subnet-2"], ["sg-1"])
    made = books()
    assert compute(made)["Subnets"] == [made.ref("BooksSubnetOne"), made.ref("BooksSubnetTwo")]
    assert compute(made)["SecurityGroupIds"] == [made.ref("BooksSecurityGroup")]


def test_its_subnets_are_in_two_zones_and_both_lead_out() -> None:
    stack = books()
    subnets = stack.of_type("AWS::EC2::Subnet")
    assert len({each["AvailabilityZone"] for each in subnets.values()}) == len(subnets) == 2
    associated = [each["SubnetId"] for each in stack.of_type("AWS::EC2::SubnetRouteTableAssociation").values()]
    assert sorted(associated) == sorted(stack.ref(name) for name in subnets)
    [way_out] = stack.of_type("AWS::EC2::Route").values()
    assert way_out["GatewayId"] == stack.ref("BooksInternetGateway")
    # What a night reads and writes does not leave AWS's network, and costs nothing to carry.
    endpoints = stack.of_type("AWS::EC2::VPCEndpoint").values()
    assert {each["ServiceName"] for each in endpoints} == {
        f"com.amazonaws.{REGION}.{name}" for name in ("s3", "dynamodb")
    }
    assert {each["VpcEndpointType"] for each in endpoints} == {"Gateway"}


def test_nothing_gets_into_its_network_and_only_what_is_encrypted_gets_out() -> None:
    [group] = books().of_type("AWS::EC2::SecurityGroup").values()
    assert group.get("SecurityGroupIngress", []) == []
    [out] = group["SecurityGroupEgress"]
    assert (out["IpProtocol"], out["FromPort"], out["ToPort"]) == ("tcp", 443, 443)


@pytest.mark.parametrize(("parameters", "public"), [({}, "ENABLED"), (GIVEN, "DISABLED")])
def test_a_container_has_an_address_of_its_own_only_where_it_needs_one_to_get_out(
    parameters: Json, public: str
) -> None:
    for one in jobs_of(books(**parameters)).values():
        assert one.container["NetworkConfiguration"] == {"AssignPublicIp": public}


def test_containers_run_on_fargate_as_many_as_are_asked_for() -> None:
    resources = compute(books(MaxVcpus=4))
    assert (resources["Type"], resources["MaxvCpus"]) == ("FARGATE", 4)


def test_a_job_is_nobodys_root_and_writes_to_its_own_volume_only(job: Job) -> None:
    container = job.container
    assert "Privileged" not in container
    assert container["ReadonlyRootFilesystem"] is True
    [mount] = container["MountPoints"]
    assert container["Volumes"] == [{"Name": mount["SourceVolume"]}]
    dockerfile = (ROOT / "jobs" / "Dockerfile").read_text("utf-8")
    assert f"USER {container['User']}\n" in dockerfile
    assert f"VOLUME {mount['ContainerPath']}\n" in dockerfile
    assert f"TMPDIR={mount['ContainerPath']} " in dockerfile


def test_a_job_that_dies_is_tried_again_unless_it_was_called_wrongly(job: Job) -> None:
    assert job.properties["RetryStrategy"] == {
        "Attempts": 3,
        "EvaluateOnExit": [{"OnExitCode": "2", "Action": "EXIT"}],
    }


def test_the_workflow_waits_for_all_of_a_jobs_attempts() -> None:
    stack = books()
    by_name = {one.properties["JobDefinitionName"]: one.properties for one in jobs_of(stack).values()}
    [workflow] = stack.workflows.values()
    submitted = [task for task in workflow.tasks.values() if "JobName" in task["Arguments"]]
    assert len(submitted) == 9
    for task in submitted:
        definition = by_name[task["Arguments"]["JobDefinition"]]
        running = definition["RetryStrategy"]["Attempts"] * definition["Timeout"]["AttemptDurationSeconds"]
        assert running < task["TimeoutSeconds"]  # it also waits for a container


def test_a_night_under_way_takes_the_revision_that_a_deployment_brings() -> None:
    # By an ARN it would be the revision of before, which CloudFormation has taken out of use.
    [workflow] = books().workflows.values()
    names = {task["Arguments"].get("JobDefinition") for task in workflow.tasks.values()} - {None}
    assert names == {"books-read", "books-repair"}


@pytest.mark.parametrize(
    ("uri", "image", "repository"),
    [
        ("", f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/books:latest", "books"),
        (IMAGE, IMAGE, "shop/books"),
        (f"{IMAGE.partition(':')[0]}@sha256:0a", f"{IMAGE.partition(':')[0]}@sha256:0a", "shop/books"),
        ("public.ecr.aws/shop/books:1", "public.ecr.aws/shop/books:1", ""),
        ("local", "local", ""),
    ],
)
def test_the_image_is_the_one_that_is_named_and_may_be_fetched_from_its_repository_only(
    uri: str, image: str, repository: str
) -> None:
    stack = books(ImageUri=uri)
    assert {one.container["Image"] for one in jobs_of(stack).values()} == {image}
    pulls = {one.resource for one in allowed(stack, "BooksExecutionRole") if one.action == "ecr:BatchGetImage"}
    assert pulls == {f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{repository}"}


@pytest.mark.parametrize(("processor", "means"), [("x86_64", "X86_64"), ("arm64", "ARM64")])
def test_the_processor_is_the_one_that_the_image_is_for(processor: str, means: str) -> None:
    for one in jobs_of(books(Architecture=processor)).values():
        assert one.container["RuntimePlatform"]["CpuArchitecture"] == means


# ── What its jobs may do ────────────────────────────────────────────────────────────────────────────────────────────


def test_who_reads_changes_nothing_of_the_shops(stack: TransformedTemplate) -> None:
    bucket, runs = stack.arn("BooksBucket"), stack.arn("BookRunsTable")
    reading = re.compile(r"(dynamodb|s3|secretsmanager|states):(BatchGet|Describe|Get|List|Query|Scan)\w*")
    others = {one for one in allowed(stack, "BooksJobRole") if not reading.fullmatch(one.action)}
    assert {one.resource.removeprefix(f"{bucket}/").partition("/")[0] for one in others if one.resource != runs} == {
        "work",
        "summaries",
        "reports",
        *schema.TABLES,
    }


def test_only_who_repairs_calls_the_payment_function_and_speaks_on_the_bus(stack: TransformedTemplate) -> None:
    acting = {"lambda:InvokeFunction", "events:PutEvents"}
    roles = {name: {one.action for one in allowed(stack, name)} & acting for name in stack.of_type("AWS::IAM::Role")}
    assert {name: acts for name, acts in roles.items() if acts} == {"BooksRepairRole": acting}


def test_what_a_day_had_before_may_be_deleted_and_nothing_else(stack: TransformedTemplate) -> None:
    deleted = {one.resource for one in allowed(stack, "BooksJobRole") if one.action == "s3:DeleteObject"}
    bucket = stack.arn("BooksBucket")
    assert deleted == {f"{bucket}/{table}/*" for table in schema.TABLES}
    assert all(places.day_file(table, "2026-11-25", "x").startswith(f"{table}/") for table in schema.TABLES)


@pytest.mark.parametrize(
    ("missing", "stacks"), [("ShippingStack", ["orders", "frontdoor"]), ("FrontdoorStack", ["orders", "shipping"])]
)
def test_a_stack_that_is_not_there_is_not_read(missing: str, stacks: list[str]) -> None:
    one = jobs_of(books(**{missing: ""}))["BooksJob"]
    tables = {value for name, value in one.environment.items() if name.endswith("_TABLE") and name != "BOOK_RUNS_TABLE"}
    assert {table.partition("-")[0] for table in tables} == {*stacks}


def test_the_provider_is_the_pipelines() -> None:
    by_stripe = jobs_of(books(**parameter_sets(NAME)["everything"]))["BooksJob"].environment
    simulated = jobs_of(books())["BooksJob"].environment
    assert ("STRIPE_SECRET_ARN" in by_stripe, "SIMULATED_GATEWAY_TABLE" in by_stripe) == (True, False)
    assert ("STRIPE_SECRET_ARN" in simulated, "SIMULATED_GATEWAY_TABLE" in simulated) == (False, True)


# ── What it leaves ──────────────────────────────────────────────────────────────────────────────────────────────────


def bucket_of(stack: TransformedTemplate) -> Json:
    [bucket] = stack.of_type("AWS::S3::Bucket").values()
    return bucket


def test_what_a_night_leaves_is_encrypted_nobody_elses_and_outlives_the_stack(stack: TransformedTemplate) -> None:
    bucket = bucket_of(stack)
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    declared = stack.resources["BooksBucket"]
    assert (declared["DeletionPolicy"], declared["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_the_bucket_refuses_whoever_does_not_use_tls(stack: TransformedTemplate) -> None:
    [policy] = stack.of_type("AWS::S3::BucketPolicy").values()
    [statement] = policy["PolicyDocument"]["Statement"]
    arn = stack.arn("BooksBucket")
    assert policy["Bucket"] == stack.ref("BooksBucket")
    assert statement == {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def test_only_what_a_night_works_on_expires() -> None:
    rules = bucket_of(books())["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    assert expiring == {"work/": 7, "athena/": 7}
    assert places.part("run", 0, "part.json").startswith("work/")
    assert [rule["Status"] for rule in rules] == ["Enabled"] * 3
    # An upload in parts that nobody has finished is paid for and not seen.
    assert [rule["AbortIncompleteMultipartUpload"] for rule in rules if "Prefix" not in rule] == [
        {"DaysAfterInitiation": 7}
    ]


TYPES = {"VARCHAR": "string", "BIGINT": "bigint", "DOUBLE": "double", "TIMESTAMP": "timestamp"}


def glue_tables(stack: TransformedTemplate) -> dict[str, Json]:
    return {each["TableInput"]["Name"]: each["TableInput"] for each in stack.of_type("AWS::Glue::Table").values()}


def test_athena_reads_the_columns_that_are_written() -> None:
    columns = {
        name: {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
        for name, table in glue_tables(books()).items()
    }
    assert columns == {
        name: {column: TYPES[kind] for column, kind in written.items()} for name, written in schema.TABLES.items()
    }
    # By their order, too: Athena reads Parquet by name, but people read `SELECT *`.
    assert {name: [*each] for name, each in columns.items()} == {name: [*each] for name, each in schema.TABLES.items()}


def test_athena_finds_each_day_where_it_was_put() -> None:
    stack = books()
    for name, table in glue_tables(stack).items():
        address = f"s3://{stack.ref('BooksBucket')}/"
        assert table["StorageDescriptor"]["Location"] == f"{address}{name}/"
        assert table["PartitionKeys"] == [{"Name": "day", "Type": "string"}]
        parameters = table["Parameters"]
        assert parameters["storage.location.template"] == address + places.day_file(name, "${day}", "").rstrip("/")
        # https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
        assert (parameters["projection.enabled"], parameters["projection.day.type"]) == ("true", "date")
        assert (parameters["projection.day.format"], parameters["projection.day.interval"]) == ("yyyy-MM-dd", "1")


def test_outputs_are_those_of_the_contract() -> None:
    stack = books()
    assert {name: output["Value"] for name, output in stack.outputs.items()} == {
        "BooksBucketName": stack.ref("BooksBucket"),
        "BooksWorkflowArn": NIGHTLY,
        "BookRunsTableName": stack.ref("BookRunsTable"),
        "BooksQueueArn": stack.ref("BooksQueue"),
    }


def test_no_other_stack_knows_of_it() -> None:
    for path in (ROOT / "template.yaml", ROOT / "stacks" / "frontdoor.yaml", ROOT / "stacks" / "shipping.yaml"):
        assert "BooksStack" not in path.read_text("utf-8")


def test_the_runbook_says_what_each_finding_asks_for() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    section = page.partition("\n### What a finding asks for\n")[2].partition("\n### ")[0]
    rows = re.findall(r'^\| <a id="(\w+)"></a>`([A-Z_]+)` \| ([^|]+) \| ([^|]+) \|$', section, re.MULTILINE)
    assert [code for _, code, _, _ in rows] == [*findings.Code]
    assert [anchor for anchor, *_ in rows] == [code.lower() for code in findings.Code]  # the report links to it
    assert min(len(asks) for *_, asks in rows) > 20
