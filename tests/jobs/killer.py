"""Jobs as real processes that are killed by SIGKILL, at a request that a test names.

Whatever a job asks of a service goes through a proxy of ours. Before the request reaches the service, or when it was
carried out and the answer is on its way, the proxy kills whoever asks. The job is the child of a process that has
everything imported already, for there are hundreds of them: run as a module, this file is that process.
"""

from __future__ import annotations

import contextlib
import gc
import http.client
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

KILLED = -signal.SIGKILL
SETTLE_SECONDS = 60
JOBS = Path(__file__).parents[2] / "jobs"
PAGE = 3  # items
CLIENTS = {
    "jobs.services": ("s3", "dynamodb", "workflows"),
    "jobs.repair": ("functions", "events"),
    "aws.clients": ("dynamodb",),
}


class Kill(NamedTuple):
    """At which request, counted from 1, a job dies: when it was carried out, or before the service has heard of it."""

    request: int
    carried_out: bool


class Request(NamedTuple):
    """What a job asks: `operation` is DynamoDB's, or the method and the path."""

    operation: str
    body: bytes


type Answer = tuple[int, bytes]


@dataclass
class Proxy:
    """What is between the jobs and the service at `upstream`. `stubs` answer in its place, by the path's beginning.

    One nursery's jobs are watched: what they have `asked` is counted, and one of their requests is where they die, or
    wait.
    """

    upstream: str
    watched: str
    stubs: dict[str, Callable[[Request], Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list, init=False)
    _kill: Kill | None = field(default=None, init=False)
    _victim: int = field(default=0, init=False)
    _named: threading.Event = field(default_factory=threading.Event, init=False)
    _hold: int = field(default=0, init=False)
    _held: threading.Event = field(default_factory=threading.Event, init=False)
    _free: threading.Event = field(default_factory=threading.Event, init=False)
    _under_way: int = field(default=0, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)

    @contextlib.contextmanager
    def open(self) -> Iterator[str]:
        """Listen, for as long as the block takes; answers the address."""
        handler = type("Handler", (_Handler,), {"proxy": self})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_address[1]}"
            server.shutdown()

    def expect(self, kill: Kill | None = None, *, hold: int = 0) -> None:
        """Count from here. Whoever makes the request in `kill` is killed, and the one of number `hold` waits."""
        self.asked.clear()
        self._kill, self._victim, self._hold = kill, 0, hold
        for event in (self._named, self._held, self._free):
            event.clear()

    def name(self, pid: int) -> None:
        """Say whom to kill. Until then, nobody who is watched gets further."""
        self._victim = pid
        self._named.set()

    def wait_for_hold(self) -> None:
        """Wait until somebody waits."""
        assert self._held.wait(SETTLE_SECONDS)

    def let_go(self) -> None:
        """Whoever waits goes on."""
        self._free.set()

    def settle(self) -> None:
        """Wait until nothing of what was asked is still being carried out."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._under_way, SETTLE_SECONDS)

    def enter(self, request: Request, agent: str) -> int | None:
        """The request's number, 0 if it is nobody's who is watched; None if whoever asks is dead."""
        if f"app/{self.watched}" not in agent:
            return 0
        assert self._named.wait(SETTLE_SECONDS)
        with self._changed:
            number = len(self.asked) + 1
            if self._kill and number >= self._kill.request + self._kill.carried_out:
                self._end()
                return None
            self.asked.append(request.operation)
            self._under_way += 1
        if number == self._hold:
            self._held.set()
            assert self._free.wait(SETTLE_SECONDS)
        return number

    def leave(self, number: int) -> bool:
        """A request was carried out; answers whether somebody is still there to hear of it."""
        if not number:
            return True
        with self._changed:
            if self._kill == Kill(number, carried_out=True):
                self._end()
            self._under_way -= 1
            self._changed.notify_all()
            return self._kill is None or number < self._kill.request

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._victim, signal.SIGKILL)


class _Handler(BaseHTTPRequestHandler):
    """One connection of a job."""

    proxy: Proxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        service = urlsplit(self.proxy.upstream)
        self._service = http.client.HTTPConnection(service.hostname or "", service.port)

    def finish(self) -> None:
        self._service.close()
        with contextlib.suppress(OSError):
            super().finish()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        request = Request(target or f"{self.command} {self.path}", body)
        self.close_connection = True  # unless all goes well
        number = self.proxy.enter(request, self.headers.get("User-Agent", ""))
        if number is None:
            return
        status, answer = 503, b""
        headers: Mapping[str, str] = {}
        try:
            status, headers, answer = self._ask(request)
        finally:
            heard = self.proxy.leave(number)
        if heard:
            self.close_connection = False
            self._answer(status, headers, answer)

    def _ask(self, request: Request) -> tuple[int, Mapping[str, str], bytes]:
        for path, stub in self.proxy.stubs.items():
            if self.path.startswith(path) or request.operation == path:
                status, answer = stub(request)
                return status, {}, answer
        self._service.request(self.command, self.path, request.body, dict(self.headers))
        answered = self._service.getresponse()
        return answered.status, dict(answered.headers), answered.read()

    def _answer(self, status: int, headers: Mapping[str, str], answer: bytes) -> None:
        with contextlib.suppress(OSError):  # it may have been killed by another request
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                    self.send_header(name, value)
            # The answer to a HEAD says how long the object is.
            length = headers.get("content-length", "0") if self.command == "HEAD" else str(len(answer))
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Not worth a line."""


