"""The services that a night talks to, on an emulator: the templates' tables, a bucket, a bus and a workflow; and what a
job leaves in them, which can be put back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from jobs.sources import SOURCES
from local.stack import RunningStack
from orders.tables import Item

ROOT = Path(__file__).parents[2]
TEMPLATES = [ROOT / "template.yaml", *sorted(ROOT.glob("stacks/*.yaml"))]
BUCKET, RUNS, BUS = "books", "BookRunsTable", "orders"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
# Tables of a shop that does not have everything: each of them is a few more requests at which a job may be killed.
MISSING = ("approvals", "returns", "open_shipments", "inbox")
# What says when something was done, and not what.
MOMENTS = frozenset({"as_of", "claimed_at", "finished_at", "asked_at", "done_at"})
FOREVER = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 100_000, "End": True}}}


@dataclass(frozen=True)
class Left:
    """What is in the bucket, by key, as the digest of its content, and in the table of runs, by id."""

    objects: Mapping[str, str]
    runs: Mapping[str, str]

    def but_for_moments(self) -> Left:
        """The same without when it was done."""
        timeless = {
            key: json.dumps({name: value for name, value in json.loads(item).items() if name not in MOMENTS})
            for key, item in self.runs.items()
        }
        return Left(self.objects, timeless)

    def mark(self) -> tuple[frozenset[Any], frozenset[Any]]:
        """The same for the same."""
        return frozenset(self.objects.items()), frozenset(self.runs.items())


@dataclass
class Services:
    """They are asked directly here, and not as the jobs ask them."""

    stack: RunningStack
    _contents: dict[str, bytes] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._s3, self._dynamodb = self.stack.client("s3"), self.stack.client("dynamodb")
        self._workflows = self.stack.client("stepfunctions")
        self._s3.create_bucket(Bucket=BUCKET)
        self.stack.client("events").create_event_bus(Name=BUS)
        for path in TEMPLATES:
            for name, resource in yaml_parse(path.read_text("utf-8"))["Resources"].items():
                if resource["Type"] == "AWS::DynamoDB::Table":
                    self._create(name, resource["Properties"])
        role = self.stack.client("iam").create_role(RoleName="books", AssumeRolePolicyDocument=json.dumps(TRUST))
        self._workflow = self._workflows.create_state_machine(
            name="books", definition=json.dumps(FOREVER), roleArn=role["Role"]["Arn"]
        )["stateMachineArn"]

    def _create(self, name: str, properties: Mapping[str, Any]) -> None:
        kept = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
        described = {one: properties[one] for one in kept if one in properties}
        self._dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **described)

    def variables(self) -> dict[str, str]:
        """The variables of a container, but for where the services are."""
        tables = {source.variable: source.table for source in SOURCES if source.name not in MISSING}
        return tables | {
            "BOOKS_BUCKET": BUCKET,
            "BOOK_RUNS_TABLE": RUNS,
            "EVENT_BUS_NAME": BUS,
            "PAYMENT_FUNCTION": "payment",
            "TIME_ZONE": "Europe/Berlin",
            "READ_UNITS": "100000",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def fill(self, tables: Mapping[str, Iterable[Item]]) -> None:
        """Put items into tables, by their logical names."""
        for table, items in tables.items():
            for item in items:
                self._dynamodb.put_item(TableName=table, Item=item)

    def run(self, name: str) -> str:
        """Start an execution; answers its ARN."""
        arn: str = self._workflows.start_execution(stateMachineArn=self._workflow, name=name)["executionArn"]
        return arn

    def end(self, run: str) -> None:
        """End an execution as somebody does who stops it."""
        self._workflows.stop_execution(executionArn=run)

    def standing(self, run: str) -> str:
        """Whether the run has its day, as its plan says."""
        key = {"id": {"S": f"RUN#{run.rpartition(':')[2]}"}}
        plan = self._dynamodb.get_item(TableName=RUNS, Key=key, ConsistentRead=True)["Item"]
        return str(plan["standing"]["S"])

    def look(self) -> Left:
        """What there is now."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        objects = {one["Key"]: one["ETag"] for page in pages for one in page.get("Contents", ())}
        for key, tag in objects.items():
            if tag not in self._contents:
                self._contents[tag] = self.content(key)
        items = self._dynamodb.scan(TableName=RUNS, ConsistentRead=True)["Items"]
        return Left(objects, {item["id"]["S"]: json.dumps(item, sort_keys=True) for item in items})

    def content(self, key: str) -> bytes:
        """What an object holds."""
        held: bytes = self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return held

    def put_back(self, before: Left, now: Left | None = None) -> None:
        """Let there be again what was there then, and nothing else; `now` is what there is, if that is known."""
        now = now or self.look()
        for key in now.objects.keys() - before.objects.keys():
            self._s3.delete_object(Bucket=BUCKET, Key=key)
        for key, tag in before.objects.items() - now.objects.items():
            self._s3.put_object(Bucket=BUCKET, Key=key, Body=self._contents[tag])
        for key in now.runs.keys() - before.runs.keys():
            self._dynamodb.delete_item(TableName=RUNS, Key={"id": {"S": key}})
        for _, item in before.runs.items() - now.runs.items():
            self._dynamodb.put_item(TableName=RUNS, Item=json.loads(item))
