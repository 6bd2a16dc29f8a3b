"""The public names of the package, each loaded at its first use."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import gameball

SOURCE = ast.parse(Path(gameball.__file__).read_text(encoding="utf-8"))
MODULE_OF = {name: module for module, names in gameball._MODULES.items() for name in names}
PUBLIC = sorted(MODULE_OF)


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.strip()


def seen_by_type_checkers() -> dict[str, str]:
    """The names below `if TYPE_CHECKING:`, and the modules they come from."""
    (block,) = (node for node in SOURCE.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    found: dict[str, str] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, f"{alias.name} is not exported: import it as itself"
            found[alias.name] = node.module or ""
    return found


def test_type_checkers_and_the_table_know_the_same_names_from_the_same_modules() -> None:
    assert seen_by_type_checkers() == MODULE_OF
    assert sum(map(len, gameball._MODULES.values())) == len(MODULE_OF)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_can_be_imported_from_the_package(name: str) -> None:
    value = getattr(gameball, name)
    assert value is getattr(importlib.import_module(MODULE_OF[name]), name)
    assert getattr(value, "__module__", MODULE_OF[name]) in (MODULE_OF[name], "builtins", "typing", "types")


@pytest.mark.parametrize(
    "name",
    [
        *("AsyncGameball", "Gameball", "Timeouts", "Retries", "Secret", "Operation", "Replay", "Merchant", "Branch"),
        *("Attempt", "Delivered", "UNSET", "Batch", "BatchRow", "BatchStatus", "BatchTimeoutError", "ClientKeys"),
        *("PartnerClient", "Configuration", "ChallengeConfiguration", "RedemptionConfiguration"),
        *("CashbackConfiguration", "CashbackRule", "RedemptionRule", "TimedOutError", "UnexpectedAnswerError"),
        *("LineItem", "CashbackRequest", "RedeemRequest", "RefundRequest", "ManualRequest", "CashbackReward"),
        *("Redemption", "OrderTransactions", "OrderTransaction", "Hold", "ManualTransaction", "TransactionPage"),
        *("Transaction", "Coupon", "GameballError", "APIError", "OutcomeUnknownError"),
    ],
)
def test_the_names_that_programs_rely_on_are_public(name: str) -> None:
    assert name in PUBLIC


INSIDE = {
    *("Code", "CouponCode", "BatchId", "Unset"),
    *("HoldRequest", "CouponRequest", "TransactionFilter", "ClientRequest", "ClientUpdate"),
}
"""The code table, the classes of single values, and requests that no bulk run takes."""


def test_every_error_and_every_answer_is_public() -> None:
    homes = ["transactions", "batches", "clients", "configurations"]
    for home, base in (("gameball.errors", Exception), *((f"gameball.models.{home}", object) for home in homes)):
        module = importlib.import_module(home)
        own = {
            name
            for name, value in vars(module).items()
            if inspect.isclass(value) and value.__module__ == home and issubclass(value, base)
        }
        assert {name for name in own if is_public(name)} - set(PUBLIC) <= INSIDE


def test_dir_lists_every_public_name_and_no_helper() -> None:
    listed = {name for name in dir(gameball) if is_public(name)}
    modules = {name for name in listed if inspect.ismodule(getattr(gameball, name))}
    assert listed - modules == set(PUBLIC) - {"__version__"}
    assert "__version__" in dir(gameball)


def test_a_star_import_gives_every_public_name_and_nothing_else() -> None:
    code = "from gameball import *; print(sorted(set(globals()) - set(vars(__builtins__)) - {'__builtins__'}))"
    assert set(ast.literal_eval(python(code))) - {"__annotations__"} == set(PUBLIC)


def test_help_shows_the_clients_with_their_arguments() -> None:
    shown = python("import gameball, pydoc; print(pydoc.plain(pydoc.render_doc(gameball)))")
    assert "class AsyncGameball(" in shown
    assert "class Gameball(" in shown
    assert "class OutcomeUnknownError(" in shown


def test_the_tab_key_completes_public_names() -> None:
    code = """
import rlcompleter, gameball
completer = rlcompleter.Completer({"gameball": gameball})
matches = []
while match := completer.complete("gameball.", len(matches)):
    matches.append(match)
print([match.split(".")[1].strip("(") for match in matches])
"""
    assert set(ast.literal_eval(python(code))) >= set(PUBLIC) - {"__version__"}


def test_listing_the_names_loads_none_of_them() -> None:
    assert python("import gameball, sys; dir(gameball); print('gameball.errors' in sys.modules)") == "False"


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="module 'gameball' has no attribute 'Gamebal'"):
        getattr(gameball, "Gamebal")  # noqa: B009 (a misspelling)
    with pytest.raises(ImportError, match="Gamebal"):
        exec("from gameball import Gamebal")  # noqa: S102 (the statement is what is tested)


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ["aiohttp", "anyio", "asyncio", "attrs", "cattrs", "msgspec", "gameball.client", "gameball.errors"]
    print_loaded = f"print([name for name in {heavy} if name in sys.modules])"
    assert python(f"import gameball, sys; {print_loaded}") == "[]"


def test_aiohttp_is_loaded_by_the_first_client_not_before() -> None:
    code = """
import sys
from gameball import Gameball
before = "aiohttp" in sys.modules
Gameball("key", "secret")
print(before, "aiohttp" in sys.modules)
"""
    assert python(code) == "False True"


def test_naming_an_error_does_not_load_a_client() -> None:
    code = "import sys; from gameball import GameballError; print('gameball.client' in sys.modules)"
    assert python(code) == "False"


def test_a_name_is_looked_up_once() -> None:
    code = "import gameball; gameball.Timeouts; print('Timeouts' in vars(gameball))"
    assert python(code) == "True"


def test_the_version_is_the_apis() -> None:
    assert gameball.__version__.startswith("3.0.")


def is_public(name: str) -> bool:
    return not name.startswith("_")


def undocumented() -> list[str]:
    """Public classes, functions and methods without a docstring, in all modules of the package."""
    missing: list[str] = []
    folder = Path(gameball.__file__).parent
    for file in sorted(folder.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        owners: list[ast.Module | ast.ClassDef] = [tree]
        owners += (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and is_public(node.name))
        missing += [
            f"{file.relative_to(folder)}:{node.lineno} {node.name}"
            for owner in owners
            for node in owner.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and is_public(node.name)
            and ast.get_docstring(node) is None
            and "overload" not in map(ast.unparse, node.decorator_list)
        ]
    return missing


def test_every_public_class_and_function_says_what_it_is() -> None:
    assert undocumented() == []


@pytest.mark.parametrize("name", [name for name in PUBLIC if inspect.isclass(getattr(gameball, name))])
def test_every_public_class_has_words_of_its_own(name: str) -> None:
    assert (vars(getattr(gameball, name)).get("__doc__") or "").strip()
    assert not (getattr(gameball, name).__doc__ or "").startswith("Method generated by attrs")
