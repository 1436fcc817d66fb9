"""The recorder, against whose record roles are held (test_roles.py), names what a request needs."""

from __future__ import annotations

from typing import Any

import pytest

from tests import recorder


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        (
            "dynamodb",
            "TransactWriteItems",
            {"TransactItems": [{"Put": {"TableName": "a"}}, {"Update": {"TableName": "b"}}]},
            [("dynamodb:PutItem", "a"), ("dynamodb:UpdateItem", "b")],
        ),
        ("dynamodb", "BatchGetItem", {"RequestItems": {"a": {}}}, [("dynamodb:BatchGetItem", "a")]),
        ("dynamodb", "Query", {"TableName": "a", "IndexName": "b"}, [("dynamodb:Query", "a/index/b")]),
        ("sns", "Publish", {"TopicArn": "a"}, [("sns:Publish", "a")]),
        ("sesv2", "SendEmail", {"FromEmailAddress": "a@b.example"}, [("ses:SendEmail", "a@b.example")]),
        ("kms", "Encrypt", {"KeyId": "a"}, [("kms:Encrypt", "a")]),
        ("kms", "Decrypt", {"CiphertextBlob": b"a"}, [("kms:Decrypt", recorder.UNNAMED)]),
        ("stepfunctions", "SendTaskSuccess", {"taskToken": "a"}, [("states:SendTaskSuccess", recorder.UNNAMED)]),
    ],
)
def test_a_request_is_recorded_as_the_permissions_that_it_needs(
    service: str, operation: str, parameters: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert list(recorder.actions(service, operation, parameters)) == expected
