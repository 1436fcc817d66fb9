"""uv for this Python, with packages from where pip is told to: `python -m local.uv pip install …`.

pip brings uv, and `sam build` installs with pip, so pip has to be told anyhow; uv reads nothing that is meant for pip
(https://docs.astral.sh/uv/pip/compatibility/). Nothing else that somebody has set for uv counts, but its variables.
Runs before anything is installed, with the standard library alone.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Mapping

# pip's option, uv's variable, and what uv puts between two of a list; pip has blanks.
# https://pip.pypa.io/en/stable/topics/configuration/, https://docs.astral.sh/uv/reference/environment/
_VARIABLES = [
    ("index-url", "UV_DEFAULT_INDEX", " "),
    ("extra-index-url", "UV_INDEX", " "),
    ("find-links", "UV_FIND_LINKS", ","),
    ("trusted-host", "UV_INSECURE_HOST", " "),
    ("default-timeout", "UV_HTTP_TIMEOUT", " "),
    ("timeout", "UV_HTTP_TIMEOUT", " "),
    ("retries", "UV_HTTP_RETRIES", " "),
    ("proxy", "ALL_PROXY", " "),
    ("cert", "SSL_CERT_FILE", " "),
    ("client-cert", "SSL_CLIENT_CERT", " "),
]
# pip trusts the certificates of the system.
_ALWAYS = {"UV_NO_CONFIG": "1", "UV_SYSTEM_CERTS": "1"}


def settings(listed: str) -> dict[str, str]:
    """What pip is told, by option, from what `pip config list` prints. The environment wins over a command's section
    of the files, and that over the global one.
    """
    lines = (line.partition("=") for line in listed.splitlines())
    values = {name: str(ast.literal_eval(value)) for name, _, value in lines}
    sections = ("global.", "install.", ":env:.")
    return {
        name.removeprefix(section): value
        for section in sections
        for name, value in values.items()
        if name.startswith(section)
    }


def variables(told: Mapping[str, str]) -> dict[str, str]:
    """pip's settings as uv's variables."""
    return _ALWAYS | {
        variable: between.join(map(os.path.expanduser, told[option].split()))
        for option, variable, between in _VARIABLES
        if told.get(option)
    }


def options(told: Mapping[str, str]) -> list[str]:
    """pip's settings for which uv has an option and no variable."""
    return ["--no-index"] if told.get("no-index", "").lower() in {"1", "true", "yes", "y", "on", "t"} else []


def main(arguments: list[str]) -> None:
    """Become uv. What is set for uv itself wins over what is set for pip."""
    pip = [sys.executable, "-m", "pip", "config", "list"]
    told = settings(subprocess.run(pip, capture_output=True, text=True, check=True).stdout)
    own = {name: value for name, value in os.environ.items() if name.startswith("UV_")}
    command = [sys.executable, "-m", "uv", *arguments, *options(told)]
    os.execve(sys.executable, command, os.environ | variables(told) | own)


if __name__ == "__main__":
    main(sys.argv[1:])