# ── Processes ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Nursery:
    """A process with everything imported, whose children are the jobs; `variables` are those of all of them.

    They ask under its name. Of two nurseries with other seeds, what depends on the order in a set differs as well.
    """

    name: str
    variables: Mapping[str, str]
    folder: Path
    hash_seed: int

    @contextlib.contextmanager
    def open(self) -> Iterator[Nursery]:
        """It lives as long as the block."""
        kept = {name: value for name in ("PATH", "LD_LIBRARY_PATH") if (value := os.environ.get(name))}
        root = Path(__file__).parents[2]
        own = {"PYTHONPATH": f"{root / 'functions'}{os.pathsep}{root}", "PYTHONHASHSEED": str(self.hash_seed)}
        own["AWS_SDK_UA_APP_ID"] = self.name
        command = [sys.executable, "-m", "tests.jobs.killer"]
        with subprocess.Popen(
            command, env=kept | own | dict(self.variables), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as self._process:
            try:
                yield self
            finally:
                self._process.kill()

    def start(self, *arguments: str, **variables: str) -> int:
        """Start `python -m jobs ARGUMENTS` with these variables besides; answers its process id."""
        job = {"arguments": arguments, "variables": variables, "folder": str(self.folder)}
        return self._tell(json.dumps(job))

    def wait(self, pid: int) -> int:
        """The exit status of a job when it has ended; KILLED if it was."""
        return self._tell(str(pid))

    def said(self, pid: int) -> str:
        """What a job has printed."""
        return (self.folder / f"{pid}.log").read_text()

    def _tell(self, line: str) -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def breed() -> None:
    """Be a nursery: a child for each line with a job, and a child's exit status for each line with its id."""
    main = importlib.import_module("jobs.__main__").main
    _import_everything()
    gc.freeze()  # no job has to look through all that
    for line in sys.stdin:
        told = json.loads(line)
        if isinstance(told, int):
            answer = os.waitstatus_to_exitcode(os.waitpid(told, 0)[1])
        elif not (answer := os.fork()):
            status = _be_a_job(main, told)
            sys.stderr.flush()
            os._exit(status)  # to take everything apart that was imported would take longer than the job
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _import_everything() -> None:
    """What a job would do before its first request, which takes a hundred times as long as all of its requests.

    Tables are read a few items at a time, and a few items are a chunk: else there would be one of each.
    """
    modules = [importlib.import_module(f"jobs.{path.stem}") for path in sorted(JOBS.glob("[a-z]*.py"))]
    named = {module.__name__: module for module in (*modules, importlib.import_module("aws.clients"))}
    made = [vars(named[module])[client]() for module, clients in CLIENTS.items() for client in clients]
    for client in made:
        if client.meta.service_model.service_name == "dynamodb":
            client.meta.events.register("provide-client-params.dynamodb.Scan", _few)
    importlib.import_module("jobs.extract").__dict__["CHUNK_BYTES"] = 1


def _few(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return params if params.get("Select") == "COUNT" else params | {"Limit": PAGE}


def _be_a_job(main: Callable[[list[str]], int], told: dict[str, Any]) -> int:
    folder = Path(told["folder"])
    log = os.open(folder / f"{os.getpid()}.log", os.O_WRONLY | os.O_CREAT)
    for number in (1, 2):
        os.dup2(log, number)
    os.environ |= told["variables"]
    tempfile.tempdir = str(folder)
    return main(told["arguments"])


if __name__ == "__main__":
    breed()
