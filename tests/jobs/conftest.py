"""Jobs in this process, against moto, with no way out to a network and nothing kept from one test to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from jobs import runs, services, sources, stripe_ledger
from jobs.runs import OURS, Plan
from tests.jobs.arranging import AS_OF, BUCKET, DAY, RUN, Executions
from tests.unit import sandbox
from tests.unit.account import account as an_account
from tests.unit.stack import REGION, MotoStack, aws

# The tables are a test's own, and examples of one test may well share them.
settings.register_profile(
    "jobs",
    derandomize=True,
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("jobs")


@pytest.fixture(autouse=True)
def _no_network(socket_disabled: None) -> None:
    pass


@pytest.fixture(autouse=True)
def _nobodys_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_BATCH_JOB_ARRAY_INDEX"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")


@pytest.fixture(autouse=True)
def _a_new_process() -> None:
    sandbox.forget()
    for cached in (services.dynamodb, services.s3, services.secrets, services.workflows, stripe_ledger.client):
        cached.cache_clear()


@pytest.fixture
def account() -> Iterator[None]:
    """An empty AWS account."""
    with an_account():
        yield


@pytest.fixture
def stack(account: None, monkeypatch: pytest.MonkeyPatch) -> MotoStack:
    """The deployed stacks."""
    return MotoStack(monkeypatch)


@pytest.fixture
def tables(stack: MotoStack, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """Every table that jobs read, by its logical name and in plain Python values, and BookRunsTable; the container's
    variables name them.
    """
    made = {}
    for source in sources.SOURCES:
        made[source.table] = stack.table(source.table)
        monkeypatch.setenv(source.variable, made[source.table].name)
    made["BookRunsTable"] = stack.table("BookRunsTable")
    monkeypatch.setenv("BOOK_RUNS_TABLE", made["BookRunsTable"].name)
    monkeypatch.setenv("TIME_ZONE", "Europe/Berlin")
    monkeypatch.setenv("ORDERS_PER_CONTAINER", "1000")
    monkeypatch.setenv("READ_UNITS", "1000000")
    return made


@pytest.fixture
def books_bucket(account: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """The bucket's name."""
    aws("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    monkeypatch.setenv("BOOKS_BUCKET", BUCKET)
    return BUCKET


@pytest.fixture
def plan(tables: Mapping[str, Any], books_bucket: str) -> Plan:
    """The plan of a run that has its day."""
    tables["BookRunsTable"].put_item(Item={"id": f"DAY#{DAY}", "run": RUN, "claimed_at": AS_OF})
    return runs.keep(Plan(RUN, DAY, AS_OF, OURS, partitions=2, segments=2, repair=False))


@pytest.fixture
def executions(account: None) -> Executions:
    """Executions of the books' workflow."""
    return Executions()
