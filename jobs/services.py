"""AWS clients for jobs, made once per process and on first use.

Functions have clients that give up within seconds, because their workflow tries again. A job reads for minutes, and to
start it again costs more than to wait: these are patient.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_stepfunctions.client import SFNClient

# Waits between attempts grow to 20 s, so ten of them outlast what DynamoDB needs to double a table's capacity.
# https://docs.aws.amazon.com/boto3/latest/guide/retries.html#standard-retry-mode
PATIENT = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 10})


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def client(service: str) -> Any:
    """A patient client of any service; those who use one cache it."""
    return _session().create_client(service, config=PATIENT)


@cache
def s3() -> S3Client:
    """The S3 client."""
    made: S3Client = client("s3")
    return made


@cache
def dynamodb() -> DynamoDBClient:
    """The DynamoDB client. All writes of jobs are conditional, so the SDK may repeat them."""
    made: DynamoDBClient = client("dynamodb")
    return made


@cache
def workflows() -> SFNClient:
    """The Step Functions client."""
    made: SFNClient = client("stepfunctions")
    return made


@cache
def secrets() -> SecretsManagerClient:
    """The Secrets Manager client."""
    made: SecretsManagerClient = client("secretsmanager")
    return made
