"""AWS clients, made once per sandbox and on first use.

They come from botocore, because importing boto3 on top costs 8 % of a cold start. Only notify pays it, for Powertools.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.loaders import Loader

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_kms.client import KMSClient
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_sesv2.client import SESV2Client
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_stepfunctions.client import SFNClient

# An answer that takes longer than this is not coming. Two attempts at most: should they outlast the function's timeout,
# its sandbox ends, which every step survives. Further retries are the workflow's, which has jitter and a budget and
# costs nothing while it waits.
PATIENT = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})

# For requests that must not be repeated behind our back because the service has no idempotency key for them.
ONCE = Config(connect_timeout=1, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1})


class _Models(Loader):
    """Knows which services we use. The SDK would list the folders of all that exist, which is 10 % of a cold start."""

    def list_available_services(self, type_name: str) -> list[str]:
        return ["dynamodb", "events", "kms", "secretsmanager", "sesv2", "sns", "sqs", "stepfunctions"]


@cache
def _session() -> botocore.session.Session:
    session = botocore.session.get_session()
    session.register_component("data_loader", _Models())
    return session


def _client(service: str, config: Config = PATIENT) -> Any:
    return _session().create_client(service, config=config)


@cache
def dynamodb() -> DynamoDBClient:
    """The DynamoDB client. Conditional writes make the SDK's own retries harmless."""
    client: DynamoDBClient = _client("dynamodb")
    return client


@cache
def events() -> EventBridgeClient:
    """The EventBridge client."""
    client: EventBridgeClient = _client("events")
    return client


@cache
def queues() -> SQSClient:
    """The SQS client."""
    client: SQSClient = _client("sqs")
    return client


@cache
def alerts() -> SNSClient:
    """The SNS client. It never retries by itself: a standard topic has no idempotency key either."""
    client: SNSClient = _client("sns", ONCE)
    return client


@cache
def secrets() -> SecretsManagerClient:
    """The Secrets Manager client."""
    client: SecretsManagerClient = _client("secretsmanager")
    return client


@cache
def keys() -> KMSClient:
    """The KMS client."""
    client: KMSClient = _client("kms")
    return client


@cache
def workflows() -> SFNClient:
    """The Step Functions client."""
    client: SFNClient = _client("stepfunctions")
    return client


@cache
def email() -> SESV2Client:
    """The SES (v2) client. It never retries by itself: SES has no idempotency key, so each attempt is one email."""
    client: SESV2Client = _client("sesv2", ONCE)
    return client
