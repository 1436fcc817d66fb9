"""The job definitions of a stack, and what their roles are used for, as the tests of templates read them.

What a job asks of AWS is written down here by hand, for its role is not one of a function that unit tests record. Two
things hold the list to the code: tests/template/test_books.py finds every request in jobs/, and the embedded stack runs
each job with its role's own permissions, so what is missing fails there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from jobs.schema import TABLES
from jobs.sources import PROVIDER, SOURCES
from payment.simulated import ORDER_INDEX
from tests.template.stack import ACCOUNT, REGION, Json, TransformedTemplate

Needed = tuple[str, str]  # an action, and the resource that it is on

# The variables that name what a job writes, and what the one that repairs asks for. All others name what is extracted.
RUNS, BUCKET, PAYMENT, BUS, SECRET = (
    "BOOK_RUNS_TABLE",
    "BOOKS_BUCKET",
    "PAYMENT_FUNCTION",
    "EVENT_BUS_NAME",
    "STRIPE_SECRET_ARN",
)
# How what looks wrong is read again (jobs/recheck.py), where that is not by its key.
AGAIN = {"inventory": ["Query"], "told": []}


class Job(NamedTuple):
    """A job definition: its logical id, its properties, and the logical ids of its roles."""

    id: str
    properties: Json
    role: str
    execution_role: str

    @property
    def container(self) -> Json:
        """What its container is."""
        container: Json = self.properties["ContainerProperties"]
        return container

    @property
    def variables(self) -> list[Json]:
        """Its variables, as they are declared."""
        declared: list[Json] = self.container["Environment"]
        return declared

    @property
    def environment(self) -> dict[str, str]:
        """Its variables, those that are not empty: AWS Batch leaves the others out."""
        return {each["Name"]: str(each["Value"]) for each in self.variables if each["Value"] != ""}


def jobs_of(stack: TransformedTemplate) -> dict[str, Job]:
    """A stack's job definitions, by logical id."""

    def role(properties: Json, which: str) -> str:
        return stack.id_of("AWS::IAM::Role", properties["ContainerProperties"][which])

    return {
        name: Job(name, properties, role(properties, "JobRoleArn"), role(properties, "ExecutionRoleArn"))
        for name, properties in stack.of_type("AWS::Batch::JobDefinition").items()
    }


def used_by_job(stack: TransformedTemplate, job: Job) -> Iterator[Needed]:
    """What the steps of a job ask of AWS."""
    bucket = f"arn:aws:s3:::{job.environment[BUCKET]}"
    runs = stack.arn_of("AWS::DynamoDB::Table", job.environment[RUNS])
    yield "s3:ListBucket", bucket
    yield "s3:GetObject", f"{bucket}/work/*"
    yield from ((f"dynamodb:{action}", runs) for action in ("GetItem", "UpdateItem"))
    if PAYMENT in job.environment:
        yield "lambda:InvokeFunction", job.environment[PAYMENT]
        yield "events:PutEvents", stack.arn_of("AWS::Events::EventBus", job.environment[BUS])
        for variable in ("ORDERS_TABLE", "OPEN_ORDERS_TABLE"):
            yield "dynamodb:BatchGetItem", stack.arn_of("AWS::DynamoDB::Table", job.environment[variable])
        return
    yield from ((f"dynamodb:{action}", runs) for action in ("BatchGetItem", "PutItem"))
    yield "states:DescribeExecution", f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{stack.name}-books:*"
    for prefix in ("work", *TABLES, "summaries", "reports"):
        yield "s3:PutObject", f"{bucket}/{prefix}/*"
    for table in TABLES:
        yield "s3:DeleteObject", f"{bucket}/{table}/*"
    if SECRET in job.environment:
        yield "secretsmanager:GetSecretValue", job.environment[SECRET]
    yield "dynamodb:DescribeTable", stack.arn_of("AWS::DynamoDB::Table", job.environment["ORDERS_TABLE"])
    for source in SOURCES:
        if name := job.environment.get(source.variable):
            table = stack.arn_of("AWS::DynamoDB::Table", name)
            yield from ((f"dynamodb:{action}", table) for action in ["Scan", *AGAIN.get(source.name, ["GetItem"])])
            if source.name == PROVIDER:
                yield "dynamodb:Query", f"{table}/index/{ORDER_INDEX}"


def to_start(stack: TransformedTemplate, job: Job) -> Iterator[Needed]:
    """What Fargate needs to fetch the image from the account's registry, and to write what the container prints.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
    """
    repository = job.container["Image"].partition("amazonaws.com/")[2].partition("@")[0].partition(":")[0]
    yield "ecr:GetAuthorizationToken", "*"
    for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"):
        yield f"ecr:{action}", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{repository}"
    group = job.container["LogConfiguration"]["Options"]["awslogs-group"]
    log = stack.arn(stack.id_of("AWS::Logs::LogGroup", group))
    yield from ((action, log) for action in ("logs:CreateLogStream", "logs:PutLogEvents"))


def to_submit_and_wait(stack: TransformedTemplate, arguments: Json) -> Iterator[Needed]:
    """What a workflow needs to submit a job, by the name of its definition, and to wait for its end.

    https://docs.aws.amazon.com/step-functions/latest/dg/batch-iam.html
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html
    """
    of_this_account = f"{REGION}:{ACCOUNT}"
    name = arguments["JobDefinition"]
    assert name in {job.properties["JobDefinitionName"] for job in jobs_of(stack).values()}
    for definition in (name, f"{name}:*"):
        yield "batch:SubmitJob", f"arn:aws:batch:{of_this_account}:job-definition/{definition}"
    yield "batch:SubmitJob", arguments["JobQueue"]
    yield "batch:DescribeJobs", "*"
    yield "batch:TerminateJob", f"arn:aws:batch:{of_this_account}:job/*"
    for action in ("DescribeRule", "PutRule", "PutTargets"):
        yield f"events:{action}", f"arn:aws:events:{of_this_account}:rule/StepFunctionsGetEventsForBatchJobsRule"
