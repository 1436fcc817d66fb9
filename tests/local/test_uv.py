"""Packages come from where pip is told to, also when uv fetches them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from local import uv
from local.stack import ROOT

LISTED = """\
:env:.find-links='/wheels ~/more'
:env:.no-index='no'
global.cert='/etc/ca.pem'
global.extra-index-url='\\nhttps://one.example/simple\\nhttps://two.example/simple'
global.find-links='/elsewhere'
global.index-url='https://mirror.example/simple?a=b'
install.trusted-host='mirror.example'
list.format='columns'
"""


def test_what_pip_is_told_is_what_uv_is_told() -> None:
    told = uv.variables(uv.settings(LISTED))
    assert told.pop("UV_FIND_LINKS") == f"/wheels,{Path.home()}/more"
    assert told == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple?a=b",
        "UV_INDEX": "https://one.example/simple https://two.example/simple",
        "UV_INSECURE_HOST": "mirror.example",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "UV_NO_CONFIG": "1",
        "UV_SYSTEM_CERTS": "1",
    }


def test_the_environment_wins_over_a_section_of_the_files_and_that_over_the_global_one() -> None:
    listed = [":env:.index-url='environment'", "global.index-url='global'", "install.index-url='install'"]
    assert uv.settings("\n".join(listed)) == {"index-url": "environment"}
    assert uv.settings("\n".join(listed[1:])) == {"index-url": "install"}


@pytest.mark.parametrize(("said", "options"), [("1", ["--no-index"]), ("True", ["--no-index"]), ("0", []), ("", [])])
def test_without_an_index_uv_asks_none(said: str, options: list[str]) -> None:
    assert uv.options({"no-index": said}) == options


@pytest.fixture
def index() -> Iterator[tuple[str, list[str]]]:
    """The address of an index that has nothing, and what it is asked for."""
    asked: list[str] = []

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Index) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("where", ["file", "environment", "uv"])
def test_the_index_is_asked_wherever_it_is_named(where: str, index: tuple[str, list[str]], tmp_path: Path) -> None:
    url, asked = index
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    named = tmp_path / "pip.conf"
    named.write_text(f"[global]\nindex-url = {url}/file/\n")
    variables |= {"PIP_CONFIG_FILE": str(named), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    if where == "environment":
        variables["PIP_INDEX_URL"] = f"{url}/environment/"
    if where == "uv":
        variables["UV_DEFAULT_INDEX"] = f"{url}/uv/"
    # Somebody's own settings of uv, which are for other projects.
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").write_text('no-index = true\n[pip]\ntarget = "/nowhere"\n')
    variables |= {"XDG_CONFIG_HOME": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "local.uv", "pip", "install", "--dry-run", "no-such-package"]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert asked == [f"/{where}/no-such-package/"], done.stderr
