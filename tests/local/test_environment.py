"""Variables as people have them: none of them reaches what we start, but what says where packages come from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from unittest import mock

import boto3
import pytest

from local.environment import environment, fetch, forget_accounts
from local.stack import ROOT, RunningStack

PEOPLES = {
    "PYTHONSAFEPATH": "1",
    "PYTHONOPTIMIZE": "2",
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "/nowhere",
    "PYTHONSTARTUP": "/nowhere",
    "PIP_USER": "1",
    "PIP_TARGET": "/nowhere",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "UV_SYSTEM_PYTHON": "1",
    "SAM_CLI_DEBUG": "1",
    "DOCKER_HOST": "tcp://nowhere:1",
    "LAMBDA_EXECUTOR": "docker",
    "STATE_DIR": "/nowhere",
    "AWS_PROFILE": "gone",
    "AWS_ENDPOINT_URL_DYNAMODB": "http://nowhere",
    "AWS_RETRY_MODE": "nonsense",
    "LC_ALL": "C",
    "TMPDIR": "/nowhere",
    "http_proxy": "http://127.0.0.1:9",
}


@pytest.fixture
def _peoples_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PEOPLES.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_peoples_variables")
def test_nothing_that_somebody_has_set_is_passed_on(tmp_path: Path) -> None:
    given = environment(tmp_path)
    assert {name: given[name] for name in PEOPLES if given.get(name) == PEOPLES[name]} == {}
    assert given["TMPDIR"].startswith(str(tmp_path))
    assert Path(given["TMPDIR"]).is_dir()
    assert given["HOME"] == str(tmp_path)


@pytest.mark.usefixtures("_peoples_variables")
def test_a_build_learns_where_packages_come_from_and_not_where_they_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "somewhere")
    given = environment(tmp_path, downloads=True)
    assert given["PIP_INDEX_URL"] == "somewhere"
    assert given["http_proxy"] == PEOPLES["http_proxy"]
    assert not {"PIP_USER", "PIP_TARGET", "PIP_REQUIRE_VIRTUALENV"} & set(given)


@pytest.mark.parametrize("name", ["HOME", "PATH"])
def test_a_variable_that_everybody_has_may_be_missing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name)
    given = environment(tmp_path, downloads=True, ADDED="this")
    assert given["ADDED"] == "this"
    assert given["HOME"]
    assert given["PATH"].startswith(str(Path(sys.executable).parent))


def test_an_account_that_is_not_there_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text("[default\nnot closed")
    for name, value in PEOPLES.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with mock.patch.dict(os.environ):
        forget_accounts()
        assert boto3.Session().client("dynamodb").meta.endpoint_url == "https://dynamodb.us-east-1.amazonaws.com"


class Answer(BaseHTTPRequestHandler):
    """An endpoint that says `{}` to everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET  # noqa: N815 - the base class calls it

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint_url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_for_the_world_is_not_asked_for_loopback(
    name: str, endpoint_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for no_proxy in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(no_proxy, raising=False)
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    with fetch(endpoint_url, timeout=5) as answer:
        assert answer.read() == b"{}"
    answer = RunningStack(endpoint_url, "any", {}).client("dynamodb").list_tables()
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.usefixtures("_peoples_variables")
def test_the_commands_of_make_get_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(f"include {str(ROOT / 'Makefile').replace(' ', chr(92) + ' ')}\nshow:\n\t@env\n")
    said = subprocess.run(
        ["make", "--no-print-directory", "-f", "Makefile", "show"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    seen = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    ours = {
        name: value for name, value in PEOPLES.items() if name.startswith(("PYTHON", "PIP_", "AWS_", "SAM_", "UV_"))
    }
    assert {name: value for name, value in ours.items() if seen.get(name) == value} == {}


@pytest.mark.parametrize("name", ["my order.json", "it's.json", 'a "b".json', "$HOME.json", "-h.json", "a;b|c&d.json"])
def test_make_passes_a_file_name_on_as_it_is(name: str, tmp_path: Path) -> None:
    shown = subprocess.run(
        ["make", "-n", "order", f"FILE={name}"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    words = shown.strip().splitlines()[-1].split(" order -- ", 1)[1]
    assert subprocess.run(["sh", "-c", f"printf %s {words}"], capture_output=True, text=True, check=True).stdout == name


@pytest.mark.parametrize(
    ("said", "passed"), [([], ""), (["STACKS="], "--stacks="), (["STACKS=books it's"], "--stacks=books it's")]
)
def test_make_tells_no_stacks_from_all_of_them(said: list[str], passed: str) -> None:
    shown = subprocess.run(["make", "-n", "up", *said], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = shown.replace("\\\n", " ").strip().split("demo/catalogue.json", 1)[1].split(" --bind", 1)[0]
    assert (
        subprocess.run(["sh", "-c", f"printf %s {words}"], capture_output=True, text=True, check=True).stdout == passed
    )


@pytest.mark.parametrize(("said", "built"), [([], ""), (["STACK=loyalty"], "--config-env loyalty")])
def test_the_runbooks_stack_in_the_environment_is_not_what_make_builds(said: list[str], built: str) -> None:
    exported = os.environ | {"STACK": "orders", "STACKS": "orders"}
    shown = subprocess.run(
        ["make", "-n", "build", "up", *said], cwd=ROOT, env=exported, capture_output=True, text=True, check=True
    ).stdout.replace("'", "")
    assert "--stacks" not in shown
    assert ("--config-env" in shown) is bool(built)
    assert built in shown


def test_make_passes_on_how_far_an_order_is_followed() -> None:
    words = ["make", "-n", "order", "FILE=a.json", "UNTIL=ARCHIVED"]
    shown = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.strip().endswith("order --until='ARCHIVED' -- 'a.json'")


def test_a_console_on_aws_finds_the_profile_where_its_owner_keeps_it() -> None:
    words = ["make", "-n", "console", "PROFILE=mine", "STACK=shop"]
    exported = os.environ | {"AWS_CONFIG_FILE": "/home/it's mine/config", "AWS_PROFILE": "another"}
    shown = subprocess.run(words, cwd=ROOT, env=exported, capture_output=True, text=True, check=True).stdout

    assert "AWS_CONFIG_FILE='/home/it'\\''s mine/config' " in shown
    assert shown.rstrip().endswith("-m console --profile='mine' --stack='shop'")
