"""The log lines that services write by themselves, as AWS describes them: the emulator writes none of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from bench import template
from bench.template import Settings

# Lambda sets it for every invocation, sampled or not; Powertools writes its root into every line.
TRACE_ID = "Root=1-67e1f2a3-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1"
REQUEST_ID = "01234567-89ab-cdef-0123-456789abcdef"


def platform_lines(function: str, settings: Settings, *, failed: bool = False) -> Iterator[str]:
    """What Lambda itself writes for an invocation at the system log level INFO, in the JSON format.

    https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html has the fields.
    """
    arn = f"arn:aws:lambda:us-east-1:{'0' * 12}:function:{function}"
    start = {"requestId": REQUEST_ID, "functionArn": arn, "version": "$LATEST"}
    report = {
        "requestId": REQUEST_ID,
        "metrics": {
            "durationMs": 12.345,
            "billedDurationMs": 13,
            "memorySizeMB": settings.memory,
            "maxMemoryUsedMB": 100,
        },
        "tracing": {"spanId": "0123456789abcdef", "type": "X-Amzn-Trace-Id", "value": TRACE_ID},
        "status": "error" if failed else "success",
    }
    for kind, record in (("platform.start", start), ("platform.report", report)):
        yield json.dumps({"time": "2026-03-02T09:00:00.000Z", "type": kind, "record": record}, separators=(",", ":"))


def access_line(route: str) -> str:
    """What API Gateway writes about a request, in the template's format, with values as long as usual:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
    """
    values = {
        "requestTime": "02/Mar/2026:09:00:00 +0000",
        "requestId": "JKJaXmPLvHcESHA=",
        "routeKey": route,
        "status": "200",
        "responseLength": "1234",
        "responseLatency": "12",
        "error.responseType": "-",
    }
    return re.sub(r"\$context\.([\w.]+)", lambda found: values[found[1]], template.access_log_format())


def workflow_line(execution: dict[str, Any], kind: str) -> str:
    """A history event in the workflow's log, without execution data:
    https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
    """
    line = {
        "id": "12",
        "type": kind,
        "details": {"resource": "invoke", "resourceType": "lambda"},
        "previous_event_id": "11",
        "event_timestamp": "1772442000000",
        "execution_arn": execution["executionArn"],
    }
    return json.dumps(line, separators=(",", ":"))
