"""Checkov's policies over the transformed template. Every exception stands at its resource, with its reason."""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.template.stack import ROOT, TEMPLATES, transformed

each_template = pytest.mark.parametrize("name", TEMPLATES)
Results = dict[str, list[dict[str, Any]]]  # passed_checks, failed_checks, skipped_checks


def checkov() -> list[str]:
    """Checkov's command. It pins its own boto3, so it lives in an environment of its own (requirements-policy.txt).

    It is run by the environment's Python, because a script's first line can't name one in a folder with a space.
    """
    programs = ROOT / ".venv-policy" / "bin"
    command = [str(programs / "python"), str(programs / "checkov")]
    if not all(map(os.path.exists, command)):
        pytest.fail("there is no Checkov: run `make test`, which installs it")
    return command


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    """What Checkov says of each template, and of a copy of the pipeline's in which something is wrong, by name."""
    wrong = transformed()
    del wrong["Resources"]["AlertTopic"]["Properties"]["KmsMasterKeyId"]
    folder = tmp_path_factory.mktemp("checkov")
    for name, template in [*((name, transformed(name)) for name in TEMPLATES), ("wrong", wrong)]:
        (folder / f"{name}.json").write_text(json.dumps(template))
    # Without --skip-download it asks a service on the internet for the texts of its checks.
    arguments = "--framework cloudformation --directory . --skip-download --compact --output json"
    run = subprocess.run([*checkov(), *arguments.split()], cwd=folder, capture_output=True, text=True, check=False)
    assert run.stdout.startswith("{"), run.stderr
    report = json.loads(run.stdout)
    assert report["results"]["parsing_errors"] == []
    by_name: dict[str, Results] = defaultdict(lambda: defaultdict(list))
    for kind in ("passed_checks", "failed_checks", "skipped_checks"):
        for check in report["results"][kind]:
            by_name[Path(check["file_path"]).stem][kind].append(check)
    return by_name


@each_template
def test_checkov_finds_nothing(results: dict[str, Results], name: str) -> None:
    found = results[name]
    assert [(each["check_id"], each["resource"], each["check_name"]) for each in found["failed_checks"]] == []
    assert len(found["passed_checks"]) > 30


def test_checkov_finds_a_topic_without_encryption(results: dict[str, Results]) -> None:
    failed = [(check["check_id"], check["resource"]) for check in results["wrong"]["failed_checks"]]
    assert ("CKV_AWS_26", "AWS::SNS::Topic.AlertTopic") in failed


@each_template
def test_every_exception_is_used_and_has_a_reason(results: dict[str, Results], name: str) -> None:
    declared = {
        (f"{resource['Type']}.{logical_id}", exception["id"]): exception["comment"]
        for logical_id, resource in transformed(name)["Resources"].items()
        for exception in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    }
    used = {
        (check["resource"], check["check_id"]): check["check_result"]["suppress_comment"]
        for check in results[name]["skipped_checks"]
    }
    assert used == declared
    assert min(map(len, declared.values())) > 40
