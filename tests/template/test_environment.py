"""The functions' environment variables: exactly those that their code reads."""

from __future__ import annotations

import ast
import re
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


def named_in(sources: set[Path]) -> set[str]:
    """Every name that modules use, import or take from another one."""
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    return used | {
        *(node.attr for node in nodes if isinstance(node, ast.Attribute)),
        *(alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names),
    }


# Some functions are told which variable holds the name of a table. Whoever tells them says it as it is.
A_TABLE = re.compile("[A-Z_]+_TABLE")


def variables_read(path: Path, named: set[str]) -> Iterator[str]:
    """The environment variables that a module reads, or says to whom it calls, without those of functions that nobody
    names. Every use of os.environ has to name one, or to be of a parameter that does.
    """
    tree = ast.parse(path.read_text("utf-8"))
    tree.body = [node for node in tree.body if not _is_idle(node, named)]
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
            case ast.Constant(value=str(name)) if A_TABLE.fullmatch(name):
                yield name
            case ast.FunctionDef():
                uses -= _told(node)
    assert uses == 0, f"{path} uses the environment in a way that this test does not understand"


def _is_idle(node: ast.stmt, named: set[str]) -> bool:
    """Whether it is a function of a shared module that these sources don't need: they name it nowhere."""
    return isinstance(node, ast.FunctionDef) and not node.decorator_list and node.name not in named | {"handler"}


def _told(function: ast.FunctionDef) -> int:
    """How often a function reads the variable that a parameter names, or each of those that one does."""
    arguments = function.args
    told = {each.arg for each in (*arguments.args, *arguments.kwonlyargs, arguments.vararg) if each}
    loops = [node for node in ast.walk(function) if isinstance(node, ast.comprehension)]
    told |= {loop.target.id for loop in loops if isinstance(loop.target, ast.Name) and _is_one_of(loop.iter, told)}
    reads = [node for node in ast.walk(function) if isinstance(node, ast.Subscript) and _is_one_of(node.slice, told)]
    return sum(isinstance(node.value, ast.Attribute) and node.value.attr == "environ" for node in reads)


def _is_one_of(node: ast.expr, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def test_a_function_gets_exactly_the_variables_that_its_code_reads(stack: TransformedTemplate) -> None:
    for function in stack.functions.values():
        sources = sources_of(function.package)
        named = named_in(sources)
        read = {name for path in sources for name in variables_read(path, named)}
        read |= READ_BY_LIBRARIES.keys() | ({NAMESPACE} if METRICS in sources else set())
        assert function.environment.keys() == read, function.package


def test_business_metrics_are_in_a_namespace_of_the_stack_and_name_their_function(stack: TransformedTemplate) -> None:
    for package, function in stack.functions.items():
        assert function.environment["POWERTOOLS_SERVICE_NAME"] == package
        assert function.environment.get(NAMESPACE, stack.name) == stack.name, package
