"""A stack that can be broken and is none: it writes down what it is asked, and answers as a test says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from console.place import Place

REFUSED = ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "Not now"}}, "PutFunctionConcurrency")
BUS = "orders-test"


@dataclass
class Services:
    """Every service at once. `asked` are the requests, `answers` what some of them are answered with."""

    endpoint_url: str = "http://127.0.0.1:9"
    outputs: dict[str, str] = field(default_factory=lambda: {"EventBusName": BUS})
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, Callable[[dict[str, Any]], Any]] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A client of one of them."""
        return _Client(self, service)

    @property
    def operations(self) -> list[str]:
        """What was asked, by name."""
        return [name for name, _ in self.asked]


@dataclass(frozen=True)
class _Client:
    services: Services
    service: str

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def ask(**arguments: Any) -> Any:
            self.services.asked.append((operation, arguments))
            answer = self.services.answers.get(operation)
            return answer(arguments) if answer else {}

        return ask


@dataclass(frozen=True)
class Breakable(Place):
    """An embedded stack with these services."""

    services: Services = field(default_factory=Services)

    def client(self, service: str) -> Any:
        return self.services.client(service)

    def running(self) -> Any:
        return self.services


def breakable(services: Services | None = None) -> Breakable:
    """A place of its own: what is broken of it is nobody else's."""
    services = services or Services()
    return Breakable(
        name="orders-test",
        outputs=services.outputs,
        embedded=True,
        may_write=True,
        endpoint_url=services.endpoint_url,
        stacks=("orders-test",),
        emulator_pid=1,
        services=services,
    )


def refuse(_: dict[str, Any]) -> Any:
    """Not now."""
    raise REFUSED
