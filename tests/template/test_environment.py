"""The functions' environment variables: exactly those that their code reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.template.stack import FUNCTIONS, TransformedTemplate

# By aws_lambda_powertools where a function emits metrics: aws/metrics.py.
METRICS, NAMESPACE = FUNCTIONS / "aws" / "metrics.py", "POWERTOOLS_METRICS_NAMESPACE"
READ_BY_LIBRARIES = {
    "AWS_ENDPOINT_URL": "botocore",
    "POWERTOOLS_LOG_LEVEL": "aws_lambda_powertools",
    "POWERTOOLS_SERVICE_NAME": "aws_lambda_powertools",
}


def sources_of(package: str) -> set[Path]:
    """The modules of functions/ that a handler loads, at the top or later."""
    found: set[Path] = set()
    to_read = [FUNCTIONS / package / "app.py"]
    while to_read:
        path = to_read.pop()
        if path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            modules = (FUNCTIONS / f"{name.replace('.', '/')}.py" for name in names)
            to_read.extend(module for module in modules if module.exists())
    return found


def variables_read(path: Path) -> Iterator[str]:
    """The environment variables that a module reads. Every use of os.environ has to name one, but that of read_items
    (aws/item.py), whose callers do.
    """
    tree = ast.parse(path.read_text("utf-8"))
    uses = sum(isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") for node in ast.walk(tree))
    for node in ast.walk(tree):
        match node:
            case (
                ast.Subscript(value=ast.Attribute(attr="environ"), slice=ast.Constant(value=str(name)))
                | ast.Call(
                    func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"),
                    args=[ast.Constant(value=str(name)), *_],
                )
                | ast.Call(func=ast.Attribute(attr="getenv"), args=[ast.Constant(value=str(name)), *_])
            ):
                uses -= 1
                yield name
            case ast.FunctionDef(name="read_items"):
                uses -= 1
            case ast.Call(func=ast.Name(id="read_items"), args=[_, *names]):
                for each in names:
                    assert isinstance(each, ast.Constant), f"{path} does not name what it reads"
                    yield str(each.value)
    assert uses == 0, f"{path} uses the environment in a way that this test does not understand"


def test_a_function_gets_exactly_the_variables_that_its_code_reads(stack: TransformedTemplate) -> None:
    for function in stack.functions.values():
        sources = sources_of(function.package)
        read = {name for path in sources for name in variables_read(path)}
        read |= READ_BY_LIBRARIES.keys() | ({NAMESPACE} if METRICS in sources else set())
        assert function.environment.keys() == read, function.package


def test_business_metrics_are_in_a_namespace_of_the_stack_and_name_their_function(stack: TransformedTemplate) -> None:
    for package, function in stack.functions.items():
        assert function.environment["POWERTOOLS_SERVICE_NAME"] == package
        assert function.environment.get(NAMESPACE, stack.pipeline.name) == stack.pipeline.name, package
