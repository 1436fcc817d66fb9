"""The variables that our processes are given: what they need, and nothing else that somebody may have set.

A list of what is kept, not of what is taken away: nobody can name every variable that pip, botocore, the SAM CLI, the
emulator and Python listen to.
"""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Iterable
from pathlib import Path

REGION = "us-east-1"
ACCESS_KEY_ID = SECRET_ACCESS_KEY = "local"  # noqa: S105 - the emulator's, on loopback

# An interpreter may need it to start at all.
_ALWAYS = ("LD_LIBRARY_PATH",)
# Where packages come from, and the way there. `sam build` installs what ships.
_DOWNLOADS = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"),
    *("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"),
    *("PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_FIND_LINKS"),
    *("PIP_CERT", "PIP_CLIENT_CERT", "PIP_PROXY", "PIP_TRUSTED_HOST", "PIP_KEYRING_PROVIDER"),
    *("PIP_CACHE_DIR", "PIP_DEFAULT_TIMEOUT", "PIP_TIMEOUT", "PIP_RETRIES"),
)

# What botocore reads before it looks at what it is told: a profile that is not there, or a file that is not well
# formed, would end it.
_NOBODYS_AWS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
    "AWS_DEFAULT_REGION": REGION,
}

# Loopback, and bridges of this machine: never through a proxy.
fetch = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def environment(folder: Path, *, downloads: bool = False, **variables: str) -> dict[str, str]:
    """The variables of a process that keeps its files in `folder`, and may install packages if it `downloads`.

    This Python comes first on its path. `variables` are added.
    """
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    own = {
        "HOME": str(folder),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "TMPDIR": str(temporary),
        "SAM_CLI_TELEMETRY": "0",
        "__SAM_CLI_APP_DIR": str(folder / "sam"),
    }
    return own | _NOBODYS_AWS | _kept(_ALWAYS) | (_kept(_DOWNLOADS) if downloads else {}) | variables


def forget_accounts() -> None:
    """Take the user's AWS settings out of this process, so that boto3 in here knows the emulator only."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.pop("BOTO_CONFIG", None)
    os.environ.update(_NOBODYS_AWS)


def _kept(names: Iterable[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}
