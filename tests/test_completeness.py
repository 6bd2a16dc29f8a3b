"""An endpoint is whole or not there: in resources, sandbox, catalogue of samples, types of both clients, and docs.

How to add one is in .github/CONTRIBUTING.md.
"""

import ast
import re
from pathlib import Path

import pytest

from gameball import Gameball
from gameball.core.methods import ResourceBase
from gameball.sandbox.routes import ROUTES
from tests.support.calls import CALLS, COMPOSED, OPERATIONS, SampleCall

ROOT = Path(__file__).parents[1]
TABLE = (ROOT / "docs/calls.md").read_text(encoding="utf-8")


def public_methods() -> set[str]:
    """Every method of every resource of a client, as in "transactions.cashback"."""
    client = Gameball("a-key-of-no-account", "its-secret-key")
    resources = {name: getattr(client, name) for name in dir(client) if not name.startswith("_")}
    return {
        f"{name}.{method}"
        for name, resource in resources.items()
        if isinstance(resource, ResourceBase)
        for method in vars(type(resource))
        if not method.startswith("_")
    }


METHODS = public_methods()
OF_PAGES = {name for name in METHODS if not name.startswith("bulk.")}


def operations_built() -> set[str]:
    """The names that are given to operations in resources/, where they stand in one piece."""
    return {
        ast.literal_eval(argument.value)
        for file in (ROOT / "gameball/resources").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Operation"
        for argument in node.keywords
        if argument.arg == "name" and isinstance(argument.value, ast.Constant)
    }


def test_every_method_of_the_pages_has_its_sample_call() -> None:
    assert CALLS.keys() | COMPOSED == OF_PAGES


def test_every_operation_that_is_built_has_its_sample_call() -> None:
    assert len(operations_built()) > 10
    assert operations_built() <= OPERATIONS.keys()


def test_the_sandbox_serves_the_operations_and_no_others() -> None:
    assert sorted(route.operation for route in ROUTES) == sorted(OPERATIONS)


@pytest.mark.parametrize("sample", CALLS.values(), ids=CALLS)
def test_the_sandbox_serves_each_call_where_the_client_sends_it(sample: SampleCall) -> None:
    (route,) = [route for route in ROUTES if route.operation == sample.operation_name]
    method, path = sample.request
    assert route.method == method
    assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), path)


def test_the_table_of_calls_has_every_method_and_no_others() -> None:
    rows = [line.split("|")[1] for line in TABLE.splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`(\w+\.\w+)\(", row)]
    assert sorted(named) == sorted(METHODS)


@pytest.mark.parametrize("usage", ["awaited", "plain"])
def test_type_checkers_see_every_method_in_use(usage: str) -> None:
    tree = ast.parse((ROOT / "tests/typing" / f"{usage}.py").read_text(encoding="utf-8"))
    called = {ast.unparse(node.func).removeprefix("client.") for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert called >= METHODS
